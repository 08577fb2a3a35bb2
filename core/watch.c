/* Watching a file: `loop:watch(path, callback)`, a handle that calls the callback in
 * the turn after somebody has written to the file, once for however many writes. It
 * lives until it is closed, and does not keep the loop active. */
#include "loop.h"

#include <stdlib.h>

struct watch {
  struct handle handle;
  uv_fs_event_t *uv;
  int self; /* anchors */
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
  struct watch *watch = (struct watch *)handle;
  lua_rawgeti(L, 2, watch->self);
  lua_getiuservalue(L, -1, 2);
  orchlua_call(L);
  lua_pop(L, 1);
}

/* Closing also lets go of the anchor, which is what keeps the handle alive. */
static int watch_close(lua_State *L)
{
  struct watch *watch = orchlua_check_handle(L);
  if (!watch->handle.open) return 0;
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, 1);
  if (lua_istable(L, -1)) luaL_unref(L, -1, watch->self);
  lua_settop(L, 1);
  return orchlua_close_handle(L);
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
  watch->self = LUA_NOREF;
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 2);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, -2);
  watch->self = luaL_ref(L, -2); /* before it starts: `watch_call` needs it */
  int code = start(watch, path);
  if (code != 0) {
    luaL_unref(L, -1, watch->self);
    orchlua_discard(&watch->handle);
    return orchlua_failure(L, "system", "cannot watch %s: %s", path, uv_strerror(code));
  }
  lua_pop(L, 1);
  return 1;
}

static const luaL_Reg methods[] = { { "close", watch_close }, { "__close", watch_close }, { NULL, NULL } };

const struct kind orchlua_watch = { "orchlua.watch", methods, watch_end, watch_call };
