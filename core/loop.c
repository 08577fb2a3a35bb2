/* `require "orchlua.core".loop`: an event loop that resumes coroutines. Here
 * are the loop itself, what all handles have in common, and the one place where
 * Lua is entered: the end of `loop:turn`, when libuv has returned. So no error
 * of Lua ever passes through libuv or libcurl, and whatever a coroutine does,
 * it does outside of their callbacks. */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define LOOP_NAME "orchlua.loop"

/* The user values of a loop. Nothing of it is in the registry, so that a loop
 * that is forgotten with all its coroutines can be collected. */
enum {
  ANCHORS = 1, /* holds waiting coroutines, and handles that nobody else need hold (luaL_ref) */
  DEFERRED,    /* callbacks, from `first` to `last` */
  ERROR,       /* the error that is kept, */
  CULPRIT,     /* and the coroutine it left, nil when it left a callback */
  LAST_VALUE = CULPRIT
};

static const struct kind *const kinds[] = {
  &orchlua_timer, &orchlua_signal, &orchlua_watch, &orchlua_process, &orchlua_request, &orchlua_database
};

struct loop *orchlua_check_loop(lua_State *L)
{
  struct loop *loop = luaL_checkudata(L, 1, LOOP_NAME);
  if (!loop->open) luaL_error(L, "the loop is closed");
  return loop;
}

/* Coroutines -------------------------------------------------------------- */

/* Closes a coroutine that failed, so that its <close> variables run. */
static void close_failed(lua_State *co)
{
  lua_resetthread(co);
  lua_settop(co, 0);
}

/* Keeps the error on the top of `L` for the turn to raise, and pops it. It left
 * the coroutine at the stack index `culprit`, or a callback (0). The first is
 * kept; a later one only has its coroutine closed. */
static void keep_error(lua_State *L, struct loop *loop, int culprit)
{
  if (loop->failed) {
    lua_pop(L, 1);
    if (culprit != 0) close_failed(lua_tothread(L, culprit));
    return;
  }
  loop->failed = true;
  lua_setiuservalue(L, 1, ERROR);
  if (culprit == 0) return;
  lua_pushvalue(L, culprit);
  lua_setiuservalue(L, 1, CULPRIT);
}

/* Resumes the coroutine at the stack index `at` with the `count` values on its
 * own stack. The loop is at index 1. What it yields is of no interest here. */
static void resume(lua_State *L, struct loop *loop, int at, int count)
{
  lua_State *co = lua_tothread(L, at);
  int results;
  int status = lua_resume(co, L, count, &results);
  if (status == LUA_OK || status == LUA_YIELD) {
    lua_pop(co, results);
    return;
  }
  lua_xmove(co, L, 1);
  keep_error(L, loop, at);
}

/* Raises the error that was kept, a text with the traceback of its coroutine,
 * and closes that coroutine. */
static int raise_kept(lua_State *L, struct loop *loop)
{
  loop->failed = false;
  lua_getiuservalue(L, 1, ERROR);
  lua_getiuservalue(L, 1, CULPRIT);
  for (int value = ERROR; value <= CULPRIT; value++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, value);
  }
  lua_State *co = lua_tothread(L, -1);
  if (co != NULL) {
    if (lua_type(L, -2) == LUA_TSTRING) luaL_traceback(L, co, lua_tostring(L, -2), 0);
    else lua_pushvalue(L, -2);
    close_failed(co);
  } else {
    lua_pop(L, 1);
  }
  return lua_error(L);
}

static int add_traceback(lua_State *L)
{
  if (lua_type(L, 1) == LUA_TSTRING) luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

void orchlua_call(lua_State *L)
{
  struct loop *loop = lua_touserdata(L, 1);
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, -2);
  if (lua_pcall(L, 0, 0, -2) != LUA_OK) keep_error(L, loop, 0);
  lua_pop(L, 1);
}

/* Handles ----------------------------------------------------------------- */

void *orchlua_new_handle(lua_State *L, const struct kind *kind, size_t size)
{
  struct loop *loop = orchlua_check_loop(L);
  struct handle *handle = lua_newuserdatauv(L, size, 2);
  memset(handle, 0, size);
  handle->kind = kind;
  handle->loop = loop;
  handle->anchor = LUA_NOREF;
  luaL_setmetatable(L, kind->name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  handle->open = true;
  LIST_INSERT_HEAD(&loop->handles, handle, entry);
  loop->count++;
  return handle;
}

void *orchlua_check_handle(lua_State *L)
{
  const struct kind *kind = lua_touserdata(L, lua_upvalueindex(1));
  return luaL_checkudata(L, 1, kind->name);
}

static void enqueue(struct handle *handle)
{
  if (handle->queued) return;
  handle->queued = true;
  if (handle->kind->call != NULL) TAILQ_INSERT_HEAD(&handle->loop->ready, handle, queue);
  else TAILQ_INSERT_TAIL(&handle->loop->ready, handle, queue);
}

static void dequeue(struct handle *handle)
{
  if (!handle->queued) return;
  handle->queued = false;
  TAILQ_REMOVE(&handle->loop->ready, handle, queue);
}

void orchlua_ready(struct handle *handle)
{
  if (handle->waiter == NULL && handle->kind->call == NULL) return;
  enqueue(handle);
  uv_stop(&handle->loop->uv); /* there is work: do not wait for more */
}

/* Pushes the loop's anchors; the handle is at `index`. They are nil when the loop is closed. */
static void push_anchors(lua_State *L, int index)
{
  lua_getiuservalue(L, index, 1);
  lua_getiuservalue(L, -1, ANCHORS);
  lua_remove(L, -2);
}

void orchlua_hold(lua_State *L, int index)
{
  struct handle *handle = lua_touserdata(L, index);
  push_anchors(L, index);
  lua_pushvalue(L, index);
  handle->anchor = luaL_ref(L, -2);
  lua_pop(L, 1);
}

void orchlua_let_go(lua_State *L, struct handle *handle, int anchors)
{
  lua_rawgeti(L, anchors, handle->anchor);
  luaL_unref(L, anchors, handle->anchor);
  handle->waiter = NULL;
  handle->anchor = LUA_NOREF;
}

/* Forgets the coroutine that waits for the handle at `index`, or that the loop holds it. */
static void drop_anchor(lua_State *L, int index)
{
  struct handle *handle = lua_touserdata(L, index);
  if (handle->anchor == LUA_NOREF) return;
  push_anchors(L, index);
  if (lua_istable(L, -1)) luaL_unref(L, -1, handle->anchor);
  lua_pop(L, 1);
  handle->waiter = NULL;
  handle->anchor = LUA_NOREF;
}

int orchlua_await(lua_State *L, struct handle *handle, lua_KFunction again)
{
  if (!lua_isyieldable(L)) return luaL_error(L, "only a coroutine can wait, and not from inside a C function");
  if (handle->waiter != NULL && handle->waiter != L && lua_status(handle->waiter) == LUA_YIELD)
    return luaL_error(L, "another coroutine waits for this %s", handle->kind->name + sizeof "orchlua." - 1);
  lua_settop(L, 1);
  if (handle->waiter != L) {
    drop_anchor(L, 1); /* of one that was closed and left the handle open */
    push_anchors(L, 1);
    lua_pushthread(L);
    handle->anchor = luaL_ref(L, -2);
    handle->waiter = L;
    lua_settop(L, 1);
  }
  return lua_yieldk(L, 0, 0, again);
}

/* Closes the handle at `index`. Another coroutine that waits is told in the
 * next turn when `wake`; the one that closes itself has nothing to be told. */
static void close_handle(lua_State *L, int index, bool wake)
{
  struct handle *handle = lua_touserdata(L, index);
  if (!handle->open) return;
  handle->open = false;
  handle->loop->count--;
  LIST_REMOVE(handle, entry);
  handle->kind->end(handle);
  if (wake && handle->waiter != NULL && handle->waiter != L && lua_status(handle->waiter) == LUA_YIELD) {
    enqueue(handle);
    return;
  }
  dequeue(handle);
  drop_anchor(L, index);
}

static int handle_close(lua_State *L)
{
  orchlua_check_handle(L);
  close_handle(L, 1, true);
  return 0;
}

void orchlua_discard(lua_State *L) { close_handle(L, lua_gettop(L), false); }

static int handle_gc(lua_State *L)
{
  struct handle *handle = orchlua_check_handle(L);
  close_handle(L, 1, false);
  dequeue(handle);
  drop_anchor(L, 1);
  return 0;
}

static void register_kind(lua_State *L, const struct kind *kind)
{
  static const luaL_Reg common[] = {
    { "__gc", handle_gc }, { "__close", handle_close }, { "close", handle_close }, { NULL, NULL }
  };
  luaL_newmetatable(L, kind->name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
  luaL_setfuncs(L, common, 1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)kind);
  luaL_setfuncs(L, kind->methods, 1);
  lua_pop(L, 1);
}

/* The turn ---------------------------------------------------------------- */

static void on_limit(uv_timer_t *timer) { uv_stop(timer->loop); }

/* One round of libuv that waits at most so long. The timer is a reference that
 * makes libuv look for signals even when nothing else is active. */
static void run_uv(struct loop *loop, uint64_t milliseconds)
{
  uv_update_time(&loop->uv);
  uv_timer_start(loop->limit, on_limit, milliseconds, 0);
  uv_run(&loop->uv, milliseconds == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  uv_timer_stop(loop->limit);
}

void orchlua_poll(struct loop *loop) { run_uv(loop, 0); }

static bool has_work(const struct loop *loop)
{
  return !TAILQ_EMPTY(&loop->ready) || loop->first <= loop->last;
}

static bool is_active(const struct loop *loop) { return has_work(loop) || uv_loop_alive(&loop->uv); }

/* Waits for events at most so long, also when only a signal could come; or
 * `forever`, but not when nothing is active. */
static void wait_for_events(struct loop *loop, bool forever, uint64_t milliseconds)
{
  if (has_work(loop)) run_uv(loop, 0);
  else if (!forever) run_uv(loop, milliseconds);
  else if (is_active(loop)) uv_run(&loop->uv, UV_RUN_ONCE);
  else run_uv(loop, 0);
  uv_update_time(&loop->uv);
  loop->now = uv_now(&loop->uv);
}

/* Calls what was deferred before this turn. */
static void run_deferred(lua_State *L, struct loop *loop, lua_Integer last)
{
  while (loop->open && !loop->failed && loop->first <= last) {
    lua_getiuservalue(L, 1, DEFERRED);
    lua_rawgeti(L, -1, loop->first);
    lua_pushnil(L);
    lua_rawseti(L, -3, loop->first++);
    lua_remove(L, -2);
    orchlua_call(L);
  }
  if (loop->first <= loop->last) return;
  loop->first = 1;
  loop->last = 0;
}

/* Resumes the coroutine that waits for a handle. The anchors are at index 2. */
static void wake(lua_State *L, struct handle *handle)
{
  lua_State *co = handle->waiter;
  orchlua_let_go(L, handle, 2); /* the coroutine, and so the handle, is on the stack */
  if (lua_status(co) == LUA_YIELD) resume(L, handle->loop, lua_gettop(L), 0);
  lua_pop(L, 1);
}

/* Handles whose coroutines are resumed in a turn: what the first ones led to is sent before the
 * last ones of a crowd are looked at. */
enum { READY_AT_ONCE = 64 };

/* Does what is ready. What gets ready meanwhile is left to the next turn. */
static void run_ready(lua_State *L, struct loop *loop)
{
  size_t count = 0;
  struct handle *handle;
  TAILQ_FOREACH(handle, &loop->ready, queue) if (++count == READY_AT_ONCE) break;
  while (loop->open && !loop->failed && count-- > 0 && !TAILQ_EMPTY(&loop->ready)) {
    handle = TAILQ_FIRST(&loop->ready);
    dequeue(handle);
    if (handle->waiter != NULL) wake(L, handle);
    else if (handle->open && handle->kind->call != NULL) handle->kind->call(L, handle);
  }
}

static int loop_turn(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  bool forever = lua_isnoneornil(L, 2);
  uint64_t milliseconds = forever ? 0 : orchlua_milliseconds(L, 2, "turn");
  if (loop->turning) return luaL_error(L, "the loop turns already");
  lua_settop(L, 1);
  if (loop->failed) return raise_kept(L, loop);
  lua_getiuservalue(L, 1, ANCHORS);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_Integer last = loop->last;
  loop->turning = true;
  wait_for_events(loop, forever, milliseconds);
  run_deferred(L, loop, last);
  run_ready(L, loop);
  loop->turning = false;
  if (loop->failed) return raise_kept(L, loop);
  lua_pushboolean(L, loop->open && is_active(loop));
  return 1;
}

/* Other methods ------------------------------------------------------------ */

static bool is_suspended(lua_State *L, lua_State *co)
{
  lua_Debug ar;
  if (co == L) return false;
  if (lua_status(co) == LUA_YIELD) return true;
  return lua_status(co) == LUA_OK && !lua_getstack(co, 0, &ar) && lua_gettop(co) > 0;
}

/* loop:resume(co, ...): an error of the coroutine is raised by the turn. */
static int loop_resume(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  lua_State *co = lua_tothread(L, 2);
  int count = lua_gettop(L) - 2;
  luaL_argcheck(L, co != NULL, 2, "expected a coroutine");
  luaL_argcheck(L, is_suspended(L, co), 2, "the coroutine is not suspended");
  luaL_argcheck(L, lua_checkstack(co, count + 1), 2, "too many values");
  lua_xmove(L, co, count);
  resume(L, loop, 2, count);
  return 0;
}

/* loop:defer(callback): calls it in the next turn. */
static int loop_defer(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, DEFERRED);
  lua_insert(L, 2);
  lua_rawseti(L, 2, loop->last + 1);
  loop->last++;
  return 0;
}

/* loop:now(): monotonic seconds; inside a turn those of its beginning. */
static int loop_now(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  if (!loop->turning) {
    uv_update_time(&loop->uv);
    loop->now = uv_now(&loop->uv);
  }
  lua_pushnumber(L, (lua_Number)loop->now / 1000);
  return 1;
}

/* loop:handles(): how many handles are open. */
static int loop_handles(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)orchlua_check_loop(L)->count);
  return 1;
}

static void free_uv(uv_handle_t *handle) { free(handle); }

static void end_handles(struct loop *loop)
{
  struct handle *handle;
  while ((handle = LIST_FIRST(&loop->handles)) != NULL) {
    LIST_REMOVE(handle, entry);
    handle->open = false;
    handle->kind->end(handle);
  }
  while ((handle = TAILQ_FIRST(&loop->ready)) != NULL) dequeue(handle);
  loop->count = 0;
}

/* loop:close(): ends everything and waits until libuv has let go of it. The
 * coroutines that wait are forgotten. May be called from inside a turn. */
static int loop_close(lua_State *L)
{
  struct loop *loop = luaL_checkudata(L, 1, LOOP_NAME);
  if (!loop->open) return 0;
  loop->open = false;
  end_handles(loop);
  orchlua_close_web(loop);
  orchlua_kill_children(loop);
  uv_close((uv_handle_t *)loop->limit, free_uv);
  while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0) continue;
  uv_loop_close(&loop->uv);
  for (int value = ANCHORS; value <= DEFERRED; value++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, value);
  }
  return 0;
}

/* The module --------------------------------------------------------------- */

/* Writing to a pipe or a connection that has gone is an error, not the end of
 * the process. A handler of the host's own stays. */
static void ignore_sigpipe(void)
{
  struct sigaction action;
  if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) signal(SIGPIPE, SIG_IGN);
}

static struct loop *new_loop(lua_State *L)
{
  struct loop *loop = lua_newuserdatauv(L, sizeof *loop, LAST_VALUE);
  memset(loop, 0, sizeof *loop);
  LIST_INIT(&loop->handles);
  LIST_INIT(&loop->children);
  TAILQ_INIT(&loop->ready);
  loop->first = 1;
  luaL_setmetatable(L, LOOP_NAME);
  for (int value = ANCHORS; value <= DEFERRED; value++) {
    lua_newtable(L);
    lua_setiuservalue(L, -2, value);
  }
  return loop;
}

/* loop.new(): a loop, or nil and an error. */
static int loop_new(lua_State *L)
{
  struct loop *loop = new_loop(L);
  ignore_sigpipe();
  loop->limit = malloc(sizeof *loop->limit);
  if (loop->limit == NULL) return orchlua_failure(L, "system", "cannot make a loop: not enough memory");
  int code = uv_loop_init(&loop->uv);
  if (code != 0) {
    free(loop->limit);
    return orchlua_failure(L, "system", "cannot make a loop: %s", uv_strerror(code));
  }
  uv_timer_init(&loop->uv, loop->limit);
  loop->now = uv_now(&loop->uv);
  loop->open = true;
  return 1;
}

/* loop.clock(): seconds since the epoch. */
static int clock_now(lua_State *L)
{
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  lua_pushnumber(L, (lua_Number)time.tv_sec + (lua_Number)time.tv_nsec / 1e9);
  return 1;
}

enum { MOST_FILES = 65536 };

/* loop.allow_files(): lets the process have as many open files as it may, and no more than
 * 65,536, since programs that it starts inherit the limit. Gives how many. */
static int allow_files(lua_State *L)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return luaL_error(L, "getrlimit: %s", strerror(errno));
  rlim_t wanted = limit.rlim_max < MOST_FILES ? limit.rlim_max : MOST_FILES;
  if (wanted > limit.rlim_cur) {
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return luaL_error(L, "setrlimit: %s", strerror(errno));
  }
  lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
  return 1;
}

static const luaL_Reg methods[] = {
  { "turn", loop_turn },
  { "now", loop_now },
  { "timer", orchlua_loop_timer },
  { "signal", orchlua_loop_signal },
  { "pending_signal", orchlua_loop_pending_signal },
  { "process", orchlua_loop_process },
  { "request", orchlua_loop_request },
  { "watch", orchlua_loop_watch },
  { "database", orchlua_loop_database },
  { "resume", loop_resume },
  { "defer", loop_defer },
  { "handles", loop_handles },
  { "close", loop_close },
  { "__close", loop_close },
  { "__gc", loop_close },
  { NULL, NULL }
};

static const luaL_Reg functions[] = {
  { "new", loop_new },
  { "clock", clock_now },
  { "allow_files", allow_files },
  { NULL, NULL }
};

int orchlua_open_loop(lua_State *L)
{
  luaL_newmetatable(L, LOOP_NAME);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) register_kind(L, kinds[i]);
  luaL_newlib(L, functions);
  return 1;
}
