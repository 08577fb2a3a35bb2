/* From plain Lua values (a configuration's, an agent's) to values of the language:
 * `value.from_lua`. Nothing else may enter the language, so everything is checked. */
#include "core.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = ORCHLUA_DEEPEST };

/* Converts the value at `index` and pushes the result; on a fault pushes nothing and
 * gives the message. `path` is the index of a table of the tables it is inside of. */
static const char *convert(lua_State *L, int index, int path, int depth);

static const char *convert_number(lua_State *L, int index)
{
  double n = lua_tonumber(L, index);
  if (!lua_isinteger(L, index) && !isfinite(n)) return "a number that is not finite";
  lua_pushvalue(L, index);
  return NULL;
}

static const char *convert_array(lua_State *L, int index, int path, int depth)
{
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  lua_createtable(L, length > INT_MAX ? 0 : (int)length, 0);
  orchlua_set_array(L);
  int result = lua_gettop(L);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, index, i);
    const char *problem = convert(L, lua_gettop(L), path, depth + 1);
    if (problem != NULL) return problem;
    lua_rawseti(L, result, i);
    lua_settop(L, result);
  }
  return NULL;
}

/* Converts the value on the top of the stack and stores it under the key below it;
 * the key is listed when `listed`. Pops both. */
static const char *put(lua_State *L, int result, bool listed, int path, int depth)
{
  int top = lua_gettop(L);
  const char *problem = convert(L, top, path, depth + 1);
  if (problem != NULL) return problem;
  lua_pushvalue(L, top - 1);
  bool is_new = lua_rawget(L, result) == LUA_TNIL;
  lua_pop(L, 1);
  lua_pushvalue(L, top - 1);
  lua_insert(L, -2);
  lua_rawset(L, result);
  if (listed && is_new) {
    lua_pushvalue(L, top - 1);
    lua_rawseti(L, result, (lua_Integer)lua_rawlen(L, result) + 1);
  }
  lua_settop(L, top - 2);
  return NULL;
}

/* An object of the language's own: its order stays, and a reply's hidden keys. */
static const char *convert_marked(lua_State *L, int index, int path, int depth)
{
  lua_newtable(L);
  int result = lua_gettop(L);
  lua_getmetatable(L, index);
  lua_setmetatable(L, result);
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  for (lua_Integer i = 1; i <= length; i++) {
    if (lua_rawgeti(L, index, i) != LUA_TSTRING) return "an object whose key order holds no string";
    orchlua_push_utf8(L, lua_gettop(L));
    lua_remove(L, -2);
    lua_rawgeti(L, index, i);
    lua_rawget(L, index);
    const char *problem = put(L, result, true, path, depth);
    if (problem != NULL) return problem;
  }
  if (!orchlua_is_reply(L, index)) return NULL;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pushvalue(L, -2);
    bool hidden = lua_type(L, -1) == LUA_TSTRING && lua_rawget(L, result) == LUA_TNIL;
    lua_pop(L, 1);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    if (!hidden) lua_pop(L, 2);
    else {
      const char *problem = put(L, result, false, path, depth);
      if (problem != NULL) return problem;
    }
  }
  return NULL;
}

/* Pushes a list of the table's keys as strings, sorted by their bytes. */
static const char *push_keys(lua_State *L, int index)
{
  lua_newtable(L);
  int keys = lua_gettop(L);
  lua_Integer count = 0;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1)) return "a table with a key that is no string and no whole number";
    lua_pushvalue(L, -1);
    lua_rawseti(L, keys, ++count);
  }
  return NULL;
}

/* A key as text, and the integer it may have been. */
struct key {
  const char *text;
  size_t size;
  lua_Integer integer;
  bool is_integer;
};

static int compare_keys(const void *a, const void *b)
{
  const struct key *x = a, *y = b;
  size_t least = x->size < y->size ? x->size : y->size;
  int order = memcmp(x->text, y->text, least);
  if (order != 0) return order;
  return x->size < y->size ? -1 : x->size > y->size;
}

/* Turns the list of keys at the top into texts, sorted, in userdata pushed on it. */
static struct key *sort_keys(lua_State *L, int keys, size_t count)
{
  struct key *texts = lua_newuserdatauv(L, (count + 1) * sizeof *texts, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, keys, (lua_Integer)i + 1);
    texts[i].is_integer = lua_isinteger(L, -1);
    texts[i].integer = lua_tointeger(L, -1);
    texts[i].text = lua_tolstring(L, -1, &texts[i].size);
    lua_rawseti(L, keys, (lua_Integer)i + 1); /* keeps the string that an integer became */
  }
  qsort(texts, count, sizeof *texts, compare_keys);
  return texts;
}

static const char *convert_plain(lua_State *L, int index, int path, int depth)
{
  const char *problem = push_keys(L, index);
  if (problem != NULL) return problem;
  int keys = lua_gettop(L);
  size_t count = lua_rawlen(L, keys);
  const struct key *texts = sort_keys(L, keys, count);
  lua_newtable(L);
  orchlua_set_object(L);
  int result = lua_gettop(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushlstring(L, texts[i].text, texts[i].size);
    orchlua_push_utf8(L, lua_gettop(L));
    lua_remove(L, -2);
    if (texts[i].is_integer) lua_rawgeti(L, index, texts[i].integer);
    else {
      lua_pushlstring(L, texts[i].text, texts[i].size);
      lua_rawget(L, index);
    }
    problem = put(L, result, true, path, depth);
    if (problem != NULL) return problem;
  }
  return NULL;
}

/* Whether a plain table is an array: keys 1 to n and no others, n at least 1. */
static bool is_sequence(lua_State *L, int index)
{
  lua_Integer length = (lua_Integer)lua_rawlen(L, index), count = 0;
  if (length == 0) return false;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    lua_Integer key = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (key < 1 || key > length || ++count > length) {
      lua_pop(L, 1);
      return false;
    }
  }
  return count == length;
}

static const char *convert_table(lua_State *L, int index, int path, int depth)
{
  const char *problem;
  int top = lua_gettop(L);
  if (depth > DEEPEST) return "nested more than 1000 deep";
  luaL_checkstack(L, 16, "a value nested too deep");
  lua_pushvalue(L, index);
  if (lua_rawget(L, path) != LUA_TNIL) return "a value inside itself";
  lua_pushvalue(L, index);
  lua_pushboolean(L, true);
  lua_rawset(L, path);
  enum orchlua_kind of = orchlua_kind(L, index);
  if (of == KIND_ARRAY || (of == KIND_NONE && is_sequence(L, index))) problem = convert_array(L, index, path, depth);
  else if (of == KIND_OBJECT) problem = convert_marked(L, index, path, depth);
  else problem = convert_plain(L, index, path, depth);
  if (problem != NULL) return problem;
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  lua_pushvalue(L, index);
  lua_pushnil(L);
  lua_rawset(L, path);
  return NULL;
}

static const char *convert(lua_State *L, int index, int path, int depth)
{
  switch (lua_type(L, index)) {
  case LUA_TNIL: lua_pushlightuserdata(L, NULL); return NULL;
  case LUA_TBOOLEAN: lua_pushvalue(L, index); return NULL;
  case LUA_TNUMBER: return convert_number(L, index);
  case LUA_TSTRING: orchlua_push_utf8(L, index); return NULL;
  case LUA_TTABLE: return convert_table(L, index, path, depth);
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, index) != NULL) return "a userdata";
    lua_pushvalue(L, index);
    return NULL;
  case LUA_TFUNCTION: return "a function";
  case LUA_TTHREAD: return "a coroutine";
  default: return "a userdata";
  }
}

int orchlua_from_lua(lua_State *L)
{
  lua_settop(L, 1);
  lua_newtable(L);
  const char *problem = convert(L, 1, 2, 1);
  if (problem == NULL) return 1;
  lua_pushnil(L);
  lua_pushstring(L, problem);
  return 2;
}
