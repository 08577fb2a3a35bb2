/* Signals to this process: `loop:signal(name, callback)`, a handle that calls
 * the callback in the turn after each signal. It lives until it is closed,
 * whether anybody holds it or not, and does not keep the loop active. */
#include "loop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct signal {
  struct handle handle;
  uv_signal_t *uv;
  size_t pending;   /* times that it has come and was not called for */
  int number;
};

static const struct { const char *name; int number; } signals[] = {
  { "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ILL", SIGILL }, { "TRAP", SIGTRAP },
  { "ABRT", SIGABRT }, { "BUS", SIGBUS }, { "FPE", SIGFPE }, { "KILL", SIGKILL }, { "USR1", SIGUSR1 },
  { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 }, { "PIPE", SIGPIPE }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },
  { "CHLD", SIGCHLD }, { "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },
  { "TTOU", SIGTTOU }, { "URG", SIGURG }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
  { "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO }, { "SYS", SIGSYS }
};

#define SIGNAL_COUNT (sizeof signals / sizeof *signals)

const char *orchlua_signal_name(int number)
{
  for (size_t i = 0; i < SIGNAL_COUNT; i++)
    if (signals[i].number == number) return signals[i].name;
  return NULL;
}

static int check_signal(lua_State *L, int index)
{
  const char *name = luaL_checkstring(L, index);
  for (size_t i = 0; i < SIGNAL_COUNT; i++)
    if (strcmp(signals[i].name, name) == 0) return signals[i].number;
  return luaL_argerror(L, index, "expected the name of a signal, such as INT");
}

static void free_uv(uv_handle_t *uv) { free(uv); }

static void signal_end(struct handle *handle)
{
  struct signal *signal = (struct signal *)handle;
  handle->loop->signals -= signal->pending;
  signal->pending = 0;
  if (signal->uv != NULL) uv_close((uv_handle_t *)signal->uv, free_uv);
  signal->uv = NULL;
}

static void on_signal(uv_signal_t *uv, int number)
{
  (void)number;
  struct signal *signal = uv->data;
  signal->pending++;
  signal->handle.loop->signals++;
  orchlua_ready(&signal->handle);
}

/* Runs the callback, once for each signal; it may close the handle. */
static void signal_call(lua_State *L, struct handle *handle)
{
  struct signal *signal = (struct signal *)handle;
  lua_rawgeti(L, 2, handle->anchor); /* the handle, held meanwhile */
  while (signal->pending > 0 && !handle->loop->failed) {
    signal->pending--;
    handle->loop->signals--;
    lua_getiuservalue(L, -1, 2);
    orchlua_call(L);
  }
  lua_pop(L, 1);
  if (signal->pending > 0) orchlua_ready(handle);
}

static int start(struct signal *signal)
{
  struct loop *loop = signal->handle.loop;
  signal->uv = malloc(sizeof *signal->uv);
  if (signal->uv == NULL) return UV_ENOMEM;
  int code = uv_signal_init(&loop->uv, signal->uv);
  if (code != 0) {
    free(signal->uv);
    signal->uv = NULL;
    return code;
  }
  signal->uv->data = signal;
  uv_unref((uv_handle_t *)signal->uv);
  return uv_signal_start(signal->uv, on_signal, signal->number);
}

/* loop:signal(name, callback): a handle; raises on a signal that cannot be caught. */
int orchlua_loop_signal(lua_State *L)
{
  orchlua_check_loop(L);
  int number = check_signal(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  struct signal *signal = orchlua_new_handle(L, &orchlua_signal, sizeof *signal);
  signal->number = number;
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 2);
  orchlua_hold(L, lua_gettop(L)); /* before it starts: `signal_call` needs it */
  int code = start(signal);
  if (code != 0) {
    orchlua_discard(L);
    return luaL_error(L, "cannot watch the signal %s: %s", lua_tostring(L, 2), uv_strerror(code));
  }
  return 1;
}

/* loop:pending_signal(): the name of a signal whose callback has not run, or
 * nil. Looks for new ones, so that a busy program can ask. */
int orchlua_loop_pending_signal(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  if (loop->signals == 0) orchlua_poll(loop);
  if (loop->signals == 0) return 0;
  struct handle *handle;
  LIST_FOREACH(handle, &loop->handles, entry) {
    struct signal *signal = (struct signal *)handle;
    if (handle->kind != &orchlua_signal || signal->pending == 0) continue;
    lua_pushstring(L, orchlua_signal_name(signal->number));
    return 1;
  }
  return 0;
}

static const luaL_Reg methods[] = { { NULL, NULL } };

const struct kind orchlua_signal = { "orchlua.signal", methods, signal_end, signal_call };
