/* Makes memory run out. Preloaded into a process of the specs, so that every allocation
 * of it passes here, Lua's among them; and loaded by its script as a module:
 *   sweep.fail(n, count)  of the allocations from now on, number n fails and `count - 1` behind it
 *   sweep.stop()          none fails any more; gives how many there were
 * libuv ends the process itself when it cannot enlarge its table of files, so what it
 * asks of `realloc` is always given. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool armed;
static atomic_long calls;
static long first, last;

/* Whether this allocation is one that is to fail. */
static bool fails(void)
{
  if (!atomic_load(&armed)) return false;
  long number = atomic_fetch_add(&calls, 1) + 1;
  if (number < first || number >= last) return false;
  errno = ENOMEM;
  return true;
}

static bool is_libuv(void *caller)
{
  Dl_info info;
  return dladdr(caller, &info) != 0 && strstr(info.dli_fname, "libuv") != NULL;
}

/* The allocator behind this one, that of a sanitizer for example. */
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

void *malloc(size_t size)
{
  static void *(*next)(size_t);
  if (next == NULL) next = (void *(*)(size_t))real("malloc");
  return fails() ? NULL : next(size);
}

void *calloc(size_t count, size_t size)
{
  static void *(*next)(size_t, size_t);
  if (next == NULL) next = (void *(*)(size_t, size_t))real("calloc");
  return fails() ? NULL : next(count, size);
}

void *realloc(void *block, size_t size)
{
  static void *(*next)(void *, size_t);
  if (next == NULL) next = (void *(*)(void *, size_t))real("realloc");
  if (atomic_load(&armed) && is_libuv(__builtin_return_address(0))) return next(block, size);
  return fails() ? NULL : next(block, size);
}

static int sweep_fail(lua_State *L)
{
  first = (long)luaL_checkinteger(L, 1);
  last = first + (long)luaL_checkinteger(L, 2);
  atomic_store(&calls, 0);
  atomic_store(&armed, true);
  return 0;
}

static int sweep_stop(lua_State *L)
{
  atomic_store(&armed, false);
  lua_pushinteger(L, atomic_load(&calls));
  return 1;
}

/* What the dynamic linker allocates for itself comes from here, and looks like a leak. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) { return "leak:dl_open_worker\nleak:_dl_*\n"; }

static const luaL_Reg functions[] = { { "fail", sweep_fail }, { "stop", sweep_stop }, { NULL, NULL } };

int luaopen_sweep(lua_State *L);

int luaopen_sweep(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
