/* What the command asks about the terminal it writes to. */
#include "core.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* is_terminal(descriptor) -> whether it is a terminal */
static int is_terminal(lua_State *L)
{
  lua_Integer descriptor = luaL_checkinteger(L, 1);
  luaL_argcheck(L, descriptor >= 0 && descriptor <= 2, 1, "0, 1 or 2");
  lua_pushboolean(L, isatty((int)descriptor));
  return 1;
}

/* size(descriptor) -> columns, rows; nil when it has none */
static int size(lua_State *L)
{
  lua_Integer descriptor = luaL_checkinteger(L, 1);
  struct winsize window;
  luaL_argcheck(L, descriptor >= 0 && descriptor <= 2, 1, "0, 1 or 2");
  if (ioctl((int)descriptor, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return 0;
  lua_pushinteger(L, window.ws_col);
  lua_pushinteger(L, window.ws_row);
  return 2;
}

static const luaL_Reg functions[] = {
  { "is_terminal", is_terminal },
  { "size", size },
  { NULL, NULL }
};

int orchlua_open_terminal(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
