/* The JSON of the language's values (RFC 8259), exact where packaged libraries
 * are not: `[]` and `{}` stay apart, integers keep 64 bits, keys keep their order,
 * numbers are printed as JavaScript prints them. */
#include "core.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = ORCHLUA_DEEPEST, BATCH = 128, LARGEST = 256 * 1024 * 1024 };

/* Writing ---------------------------------------------------------------------- */

/* The text so far; a userdata, so that an error frees it. */
struct out {
  char *data;
  size_t size, room;
  const char *indent;
  size_t indent_size;
  const char *problem;
};

static int free_out(lua_State *L)
{
  struct out *out = luaL_checkudata(L, 1, "orchlua.json.out");
  free(out->data);
  out->data = NULL;
  return 0;
}

static struct out *new_out(lua_State *L)
{
  struct out *out = lua_newuserdatauv(L, sizeof *out, 0);
  out->data = NULL;
  out->size = out->room = 0;
  out->problem = NULL;
  if (luaL_newmetatable(L, "orchlua.json.out")) {
    lua_pushcfunction(L, free_out);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return out;
}

static bool reserve(struct out *out, size_t more)
{
  if (more <= out->room - out->size) return true;
  if (out->size + more > LARGEST) {
    out->problem = "larger than 268435456 bytes";
    return false;
  }
  size_t room = out->room < 256 ? 256 : out->room;
  while (room < out->size + more) room *= 2;
  char *data = realloc(out->data, room);
  if (data == NULL) {
    out->problem = "larger than memory";
    return false;
  }
  out->data = data;
  out->room = room;
  return true;
}

static bool add(struct out *out, const char *text, size_t size)
{
  if (!reserve(out, size)) return false;
  memcpy(out->data + out->size, text, size);
  out->size += size;
  return true;
}

static bool add_escape(struct out *out, unsigned char c)
{
  static const char *const known[] = { ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r" };
  char text[8];
  if (c == '"' || c == '\\') {
    text[0] = '\\';
    text[1] = (char)c;
    return add(out, text, 2);
  }
  if (c < sizeof known / sizeof *known && known[c] != NULL) return add(out, known[c], 2);
  return add(out, text, (size_t)snprintf(text, sizeof text, "\\u%04x", c));
}

static bool add_string(struct out *out, const char *s, size_t size)
{
  size_t start = 0;
  if (!add(out, "\"", 1)) return false;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    if (!add(out, s + start, i - start) || !add_escape(out, c)) return false;
    start = i + 1;
  }
  return add(out, s + start, size - start) && add(out, "\"", 1);
}

static bool add_line(struct out *out, int depth)
{
  if (out->indent == NULL) return true;
  if (!add(out, "\n", 1)) return false;
  for (int i = 0; i < depth; i++)
    if (!add(out, out->indent, out->indent_size)) return false;
  return true;
}

static bool add_value(lua_State *L, struct out *out, int depth);

static bool add_items(lua_State *L, struct out *out, int depth)
{
  int index = lua_gettop(L);
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  for (lua_Integer i = 1; i <= length; i++) {
    if ((i > 1 && !add(out, ",", 1)) || !add_line(out, depth)) return false;
    lua_rawgeti(L, index, i);
    if (!add_value(L, out, depth)) return false;
    lua_settop(L, index);
  }
  return length == 0 || add_line(out, depth - 1);
}

static bool add_fields(lua_State *L, struct out *out, int depth)
{
  int index = lua_gettop(L);
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  for (lua_Integer i = 1; i <= length; i++) {
    size_t size;
    if ((i > 1 && !add(out, ",", 1)) || !add_line(out, depth)) return false;
    if (lua_rawgeti(L, index, i) != LUA_TSTRING) {
      out->problem = "an object whose key order holds no string";
      return false;
    }
    const char *key = lua_tolstring(L, -1, &size);
    if (!add_string(out, key, size) || !add(out, ": ", out->indent == NULL ? 1 : 2)) return false;
    lua_rawget(L, index);
    if (!add_value(L, out, depth)) return false;
    lua_settop(L, index);
  }
  return length == 0 || add_line(out, depth - 1);
}

/* The tables that the writer is inside of all lie on the Lua stack, each above the
 * one around it: the one on the top is inside itself when it lies there twice. */
static bool too_deep(lua_State *L, struct out *out)
{
  int top = lua_gettop(L);
  out->problem = "nested more than 1000 deep";
  for (int i = top - 1; i > top - DEEPEST; i--)
    if (lua_rawequal(L, i, top)) out->problem = "a value inside itself";
  return false;
}

static bool add_table(lua_State *L, struct out *out, enum orchlua_kind kind, int depth)
{
  if (depth > DEEPEST) return too_deep(L, out);
  if (!lua_checkstack(L, 8)) {
    out->problem = "nested too deep";
    return false;
  }
  if (kind == KIND_ARRAY) return add(out, "[", 1) && add_items(L, out, depth + 1) && add(out, "]", 1);
  return add(out, "{", 1) && add_fields(L, out, depth + 1) && add(out, "}", 1);
}

/* Writes the value on the top of the stack. */
static bool add_value(lua_State *L, struct out *out, int depth)
{
  size_t size;
  enum orchlua_kind kind = orchlua_kind(L, -1);
  switch (kind) {
  case KIND_NULL: return add(out, "null", 4);
  case KIND_BOOLEAN: return lua_toboolean(L, -1) ? add(out, "true", 4) : add(out, "false", 5);
  case KIND_NUMBER:
    if (!reserve(out, ORCHLUA_NUMBER_TEXT)) return false;
    out->size += orchlua_number_text(L, -1, out->data + out->size);
    return true;
  case KIND_STRING: {
    const char *s = lua_tolstring(L, -1, &size);
    return add_string(out, s, size);
  }
  case KIND_ARRAY:
  case KIND_OBJECT: return add_table(L, out, kind, depth);
  default: out->problem = "something that is no value of the language"; return false;
  }
}

const char *orchlua_push_json(lua_State *L, int index, const char *indent, size_t indent_size)
{
  int top = lua_gettop(L);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, "too many values");
  struct out *out = new_out(L);
  out->indent = indent_size > 0 ? indent : NULL;
  out->indent_size = indent_size;
  lua_pushvalue(L, index);
  if (add_value(L, out, 0)) {
    lua_pushlstring(L, out->data, out->size);
    lua_replace(L, top + 1);
  }
  const char *problem = out->problem;
  free(out->data);
  out->data = NULL;
  lua_settop(L, problem == NULL ? top + 1 : top);
  return problem;
}

/* encode(v [, indent]) -> JSON, or nil and a message. The indent is a number of
 * spaces (10 at most) or a text, as JavaScript's JSON.stringify takes it. */
static int encode(lua_State *L)
{
  static const char spaces[] = "          ";
  const char *indent = NULL;
  size_t size = 0;
  luaL_checkany(L, 1);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    lua_Integer count = (lua_Integer)lua_tonumber(L, 2);
    size = count < 0 ? 0 : count > 10 ? 10 : (size_t)count;
    indent = spaces;
  } else if (!lua_isnoneornil(L, 2)) {
    indent = luaL_checklstring(L, 2, &size);
    if (size > 10) size = 10;
  }
  const char *problem = orchlua_push_json(L, 1, indent, size);
  if (problem == NULL) return 1;
  lua_pushnil(L);
  lua_pushstring(L, problem);
  return 2;
}

/* Reading ----------------------------------------------------------------------- */

struct in {
  const char *start, *at, *end;
  const char *problem;
};

static bool fail(struct in *in, const char *problem)
{
  if (in->problem == NULL) in->problem = problem;
  return false;
}

static void skip_space(struct in *in)
{
  while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' || *in->at == '\r')) in->at++;
}

static bool read_value(lua_State *L, struct in *in, int depth);

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Four hexadecimal digits at `at`, or -1. */
static int hex_unit(const struct in *in, const char *at)
{
  int unit = 0;
  if (in->end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

static void add_character(luaL_Buffer *buffer, unsigned code)
{
  char *to = luaL_prepbuffsize(buffer, 4);
  size_t size;
  if (code < 0x80) {
    to[0] = (char)code;
    size = 1;
  } else if (code < 0x800) {
    to[0] = (char)(0xC0 | code >> 6);
    size = 2;
  } else if (code < 0x10000) {
    to[0] = (char)(0xE0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3F));
    size = 3;
  } else {
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    size = 4;
  }
  if (size > 1) to[size - 1] = (char)(0x80 | (code & 0x3F));
  luaL_addsize(buffer, size);
}

/* What follows `\u`; half of a surrogate pair alone becomes U+FFFD. */
static bool read_unit(struct in *in, luaL_Buffer *buffer)
{
  int unit = hex_unit(in, in->at), low = -1;
  if (unit < 0) return fail(in, "expected four hexadecimal digits");
  in->at += 4;
  if (unit >= 0xD800 && unit < 0xDC00 && in->end - in->at >= 6 && in->at[0] == '\\' && in->at[1] == 'u') low = hex_unit(in, in->at + 2);
  if (low >= 0xDC00 && low < 0xE000) {
    in->at += 6;
    add_character(buffer, 0x10000u + ((unsigned)unit - 0xD800u) * 0x400u + (unsigned)low - 0xDC00u);
  } else {
    add_character(buffer, unit >= 0xD800 && unit < 0xE000 ? 0xFFFDu : (unsigned)unit);
  }
  return true;
}

static bool read_escape(struct in *in, luaL_Buffer *buffer)
{
  static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (in->at == in->end) return fail(in, "the string is never closed");
  char c = *in->at++;
  if (c == 'u') return read_unit(in, buffer);
  const char *found = c == '\0' ? NULL : strchr(names, c);
  if (found == NULL) {
    in->at--;
    return fail(in, "expected an escape");
  }
  luaL_addchar(buffer, meanings[found - names]);
  return true;
}

/* Where the plain characters from `at` end: at a quote, a backslash or a control. */
static const char *plain_end(const struct in *in, const char *at)
{
  while (at < in->end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20) at++;
  return at;
}

static bool checked_plain(struct in *in, const char *from, const char *to)
{
  size_t good = orchlua_valid_utf8(from, (size_t)(to - from));
  if (from + good == to) return true;
  in->at = from + good;
  return fail(in, "a byte that is not UTF-8");
}

static bool read_long_string(lua_State *L, struct in *in, const char *from, const char *to)
{
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (true) {
    luaL_addlstring(&buffer, from, (size_t)(to - from));
    in->at = to;
    if (in->at == in->end) return fail(in, "the string is never closed");
    if (*in->at == '"') break;
    if (*in->at != '\\') return fail(in, "a control character in a string");
    in->at++;
    if (!read_escape(in, &buffer)) return false;
    from = in->at;
    to = plain_end(in, from);
    if (!checked_plain(in, from, to)) return false;
  }
  in->at++;
  luaL_pushresult(&buffer);
  return true;
}

/* A string, behind its opening quote. */
static bool read_string(lua_State *L, struct in *in)
{
  const char *from = in->at, *to = plain_end(in, from);
  if (!checked_plain(in, from, to)) return false;
  if (to == in->end || *to != '"') return read_long_string(L, in, from, to);
  lua_pushlstring(L, from, (size_t)(to - from));
  in->at = to + 1;
  return true;
}

static const char *digits_end(const struct in *in, const char *at)
{
  while (at < in->end && *at >= '0' && *at <= '9') at++;
  return at;
}

/* Where the number from `at` ends, or NULL; `*whole` tells whether it is an integer. */
static const char *number_end(struct in *in, const char *at, bool *whole)
{
  if (at < in->end && *at == '-') at++;
  const char *to = digits_end(in, at);
  if (to == at || (*at == '0' && to - at > 1)) return NULL;
  *whole = true;
  if (to < in->end && *to == '.') {
    at = to + 1;
    to = digits_end(in, at);
    if (to == at) return NULL;
    *whole = false;
  }
  if (to < in->end && (*to == 'e' || *to == 'E')) {
    at = to + 1;
    if (at < in->end && (*at == '+' || *at == '-')) at++;
    to = digits_end(in, at);
    if (to == at) return NULL;
    *whole = false;
  }
  return to;
}

/* A number of at most 15 digits and no exponent is exact as a quotient of two. */
static bool push_short(lua_State *L, const char *from, const char *to, bool whole)
{
  static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
  lua_Integer digits = 0;
  int scale = -1;
  bool negative = *from == '-';
  if (to - from > 16) return false;
  for (const char *at = from + negative; at < to; at++) {
    if (*at == '.') scale = 0;
    else if (*at < '0' || *at > '9') return false;
    else {
      digits = digits * 10 + (*at - '0');
      if (scale >= 0) scale++;
    }
  }
  if (digits > 999999999999999) return false;
  if (whole) lua_pushinteger(L, negative ? -digits : digits);
  else lua_pushnumber(L, (negative ? -(double)digits : (double)digits) / powers[scale]);
  return true;
}

static bool read_number(lua_State *L, struct in *in)
{
  bool whole;
  const char *from = in->at, *to = number_end(in, from, &whole);
  if (to == NULL) return fail(in, "a number that is none");
  in->at = to;
  if (push_short(L, from, to, whole)) return true;
  lua_pushlstring(L, from, (size_t)(to - from));
  if (lua_stringtonumber(L, lua_tostring(L, -1)) == 0) return fail(in, "a number that is none");
  lua_remove(L, -2);
  double n = lua_tonumber(L, -1);
  if (n - n == 0) return true;
  in->at = from;
  return fail(in, "a number that is too large");
}

static bool read_word(struct in *in, const char *word, size_t size)
{
  if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0) return fail(in, "expected a value");
  in->at += size;
  return true;
}

/* Moves the `count` values on the top of the stack behind the array's last. */
static void flush_items(lua_State *L, int array, lua_Integer *length, int count)
{
  for (int i = count; i > 0; i--) lua_rawseti(L, array, *length + i);
  *length += count;
}

static bool read_array(lua_State *L, struct in *in, int depth)
{
  int base = lua_gettop(L), count = 0, array = 0;
  lua_Integer length = 0;
  skip_space(in);
  bool more = !(in->at < in->end && *in->at == ']');
  while (more) {
    if (!read_value(L, in, depth)) return false;
    count++;
    skip_space(in);
    more = in->at < in->end && *in->at == ',';
    if (more) in->at++;
    if (count == BATCH || (!more && array != 0)) {
      if (array == 0) {
        lua_createtable(L, BATCH * 2, 0);
        lua_insert(L, base + 1);
        array = base + 1;
      }
      flush_items(L, array, &length, count);
      count = 0;
    }
  }
  if (in->at == in->end || *in->at != ']') return fail(in, "expected `,` or `]`");
  in->at++;
  if (array == 0) {
    lua_createtable(L, count, 0);
    lua_insert(L, base + 1);
    flush_items(L, base + 1, &length, count);
  }
  orchlua_set_array(L);
  return true;
}

/* Moves the `count` pairs above `base` into the object; the last of equal keys wins. */
static void flush_pairs(lua_State *L, int object, int base, int count)
{
  lua_Integer length = (lua_Integer)lua_rawlen(L, object);
  for (int i = 0; i < count; i++) {
    int key = base + 1 + 2 * i;
    lua_pushvalue(L, key);
    bool is_new = lua_rawget(L, object) == LUA_TNIL;
    lua_pop(L, 1);
    if (is_new) {
      lua_pushvalue(L, key);
      lua_rawseti(L, object, ++length);
    }
    lua_pushvalue(L, key);
    lua_pushvalue(L, key + 1);
    lua_rawset(L, object);
  }
  lua_settop(L, base);
}

static bool read_pair(lua_State *L, struct in *in, int depth)
{
  skip_space(in);
  if (in->at == in->end || *in->at != '"') return fail(in, "expected a key, a string");
  in->at++;
  if (!read_string(L, in)) return false;
  skip_space(in);
  if (in->at == in->end || *in->at != ':') return fail(in, "expected `:` behind the key");
  in->at++;
  return read_value(L, in, depth);
}

static bool read_object(lua_State *L, struct in *in, int depth)
{
  int base = lua_gettop(L), count = 0, object = 0;
  skip_space(in);
  bool more = !(in->at < in->end && *in->at == '}');
  while (more) {
    if (!read_pair(L, in, depth)) return false;
    count++;
    skip_space(in);
    more = in->at < in->end && *in->at == ',';
    if (more) in->at++;
    if (count < BATCH && more) continue;
    if (object == 0) {
      lua_createtable(L, count, count);
      object = base + 1;
      lua_insert(L, object);
    }
    flush_pairs(L, object, object, count);
    count = 0;
  }
  if (in->at == in->end || *in->at != '}') return fail(in, "expected `,` or `}`");
  in->at++;
  if (object == 0) lua_newtable(L);
  orchlua_set_object(L);
  return true;
}

static bool read_value(lua_State *L, struct in *in, int depth)
{
  if (depth > DEEPEST) return fail(in, "nested more than 1000 deep");
  if (!lua_checkstack(L, 8)) return fail(in, "nested too deep");
  skip_space(in);
  if (in->at == in->end) return fail(in, "expected a value, and the text ends");
  switch (*in->at) {
  case '"': in->at++; return read_string(L, in);
  case '{': in->at++; return read_object(L, in, depth + 1);
  case '[': in->at++; return read_array(L, in, depth + 1);
  case 't': lua_pushboolean(L, true); return read_word(in, "true", 4);
  case 'f': lua_pushboolean(L, false); return read_word(in, "false", 5);
  case 'n': lua_pushlightuserdata(L, NULL); return read_word(in, "null", 4);
  case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': return read_number(L, in);
  default: return fail(in, "expected a value");
  }
}

/* decode(text) -> the value; or nil, a message, and where (1-based, in bytes) */
static int decode(lua_State *L)
{
  size_t size;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &size);
  struct in in = { text, text, text + size, NULL };
  lua_settop(L, 1);
  bool ok = read_value(L, &in, 0);
  if (ok) {
    skip_space(&in);
    ok = in.at == in.end || fail(&in, "expected the end of the text");
  }
  if (ok) return 1;
  lua_settop(L, 1);
  lua_pushnil(L);
  lua_pushstring(L, in.problem);
  lua_pushinteger(L, (lua_Integer)(in.at - in.start) + 1);
  return 3;
}

static const luaL_Reg functions[] = { { "encode", encode }, { "decode", decode }, { NULL, NULL } };

int orchlua_open_json(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
