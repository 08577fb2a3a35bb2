/* What operations of the loop are given in a table of options, at index 2, and what those that failed give. */
#include "loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int orchlua_failure(lua_State *L, const char *type, const char *format, ...)
{
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  lua_pushnil(L);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, type);
  lua_setfield(L, -2, "type");
  lua_pushstring(L, message);
  lua_setfield(L, -2, "message");
  return 2;
}

int orchlua_cancelled(lua_State *L, struct handle *handle)
{
  return orchlua_failure(L, "cancelled", "the %s was closed", handle->kind->name + sizeof "orchlua." - 1);
}

uint64_t orchlua_milliseconds(lua_State *L, int index, const char *what)
{
  int is_number;
  lua_Number seconds = lua_tonumberx(L, index, &is_number);
  if (!is_number || !(seconds >= 0)) luaL_error(L, "%s: expected seconds, 0 or more", what);
  if (seconds > 1e12) seconds = 1e12;
  uint64_t milliseconds = (uint64_t)(seconds * 1000);
  return (lua_Number)milliseconds < seconds * 1000 ? milliseconds + 1 : milliseconds;
}

const char *orchlua_option_text(lua_State *L, const char *name, size_t *size)
{
  int type = lua_getfield(L, 2, name);
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TSTRING) luaL_error(L, "%s: expected a string, got %s", name, lua_typename(L, type));
  const char *text = lua_tolstring(L, -1, size);
  if (size == NULL && strlen(text) != lua_rawlen(L, -1)) luaL_error(L, "%s: contains a zero byte", name);
  return text;
}

size_t orchlua_option_count(lua_State *L, const char *name, size_t otherwise)
{
  int is_integer = 1;
  lua_Integer count = 0;
  bool given = lua_getfield(L, 2, name) != LUA_TNIL;
  if (given) count = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || count < 0) luaL_error(L, "%s: expected a whole number, 0 or more", name);
  lua_pop(L, 1);
  return given ? (size_t)count : otherwise;
}

uint64_t orchlua_option_seconds(lua_State *L, const char *name, uint64_t otherwise)
{
  if (lua_getfield(L, 2, name) != LUA_TNIL) otherwise = orchlua_milliseconds(L, -1, name);
  lua_pop(L, 1);
  return otherwise;
}

bool orchlua_option_flag(lua_State *L, const char *name)
{
  lua_getfield(L, 2, name);
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}
