/* The text of values as JSON: keys keep their order, numbers are printed as JavaScript prints
 * them (whole ones that fit 64 bits exactly). `core/json.c` reads it. */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = ORCHLUA_DEEPEST, LARGEST = 256 * 1024 * 1024, MOST_VALUES = 1 << 24, COUNTED = 4096 };

static const char no_memory[] = "not enough memory";

enum { FIRST_BYTES = 1024 };

/* The text so far. It lies in `first` as long as it fits there; what is larger belongs to a userdata in a
 * slot of the Lua stack, so that an error frees it. Where it is only counted, `data` has
 * its end, and `gone` says how much was in front of that. A small value may unfold to a large
 * text, for what it shares is written each time: so there is a `most` of bytes, and of values. */
struct out {
  lua_State *L;
  int slot;
  char **owned;
  char *data;
  size_t size, room, gone, most;
  int values;
  bool counts;
  const char *indent;
  size_t indent_size;
  const char *problem;
  char first[FIRST_BYTES];
};

/* Begins a text; a slot for what is large is pushed. */
static void begin_out(lua_State *L, struct out *out)
{
  lua_pushnil(L);
  out->L = L;
  out->slot = lua_gettop(L);
  out->owned = NULL;
  out->data = out->first;
  out->size = out->gone = 0;
  out->room = FIRST_BYTES;
  out->most = LARGEST;
  out->values = 0;
  out->counts = false;
  out->indent = NULL;
  out->problem = NULL;
}

/* Lets go what a text takes; a lack of memory raises. */
static void end_out(struct out *out)
{
  if (out->problem == no_memory) luaL_error(out->L, no_memory);
  if (out->owned == NULL) return;
  free(*out->owned);
  *out->owned = NULL;
}

/* Makes what a text that is large belongs to. */
static void own(struct out *out)
{
  out->owned = orchlua_new_owner(out->L, sizeof *out->owned);
  lua_replace(out->L, out->slot);
}

/* Makes room for more. */
static bool grow_out(struct out *out, size_t more)
{
  size_t room = out->room;
  while (room < out->size + more) room *= 2;
  if (out->owned == NULL) own(out);
  char *data = realloc(*out->owned, room);
  if (data == NULL) {
    out->problem = no_memory;
    return false;
  }
  if (*out->owned == NULL) memcpy(data, out->first, out->size);
  *out->owned = out->data = data;
  out->room = room;
  return true;
}

static const char too_large[] = "larger than 268435456 bytes";

static bool reserve(struct out *out, size_t more)
{
  if (more <= out->room - out->size) return true;
  if (out->counts) {
    out->gone += out->size;
    out->size = 0;
  }
  if (out->gone + out->size + more > out->most) {
    out->problem = too_large;
    return false;
  }
  if (more <= out->room - out->size) return true;
  return grow_out(out, more);
}

static bool add(struct out *out, const char *text, size_t size)
{
  if (out->counts && size > COUNTED) {
    out->gone += size;
    size = 0;
  }
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
  if (++out->values > MOST_VALUES) {
    out->problem = "larger than 16777216 values";
    return false;
  }
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
  luaL_checkstack(L, 10, "too many values");
  struct out out;
  begin_out(L, &out);
  out.indent = indent_size > 0 ? indent : NULL;
  out.indent_size = indent_size;
  lua_pushvalue(L, index);
  if (add_value(L, &out, 0)) {
    lua_pushlstring(L, out.data, out.size);
    lua_insert(L, top + 1);
  }
  end_out(&out);
  lua_settop(L, out.problem == NULL ? top + 1 : top);
  return out.problem;
}

/* encode(v [, indent]) -> JSON, or nil and a message. The indent is a number of
 * spaces (10 at most) or a text, as JavaScript's JSON.stringify takes it. */
int orchlua_json_encode(lua_State *L)
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

/* longer(v, bytes) -> whether the JSON of a value has more bytes, or is none because it would be too large. */
int orchlua_json_longer(lua_State *L)
{
  luaL_checkany(L, 1);
  lua_Integer most = luaL_checkinteger(L, 2);
  struct out out;
  begin_out(L, &out);
  out.counts = true;
  if (most < LARGEST) out.most = most < 0 ? 0 : (size_t)most;
  lua_pushvalue(L, 1);
  bool written = add_value(L, &out, 0);
  end_out(&out);
  lua_pushboolean(L, written ? out.gone + out.size > out.most : strncmp(out.problem, "larger", 6) == 0);
  return 1;
}
