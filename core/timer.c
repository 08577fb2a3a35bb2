/* Timers: `loop:timer(seconds)`, a handle whose `wait` returns true when the
 * time has come. */
#include "loop.h"

#include <stdlib.h>

struct timer {
  struct handle handle;
  uv_timer_t *uv; /* NULL once it has fired or is closed */
};

static void free_uv(uv_handle_t *uv) { free(uv); }

static void stop(struct timer *timer)
{
  if (timer->uv == NULL) return;
  timer->uv->data = NULL;
  uv_close((uv_handle_t *)timer->uv, free_uv);
  timer->uv = NULL;
}

static void timer_end(struct handle *handle) { stop((struct timer *)handle); }

static void on_timer(uv_timer_t *uv)
{
  struct timer *timer = uv->data;
  stop(timer);
  orchlua_ready(&timer->handle);
}

static int wait_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct timer *timer = orchlua_check_handle(L);
  if (!timer->handle.open) return orchlua_cancelled(L, &timer->handle);
  if (timer->uv != NULL) return orchlua_await(L, &timer->handle, wait_again);
  lua_pushboolean(L, 1);
  return 1;
}

static int timer_wait(lua_State *L) { return wait_again(L, LUA_OK, 0); }

/* loop:timer(seconds): counted from now, not from when this turn began. */
int orchlua_loop_timer(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  uint64_t milliseconds = orchlua_milliseconds(L, 2, "timer");
  struct timer *timer = orchlua_new_handle(L, &orchlua_timer, sizeof *timer);
  timer->uv = malloc(sizeof *timer->uv);
  if (timer->uv == NULL) return luaL_error(L, "not enough memory");
  uv_timer_init(&loop->uv, timer->uv);
  timer->uv->data = timer;
  uv_update_time(&loop->uv);
  uv_timer_start(timer->uv, on_timer, milliseconds, 0);
  return 1;
}

static const luaL_Reg methods[] = { { "wait", timer_wait }, { NULL, NULL } };

const struct kind orchlua_timer = { "orchlua.timer", methods, timer_end, NULL };
