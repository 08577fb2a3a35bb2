/* Watching a file: `loop:watch(path, callback)`, a handle that calls the callback in
 * the turn after somebody has written to the file, once for however many writes. It
 * lives until it is closed, and does not keep the loop active. */
#include "loop.h"

#include <stdlib.h>

struct watch {
  struct handle handle;
  uv_fs_event_t *uv;
};

static void free_uv(uv_handle_t *uv) { free(uv); }

static void watch_end(struct handle *handle)
{
  struct watch *watch = (struct watch *)handle;
  if (watch->uv == NULL) return;
  watch->uv->data = NULL;
  uv_close((uv_handle_t *)watch->uv, free_uv);
  watch->uv = NULL;
}

static void on_change(uv_fs_event_t *uv, const char *name, int events, int status)
{
  (void)name, (void)events, (void)status;
  struct watch *watch = uv->data;
  if (watch != NULL) orchlua_ready(&watch->handle);
}

static void watch_call(lua_State *L, struct handle *handle)
{
  lua_rawgeti(L, 2, handle->anchor);
  lua_getiuservalue(L, -1, 2);
  orchlua_call(L);
  lua_pop(L, 1);
}

static int start(struct watch *watch, const char *path)
{
  struct loop *loop = watch->handle.loop;
  watch->uv = malloc(sizeof *watch->uv);
  if (watch->uv == NULL) return UV_ENOMEM;
  int code = uv_fs_event_init(&loop->uv, watch->uv);
  if (code != 0) {
    free(watch->uv);
    watch->uv = NULL;
    return code;
  }
  watch->uv->data = watch;
  uv_unref((uv_handle_t *)watch->uv);
  return uv_fs_event_start(watch->uv, on_change, path, 0);
}

/* loop:watch(path, callback) -> a handle, or nil and an error. */
int orchlua_loop_watch(lua_State *L)
{
  orchlua_check_loop(L);
  const char *path = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  struct watch *watch = orchlua_new_handle(L, &orchlua_watch, sizeof *watch);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 2);
  orchlua_hold(L, lua_gettop(L)); /* before it starts: `watch_call` needs it */
  int code = start(watch, path);
  if (code != 0) {
    orchlua_discard(L);
    return orchlua_failure(L, "system", "cannot watch %s: %s", path, uv_strerror(code));
  }
  return 1;
}

static const luaL_Reg methods[] = { { NULL, NULL } };

const struct kind orchlua_watch = { "orchlua.watch", methods, watch_end, watch_call };
