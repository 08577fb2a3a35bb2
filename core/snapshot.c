/* A graph of tables as bytes and back: what a run at rest is written down as.
 * Shared tables stay shared and cycles survive: every table has a number, and
 * whatever refers to it holds that number. Nothing here recurses, so a list of a
 * million links is no deeper than one.
 *
 *   bytes  = "OS" version count table*      the first table is the root
 *   table  = name length value*length pairs (value value)*pairs
 *   value  = a tag, and what belongs to it; lengths and numbers are varints
 *
 * `name` is 0 for a table without a metatable, else the place + 1 of a string that
 * says which; a table or metatable that stands for itself (a unit of the program,
 * the kind of an array) is written as the name it is given, never as its content. */
#include "core.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };
enum tag { NOTHING, JSON_NULL, FALSE, TRUE, INTEGER, DOUBLE, STRING, STRING_AGAIN, TABLE, NAMED };

/* Writing ------------------------------------------------------------------------ */

/* The stack while writing. */
enum { ROOT = 1, NAMES, NUMBERS, TABLES, STRINGS, OUT };

struct out {
  unsigned char *data; /* which it owns */
  size_t size, room;
  lua_Integer tables, strings;
};

static void put(lua_State *L, struct out *out, const void *bytes, size_t size)
{
  if (size > out->room - out->size) {
    size_t room = out->room < 1024 ? 1024 : out->room;
    while (room - out->size < size) {
      if (room > SIZE_MAX / 2) luaL_error(L, "not enough memory");
      room *= 2;
    }
    unsigned char *data = realloc(out->data, room);
    if (data == NULL) luaL_error(L, "not enough memory");
    out->data = data;
    out->room = room;
  }
  memcpy(out->data + out->size, bytes, size);
  out->size += size;
}

static void put_byte(lua_State *L, struct out *out, unsigned char byte) { put(L, out, &byte, 1); }

static void put_number(lua_State *L, struct out *out, uint64_t number)
{
  unsigned char bytes[10];
  size_t size = 0;
  for (; number >= 128; number >>= 7) bytes[size++] = (unsigned char)(number | 128);
  bytes[size++] = (unsigned char)number;
  put(L, out, bytes, size);
}

/* A string the first time, then its number. It is on the top, and popped. */
static void put_string(lua_State *L, struct out *out)
{
  lua_pushvalue(L, -1);
  if (lua_rawget(L, STRINGS) == LUA_TNUMBER) {
    put_byte(L, out, STRING_AGAIN);
    put_number(L, out, (uint64_t)lua_tointeger(L, -1));
    lua_pop(L, 2);
    return;
  }
  lua_pop(L, 1);
  size_t size;
  const char *bytes = lua_tolstring(L, -1, &size);
  put_byte(L, out, STRING);
  put_number(L, out, size);
  put(L, out, bytes, size);
  lua_pushinteger(L, out->strings++);
  lua_rawset(L, STRINGS);
}

/* The number of the table on the top; one that is met first is put in line. Pops it. */
static lua_Integer number_table(lua_State *L, struct out *out)
{
  lua_pushvalue(L, -1);
  if (lua_rawget(L, NUMBERS) == LUA_TNUMBER) {
    lua_Integer number = lua_tointeger(L, -1);
    lua_pop(L, 2);
    return number;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_pushinteger(L, out->tables);
  lua_rawset(L, NUMBERS);
  lua_rawseti(L, TABLES, out->tables + 1);
  return out->tables++;
}

static void put_table(lua_State *L, struct out *out)
{
  lua_pushvalue(L, -1);
  if (lua_rawget(L, NAMES) == LUA_TSTRING) {
    put_byte(L, out, NAMED);
    put_string(L, out);
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  put_byte(L, out, TABLE);
  put_number(L, out, (uint64_t)number_table(L, out));
}

static void put_integer(lua_State *L, struct out *out, lua_Integer n)
{
  put_byte(L, out, INTEGER);
  put_number(L, out, (uint64_t)n << 1 ^ (uint64_t)(n >> 63));
}

static void put_double(lua_State *L, struct out *out, lua_Number n)
{
  uint64_t bits;
  unsigned char bytes[8];
  memcpy(&bits, &n, sizeof bits);
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(bits >> 8 * i);
  put_byte(L, out, DOUBLE);
  put(L, out, bytes, sizeof bytes);
}

/* Writes the value on the top, and pops it. */
static void put_value(lua_State *L, struct out *out)
{
  switch (lua_type(L, -1)) {
  case LUA_TSTRING: put_string(L, out); return;
  case LUA_TTABLE: put_table(L, out); return;
  case LUA_TBOOLEAN: put_byte(L, out, lua_toboolean(L, -1) ? TRUE : FALSE); break;
  case LUA_TNIL: put_byte(L, out, NOTHING); break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1)) put_integer(L, out, lua_tointeger(L, -1));
    else put_double(L, out, lua_tonumber(L, -1));
    break;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, -1) == NULL) {
      put_byte(L, out, JSON_NULL);
      break;
    } /* fallthrough */
  default: luaL_error(L, "a snapshot cannot hold a %s", luaL_typename(L, -1));
  }
  lua_pop(L, 1);
}

/* The kind of the table on the top: the name its metatable is given. */
static void put_kind(lua_State *L, struct out *out)
{
  if (!lua_getmetatable(L, -1)) {
    put_byte(L, out, NOTHING);
    return;
  }
  if (lua_rawget(L, NAMES) != LUA_TSTRING) luaL_error(L, "a snapshot cannot hold a table of an unknown kind");
  put_string(L, out);
}

static bool in_list(lua_State *L, int index, lua_Integer length)
{
  if (!lua_isinteger(L, index)) return false;
  lua_Integer key = lua_tointeger(L, index);
  return key >= 1 && key <= length;
}

/* Writes the content of the table on the top: its list, then its other pairs. */
static void put_content(lua_State *L, struct out *out)
{
  int table = lua_gettop(L);
  lua_Integer length = (lua_Integer)lua_rawlen(L, table);
  uint64_t pairs = 0;
  put_kind(L, out);
  put_number(L, out, (uint64_t)length);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, table, i);
    put_value(L, out);
  }
  for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) pairs += !in_list(L, -2, length);
  put_number(L, out, pairs);
  for (lua_pushnil(L); lua_next(L, table) != 0;) {
    if (in_list(L, -2, length)) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushvalue(L, -2);
    put_value(L, out);
    put_value(L, out);
  }
}

/* encode(root, names) -> bytes. `names`: by table, the name of what stands for itself,
 * metatables among it. Raises on what is no data: a function, a coroutine. */
static int encode(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  for (int i = NUMBERS; i <= STRINGS; i++) lua_newtable(L);
  struct out *out = orchlua_new_owner(L, sizeof *out);
  lua_pushvalue(L, ROOT);
  number_table(L, out);
  for (lua_Integer i = 1; i <= out->tables; i++) {
    lua_rawgeti(L, TABLES, i);
    put_content(L, out);
    lua_settop(L, OUT);
  }
  struct out *whole = orchlua_new_owner(L, sizeof *whole);
  put(L, whole, "OS", 2);
  put_byte(L, whole, VERSION);
  put_number(L, whole, (uint64_t)out->tables);
  put(L, whole, out->data, out->size);
  lua_pushlstring(L, (const char *)whole->data, whole->size);
  return 1;
}

/* Reading ------------------------------------------------------------------------- */

/* The stack while reading. */
enum { BYTES = 1, BY_NAME, READ_TABLES, READ_STRINGS };

struct in {
  const unsigned char *at, *end;
  lua_Integer tables, strings;
  const char *problem;
};

static bool broken(struct in *in, const char *problem)
{
  if (in->problem == NULL) in->problem = problem;
  return false;
}

static size_t left(const struct in *in) { return (size_t)(in->end - in->at); }

static bool get_number(struct in *in, uint64_t *number)
{
  *number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (in->at == in->end) return broken(in, "it ends too early");
    unsigned char byte = *in->at++;
    *number |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return broken(in, "a number in it is too large");
}

/* How many of something follow: each takes one byte at least, so more cannot be true. */
static bool get_count(struct in *in, uint64_t *count)
{
  if (!get_number(in, count)) return false;
  return *count <= left(in) || broken(in, "it ends too early");
}

static bool get_string(lua_State *L, struct in *in)
{
  uint64_t size;
  if (!get_count(in, &size)) return false;
  lua_pushlstring(L, (const char *)in->at, (size_t)size);
  in->at += size;
  lua_pushvalue(L, -1);
  lua_rawseti(L, READ_STRINGS, ++in->strings);
  return true;
}

static bool get_place(lua_State *L, struct in *in, int list, lua_Integer count)
{
  uint64_t place;
  if (!get_number(in, &place)) return false;
  if (place >= (uint64_t)count) return broken(in, "it refers to what is not there");
  lua_rawgeti(L, list, (lua_Integer)place + 1);
  return true;
}

static bool get_double(lua_State *L, struct in *in)
{
  uint64_t bits = 0;
  lua_Number n;
  if (left(in) < 8) return broken(in, "it ends too early");
  for (int i = 0; i < 8; i++) bits |= (uint64_t)*in->at++ << 8 * i;
  memcpy(&n, &bits, sizeof n);
  lua_pushnumber(L, n);
  return true;
}

static bool get_integer(lua_State *L, struct in *in)
{
  uint64_t bits;
  if (!get_number(in, &bits)) return false;
  bits = bits >> 1 ^ (~(bits & 1) + 1);
  lua_Integer n;
  memcpy(&n, &bits, sizeof n);
  lua_pushinteger(L, n);
  return true;
}

static bool get_text(lua_State *L, struct in *in, enum tag tag)
{
  if (tag == STRING) return get_string(L, in);
  if (tag == STRING_AGAIN) return get_place(L, in, READ_STRINGS, in->strings);
  return broken(in, "a name in it is no string");
}

static bool get_named(lua_State *L, struct in *in)
{
  if (in->at == in->end) return broken(in, "it ends too early");
  if (!get_text(L, in, (enum tag)*in->at++)) return false;
  lua_rawget(L, BY_NAME);
  return lua_istable(L, -1) || broken(in, "it names what this program does not have");
}

/* Pushes the value that follows; on a fault what is pushed does not matter. */
static bool get_value(lua_State *L, struct in *in)
{
  if (in->at == in->end) return broken(in, "it ends too early");
  enum tag tag = (enum tag)*in->at++;
  switch (tag) {
  case NOTHING: lua_pushnil(L); return true;
  case JSON_NULL: lua_pushlightuserdata(L, NULL); return true;
  case FALSE: lua_pushboolean(L, 0); return true;
  case TRUE: lua_pushboolean(L, 1); return true;
  case INTEGER: return get_integer(L, in);
  case DOUBLE: return get_double(L, in);
  case STRING:
  case STRING_AGAIN: return get_text(L, in, tag);
  case TABLE: return get_place(L, in, READ_TABLES, in->tables);
  case NAMED: return get_named(L, in);
  }
  return broken(in, "it holds a kind of value that is unknown");
}

static bool get_kind(lua_State *L, struct in *in)
{
  if (in->at == in->end) return broken(in, "it ends too early");
  enum tag tag = (enum tag)*in->at++;
  if (tag == NOTHING) return true;
  if (!get_text(L, in, tag)) return false;
  if (lua_rawget(L, BY_NAME) != LUA_TTABLE) return broken(in, "it holds a table of an unknown kind");
  lua_setmetatable(L, -2);
  return true;
}

static bool get_list(lua_State *L, struct in *in, int table)
{
  uint64_t length;
  if (!get_count(in, &length)) return false;
  for (uint64_t i = 1; i <= length; i++) {
    if (!get_value(L, in)) return false;
    lua_rawseti(L, table, (lua_Integer)i);
  }
  return true;
}

static bool is_key(lua_State *L, int index)
{
  if (lua_isnil(L, index)) return false;
  return lua_type(L, index) != LUA_TNUMBER || lua_tonumber(L, index) == lua_tonumber(L, index);
}

static bool get_pairs(lua_State *L, struct in *in, int table)
{
  uint64_t pairs;
  if (!get_count(in, &pairs)) return false;
  for (uint64_t i = 0; i < pairs; i++) {
    if (!get_value(L, in) || !get_value(L, in)) return false;
    if (!is_key(L, -2)) return broken(in, "a key in it is none");
    lua_rawset(L, table);
  }
  return true;
}

static bool get_tables(lua_State *L, struct in *in)
{
  for (lua_Integer i = 1; i <= in->tables; i++) {
    lua_settop(L, READ_STRINGS);
    lua_rawgeti(L, READ_TABLES, i);
    int table = lua_gettop(L);
    if (!get_kind(L, in) || !get_list(L, in, table) || !get_pairs(L, in, table)) return false;
  }
  return in->at == in->end || broken(in, "something follows its end");
}

static bool get_head(struct in *in)
{
  uint64_t tables;
  if (left(in) < 3 || memcmp(in->at, "OS", 2) != 0) return broken(in, "it does not begin as one");
  in->at += 2;
  if (*in->at++ != VERSION) return broken(in, "another release wrote it");
  if (!get_count(in, &tables)) return false;
  in->tables = (lua_Integer)tables;
  return tables > 0 || broken(in, "it is empty");
}

/* decode(bytes, by_name) -> root, or nil and a message. `by_name`: what stands for
 * itself, by the names it was written with. Any bytes are read without harm. */
static int decode(lua_State *L)
{
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  struct in in = { (const unsigned char *)bytes, (const unsigned char *)bytes + size, 0, 0, NULL };
  lua_newtable(L);
  lua_newtable(L);
  if (get_head(&in)) {
    for (lua_Integer i = 1; i <= in.tables; i++) {
      lua_newtable(L);
      lua_rawseti(L, READ_TABLES, i);
    }
    get_tables(L, &in);
  }
  if (in.problem == NULL) {
    lua_rawgeti(L, READ_TABLES, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "the snapshot cannot be read: %s", in.problem);
  return 2;
}

static const luaL_Reg functions[] = { { "encode", encode }, { "decode", decode }, { NULL, NULL } };

int orchlua_open_snapshot(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
