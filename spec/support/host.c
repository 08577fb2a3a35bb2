/* A Lua interpreter to be built with sanitizers: `host script [arguments]`. With it
 * the core runs sanitized, and the programs that specs start do not. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static lua_State *L;

/* The command ends without closing its state; here the collector is to have its last word. */
static void close_state(void)
{
  if (L != NULL) lua_close(L);
}

/* A script may close the state itself: `os.exit(code, true)`. */
static int forget_state(lua_State *closing)
{
  (void)closing;
  L = NULL;
  return 0;
}

/* Leaves a value in the registry whose finalizer tells that the state is closed. */
static void watch_state(void)
{
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, forget_state);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

static int with_traceback(lua_State *raised)
{
  luaL_traceback(raised, raised, luaL_tolstring(raised, 1, NULL), 1);
  return 1;
}

int main(int argc, char **argv)
{
  if (argc < 2) return 2;
  L = luaL_newstate();
  if (L == NULL || atexit(close_state) != 0) return 2;
  luaL_openlibs(L);
  watch_state();
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  lua_pushcfunction(L, with_traceback);
  int bad = luaL_loadfile(L, argv[1]);
  for (int i = 2; !bad && i < argc; i++) lua_pushstring(L, argv[i]);
  bad = bad || lua_pcall(L, argc - 2, 0, -(argc - 2) - 2);
  if (bad) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
