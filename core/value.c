/* The values of the language as Lua values, and what all the rest asks of them:
 * their kind, copying, equality, text. Arrays and objects are plain tables with
 * a metatable that says which; see docs/architecture.md. */
#include "core.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = ORCHLUA_DEEPEST, MOST_COMPARISONS = 10000000 };

static const char array_key, object_key, reply_key; /* the metatables' places in the registry */

/* Kinds ------------------------------------------------------------------------ */

static bool has_metatable(lua_State *L, int index, const char *key)
{
  if (!lua_getmetatable(L, index)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

static enum orchlua_kind table_kind(lua_State *L, int index)
{
  enum orchlua_kind kind = KIND_NONE;
  if (!lua_getmetatable(L, index)) return kind;
  const void *found = lua_topointer(L, -1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &object_key);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &reply_key);
  if (found == lua_topointer(L, -3)) kind = KIND_ARRAY;
  else if (found == lua_topointer(L, -2) || found == lua_topointer(L, -1)) kind = KIND_OBJECT;
  lua_pop(L, 4);
  return kind;
}

enum orchlua_kind orchlua_kind(lua_State *L, int index)
{
  switch (lua_type(L, index)) {
  case LUA_TTABLE: return table_kind(L, index);
  case LUA_TSTRING: return KIND_STRING;
  case LUA_TNUMBER: return KIND_NUMBER;
  case LUA_TBOOLEAN: return KIND_BOOLEAN;
  case LUA_TLIGHTUSERDATA: return lua_touserdata(L, index) == NULL ? KIND_NULL : KIND_NONE;
  default: return KIND_NONE;
  }
}

static void set_kind(lua_State *L, const char *key)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_setmetatable(L, -2);
}

bool orchlua_is_reply(lua_State *L, int index) { return has_metatable(L, index, &reply_key); }

void orchlua_set_array(lua_State *L) { set_kind(L, &array_key); }
void orchlua_set_object(lua_State *L) { set_kind(L, &object_key); }

/* kind(v) -> the kind's name, or nil */
static int kind(lua_State *L)
{
  static const char *const names[] = { NULL, "null", "boolean", "number", "string", "array", "object" };
  const char *name = names[orchlua_kind(L, 1)];
  if (name == NULL) lua_pushnil(L);
  else lua_pushstring(L, name);
  return 1;
}

static int mark(lua_State *L, const char *key)
{
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  set_kind(L, key);
  return 1;
}

/* array([t]), object([t]) -> t, marked */
static int array(lua_State *L) { return mark(L, &array_key); }
static int object(lua_State *L) { return mark(L, &object_key); }

/* What is charged ----------------------------------------------------------------- */

/* Work on large values is charged to whoever counts it (a run): a turn for so many elements, or bytes of
 * strings in place of an element. Less work is not worth the call. */
enum { ELEMENTS_A_TURN = 4, BYTES_AN_ELEMENT = 256, LEAST_CHARGED = 64 };

/* Calls `counter:charge(turns)`, where there is a counter at that index; what it raises passes through. */
static void charge(lua_State *L, int counter, lua_Integer elements)
{
  if (elements < LEAST_CHARGED || lua_isnoneornil(L, counter)) return;
  lua_getfield(L, counter, "charge");
  lua_pushvalue(L, counter);
  lua_pushinteger(L, elements / ELEMENTS_A_TURN);
  lua_call(L, 2, 0);
}

/* What the value of a type at the top of the stack weighs, as an element. */
static lua_Integer weight(lua_State *L, int type)
{
  return type == LUA_TSTRING ? 1 + (lua_Integer)(lua_rawlen(L, -1) / BYTES_AN_ELEMENT) : 1;
}

/* Copying ----------------------------------------------------------------------- */

struct copying {
  int memo;             /* the index of a table from what was copied to its copy */
  lua_Integer elements; /* so many, as they weigh */
};

/* Pushes a copy of the table at `index`. False when too deep. */
static bool copy_table(lua_State *L, int index, struct copying *copying, int depth);

static bool copy_nested(lua_State *L, struct copying *copying, int depth)
{
  int index = lua_gettop(L);
  lua_pushvalue(L, index);
  if (lua_rawget(L, copying->memo) != LUA_TNIL) {
    lua_remove(L, index);
    return true;
  }
  lua_pop(L, 1);
  if (!copy_table(L, index, copying, depth + 1)) return false;
  lua_remove(L, index);
  return true;
}

static void remember(lua_State *L, int memo, int index, int copied)
{
  lua_pushvalue(L, index);
  lua_pushvalue(L, copied);
  lua_rawset(L, memo);
}

static bool copy_table(lua_State *L, int index, struct copying *copying, int depth)
{
  if (depth > DEEPEST) return false;
  luaL_checkstack(L, 12, "a value nested too deep");
  size_t length = lua_rawlen(L, index);
  lua_createtable(L, (int)length, orchlua_kind(L, index) == KIND_OBJECT ? (int)length : 0);
  int copied = lua_gettop(L);
  if (lua_getmetatable(L, index)) lua_setmetatable(L, copied);
  remember(L, copying->memo, index, copied);
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    int type = lua_type(L, -1);
    copying->elements += weight(L, type);
    if (type == LUA_TTABLE && !copy_nested(L, copying, depth)) return false;
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, copied);
  }
  return true;
}

/* Whether the table at `index` holds no table; then `*elements`, where it is wanted, is what its elements weigh. */
static bool is_flat(lua_State *L, int index, lua_Integer *elements)
{
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    int type = lua_type(L, -1);
    if (type == LUA_TTABLE) {
      lua_pop(L, 2);
      return false;
    }
    if (elements != NULL) *elements += weight(L, type);
    lua_pop(L, 1);
  }
  return true;
}

static void copy_flat(lua_State *L, int index)
{
  size_t length = lua_rawlen(L, index);
  lua_createtable(L, (int)length, orchlua_kind(L, index) == KIND_OBJECT ? (int)length : 0);
  if (lua_getmetatable(L, index)) lua_setmetatable(L, -2);
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

enum { COPIED = 1, FRESH, COPY_COUNTER, MEMO };

/* copy(v [, fresh [, counter]]) -> a deep copy in which what is shared or cyclic stays so; nil
 * and a message when v is nested more than DEEPEST deep. A `fresh` v, which nobody
 * else holds, is given back itself when no table is in it. The work is charged. */
static int copy(lua_State *L)
{
  luaL_checkany(L, COPIED);
  lua_settop(L, COPY_COUNTER);
  if (lua_type(L, COPIED) != LUA_TTABLE) {
    luaL_argcheck(L, orchlua_kind(L, COPIED) != KIND_NONE, COPIED, "a value of the language expected");
    lua_settop(L, COPIED);
    return 1;
  }
  struct copying copying = { .memo = MEMO };
  if (is_flat(L, COPIED, lua_isnil(L, COPY_COUNTER) ? NULL : &copying.elements)) {
    if (lua_toboolean(L, FRESH)) lua_pushvalue(L, COPIED);
    else copy_flat(L, COPIED);
    charge(L, COPY_COUNTER, copying.elements);
    return 1;
  }
  copying.elements = 0;
  lua_newtable(L);
  if (copy_table(L, COPIED, &copying, 1)) {
    charge(L, COPY_COUNTER, copying.elements);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "nested more than %d deep", (int)DEEPEST);
  return 2;
}

/* Equality ---------------------------------------------------------------------- */

struct comparing {
  int left;             /* tables until it is given up */
  lua_Integer elements; /* that were compared, as they weigh */
};

static bool equal_values(lua_State *L, int a, int b, int depth, struct comparing *comparing);

/* Compares the two values on the top of the stack, and pops them. */
static bool equal_top(lua_State *L, int depth, struct comparing *comparing)
{
  int top = lua_gettop(L);
  comparing->elements += weight(L, lua_type(L, -1));
  bool same = equal_values(L, top - 1, top, depth, comparing);
  lua_settop(L, top - 2);
  return same;
}

static bool equal_arrays(lua_State *L, int a, int b, int depth, struct comparing *comparing)
{
  lua_Integer length = (lua_Integer)lua_rawlen(L, a);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, a, i);
    lua_rawgeti(L, b, i);
    if (!equal_top(L, depth, comparing)) return false;
  }
  return true;
}

static bool equal_objects(lua_State *L, int a, int b, int depth, struct comparing *comparing)
{
  lua_Integer length = (lua_Integer)lua_rawlen(L, a);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, a, i);
    lua_pushvalue(L, -1);
    lua_rawget(L, a);
    lua_insert(L, -2);
    if (lua_rawget(L, b) == LUA_TNIL) {
      lua_pop(L, 2);
      return false;
    }
    if (!equal_top(L, depth, comparing)) return false;
  }
  return true;
}

enum { COMPARE_COUNTER = 3 };

/* Raises why two values cannot be compared; the message is the program's, and names no place in Lua. */
static void refuse_to_compare(lua_State *L, int depth, const struct comparing *comparing)
{
  charge(L, COMPARE_COUNTER, comparing->elements);
  if (depth > DEEPEST) lua_pushfstring(L, "values nested more than %d deep cannot be compared", (int)DEEPEST);
  else lua_pushliteral(L, "these values are too large to be compared");
  lua_error(L);
}

static bool equal_values(lua_State *L, int a, int b, int depth, struct comparing *comparing)
{
  if (lua_rawequal(L, a, b)) return true;
  if (lua_type(L, a) != LUA_TTABLE || lua_type(L, b) != LUA_TTABLE) return false;
  enum orchlua_kind of = orchlua_kind(L, a);
  if (of != orchlua_kind(L, b) || lua_rawlen(L, a) != lua_rawlen(L, b)) return false;
  if (depth > DEEPEST || --comparing->left < 0) refuse_to_compare(L, depth, comparing);
  luaL_checkstack(L, 8, "a value nested too deep");
  return of == KIND_ARRAY ? equal_arrays(L, a, b, depth + 1, comparing) : equal_objects(L, a, b, depth + 1, comparing);
}

/* equal(a, b [, counter]) -> whether they are equal by value, deeply. Raises for values nested
 * too deep, and after MOST_COMPARISONS tables. The work is charged. */
static int equal(lua_State *L)
{
  struct comparing comparing = { .left = MOST_COMPARISONS };
  luaL_checkany(L, 2);
  lua_settop(L, COMPARE_COUNTER);
  bool same = equal_values(L, 1, 2, 1, &comparing);
  charge(L, COMPARE_COUNTER, comparing.elements);
  lua_pushboolean(L, same);
  return 1;
}

/* Text --------------------------------------------------------------------------- */

/* JavaScript's Number::toString: the digits and the exponent of the shortest text
 * that reads back as `n`, laid out by its rules. */
static size_t layout_digits(char *out, const char *digits, int count, int point)
{
  char *at = out;
  if (point > 0 && point <= 21) {
    for (int i = 0; i < point || i < count; i++) {
      if (i == point) *at++ = '.';
      *at++ = i < count ? digits[i] : '0';
    }
  } else if (point > -6 && point <= 0) {
    *at++ = '0';
    *at++ = '.';
    for (int i = point; i < 0; i++) *at++ = '0';
    memcpy(at, digits, (size_t)count);
    at += count;
  } else {
    *at++ = digits[0];
    if (count > 1) {
      *at++ = '.';
      memcpy(at, digits + 1, (size_t)count - 1);
      at += count - 1;
    }
    at += sprintf(at, "e%c%d", point > 0 ? '+' : '-', abs(point - 1));
  }
  return (size_t)(at - out);
}

/* The shortest digits of a positive number; `*point` is where the decimal point
 * stands, counted from the first. */
static int shortest_digits(double n, char *digits, int *point)
{
  char text[40];
  for (int precision = n < 2.3e-308 ? 1 : 15; precision <= 17; precision++) {
    snprintf(text, sizeof text, "%.*e", precision - 1, n);
    if (strtod(text, NULL) == n) break;
  }
  char *exponent = strchr(text, 'e');
  *point = atoi(exponent + 1) + 1;
  int count = 0;
  for (const char *at = text; at < exponent; at++)
    if (*at != '.') digits[count++] = *at;
  while (count > 1 && digits[count - 1] == '0') count--;
  return count;
}

size_t orchlua_number_text(lua_State *L, int index, char *out)
{
  char digits[32];
  int point;
  if (lua_isinteger(L, index)) return (size_t)sprintf(out, "%lld", (long long)lua_tointeger(L, index));
  double n = lua_tonumber(L, index);
  if (n == 0) return (size_t)sprintf(out, "0");
  if (n != n) return (size_t)sprintf(out, "NaN");
  if (isinf(n)) return (size_t)sprintf(out, n > 0 ? "Infinity" : "-Infinity");
  if (fabs(n) < 0x1p63 && n == (double)(long long)n) return (size_t)sprintf(out, "%lld", (long long)n);
  int count = shortest_digits(fabs(n), digits, &point);
  size_t sign = n < 0;
  if (sign) out[0] = '-';
  return sign + layout_digits(out + sign, digits, count, point);
}

/* number_text(n) -> as JavaScript prints it; whole numbers of 64 bits exactly */
static int number_text(lua_State *L)
{
  char out[ORCHLUA_NUMBER_TEXT];
  luaL_checktype(L, 1, LUA_TNUMBER);
  lua_pushlstring(L, out, orchlua_number_text(L, 1, out));
  return 1;
}

/* A reply's text is its output, unless that is null. */
static bool push_output(lua_State *L)
{
  if (!orchlua_is_reply(L, 1)) return false;
  lua_pushliteral(L, "output");
  if (lua_rawget(L, 1) == LUA_TSTRING) return true;
  lua_pop(L, 1);
  return false;
}

/* Bytes of JSON that are written in the time of an element, and what a value costs that has too many values to be written. */
enum { WRITTEN_AN_ELEMENT = 8, TOO_LARGE_ELEMENTS = 1 << 24 };

/* The text of an array or an object; what it takes to write it is charged. */
static int table_text(lua_State *L)
{
  if (push_output(L)) return 1;
  lua_settop(L, 2);
  const char *problem = orchlua_push_json(L, 1, NULL, 0);
  if (problem == NULL) {
    charge(L, 2, (lua_Integer)(lua_rawlen(L, -1) / WRITTEN_AN_ELEMENT));
    return 1;
  }
  if (strncmp(problem, "larger", 6) == 0) charge(L, 2, TOO_LARGE_ELEMENTS);
  lua_pushfstring(L, "%s has no text", problem);
  return lua_error(L);
}

/* text(v [, counter]) -> what `{{ }}` inserts. Raises its message when v has no text. */
static int text(lua_State *L)
{
  switch (orchlua_kind(L, 1)) {
  case KIND_STRING: break;
  case KIND_NUMBER: return number_text(L);
  case KIND_NULL: lua_pushliteral(L, "null"); break;
  case KIND_BOOLEAN: lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false"); break;
  case KIND_ARRAY:
  case KIND_OBJECT: return table_text(L);
  default: return luaL_argerror(L, 1, "a value of the language expected");
  }
  if (lua_type(L, 1) == LUA_TSTRING) lua_settop(L, 1);
  return 1;
}

/* UTF-8 ---------------------------------------------------------------------------- */

/* The length of the valid sequence at `s`, or 0; then `*bad` is how many bytes one
 * U+FFFD stands for (a maximal subpart, as the WHATWG Encoding standard has it). */
static size_t sequence(const unsigned char *s, const unsigned char *end, size_t *bad)
{
  static const struct { unsigned char first, last, low, high; unsigned char size; } rows[] = {
    { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 },
    { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 }
  };
  *bad = 1;
  if (*s < 0x80) return 1;
  for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
    if (*s < rows[row].first || *s > rows[row].last) continue;
    if (s + 1 == end || s[1] < rows[row].low || s[1] > rows[row].high) return 0;
    for (*bad = 2; *bad < rows[row].size; ++*bad)
      if (s + *bad == end || (s[*bad] & 0xC0) != 0x80) return 0;
    return rows[row].size;
  }
  return 0;
}

size_t orchlua_valid_utf8(const char *s, size_t size)
{
  const unsigned char *start = (const unsigned char *)s, *at = start, *end = start + size;
  size_t bad;
  while (at < end) {
    uint64_t word;
    while (end - at >= 8 && (memcpy(&word, at, 8), (word & UINT64_C(0x8080808080808080)) == 0)) at += 8;
    while (at < end && *at < 0x80) at++;
    if (at == end) break;
    size_t length = sequence(at, end, &bad);
    if (length == 0) break;
    at += length;
  }
  return (size_t)(at - start);
}

static void replace_invalid(lua_State *L, const char *s, size_t size)
{
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (size > 0) {
    size_t good = orchlua_valid_utf8(s, size), bad;
    luaL_addlstring(&buffer, s, good);
    s += good;
    size -= good;
    if (size == 0) break;
    sequence((const unsigned char *)s, (const unsigned char *)s + size, &bad);
    luaL_addstring(&buffer, "\xEF\xBF\xBD");
    s += bad;
    size -= bad;
  }
  luaL_pushresult(&buffer);
}

enum { LARGE_TEXT = 256 * 1024 };

struct text {
  const char *data;
  size_t size;
};

static int push_text(lua_State *L)
{
  const struct text *text = lua_touserdata(L, 1);
  lua_pushlstring(L, text->data, text->size);
  return 1;
}

/* A restarted collector owes nothing. */
void orchlua_push_text(lua_State *L, const char *data, size_t size)
{
  struct text text = { data, size };
  if (size < LARGE_TEXT || !lua_gc(L, LUA_GCISRUNNING)) {
    lua_pushlstring(L, data, size);
    return;
  }
  lua_gc(L, LUA_GCSTOP);
  lua_pushcfunction(L, push_text);
  lua_pushlightuserdata(L, &text);
  int status = lua_pcall(L, 1, 1, 0);
  lua_gc(L, LUA_GCRESTART);
  if (status != LUA_OK) lua_error(L);
}

void orchlua_push_utf8(lua_State *L, int index)
{
  size_t size;
  const char *s = lua_tolstring(L, index, &size);
  if (orchlua_valid_utf8(s, size) == size) lua_pushvalue(L, index);
  else replace_invalid(L, s, size);
}

/* utf8(s) -> s with U+FFFD for whatever is invalid in it */
static int utf8(lua_State *L)
{
  luaL_checkstring(L, 1);
  orchlua_push_utf8(L, 1);
  return 1;
}

/* find(s, part [, from]) -> where the text first occurs from byte `from` on, its first and last byte; nil when it does
 * not. Unlike Lua's own it takes time in proportion to `s`, whatever the two hold. */
static int find(lua_State *L)
{
  size_t size, length;
  const char *s = luaL_checklstring(L, 1, &size), *part = luaL_checklstring(L, 2, &length);
  lua_Integer from = luaL_optinteger(L, 3, 1);
  luaL_argcheck(L, from >= 1, 3, "a position expected");
  if ((lua_Unsigned)from - 1 > size) return 0;
  const char *start = s + (from - 1), *found = memmem(start, size - (size_t)(from - 1), part, length);
  if (found == NULL) return 0;
  lua_pushinteger(L, (lua_Integer)(found - s) + 1);
  lua_pushinteger(L, (lua_Integer)(found - s) + (lua_Integer)length);
  return 2;
}

static const luaL_Reg functions[] = {
  { "find", find }, { "array", array }, { "object", object }, { "kind", kind }, { "copy", copy }, { "equal", equal },
  { "text", text }, { "number_text", number_text }, { "utf8", utf8 }, { "from_lua", orchlua_from_lua }, { NULL, NULL }
};

static void make_metatable(lua_State *L, const char *key, const char *field, const char *name)
{
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_setfield(L, -2, field);
}

int orchlua_open_value(lua_State *L)
{
  luaL_newlib(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  make_metatable(L, &array_key, "Array", "orchlua.array");
  make_metatable(L, &object_key, "Object", "orchlua.object");
  make_metatable(L, &reply_key, "Reply", "orchlua.reply");
  return 1;
}
