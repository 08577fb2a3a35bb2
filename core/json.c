/* The JSON of the language's values (RFC 8259), exact where packaged libraries
 * are not: `[]` and `{}` stay apart, integers keep 64 bits, keys keep their order.
 * Here it is read, and values in it are found; `core/encode.c` writes it. */
#include "core.h"

#include <string.h>

enum { DEEPEST = ORCHLUA_DEEPEST, BATCH = 128 };

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

/* What stands behind a backslash, but for `u`. */
static const char meanings[256] = {
  ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
};

/* The escape behind a backslash. */
static bool read_escape(struct in *in, luaL_Buffer *buffer)
{
  if (in->at == in->end) return fail(in, "the string is never closed");
  unsigned char c = (unsigned char)*in->at;
  if (c != 'u' && meanings[c] == '\0') return fail(in, "expected an escape");
  in->at++;
  if (c == 'u') return read_unit(in, buffer);
  luaL_addchar(buffer, meanings[c]);
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

enum { CHUNK = 4096 };

/* Adds ASCII and the short escapes, most of a long string, up to anything else. */
static void read_ascii(struct in *in, luaL_Buffer *buffer)
{
  char *start = luaL_prepbuffsize(buffer, CHUNK), *to = start;
  const char *at = in->at;
  while (at < in->end && to < start + CHUNK) {
    unsigned char c = (unsigned char)*at;
    if (c < 0x20 || c >= 0x80 || c == '"') break;
    if (c == '\\') {
      if (in->end - at < 2 || meanings[(unsigned char)at[1]] == '\0') break;
      c = (unsigned char)meanings[(unsigned char)*++at];
    }
    *to++ = (char)c;
    at++;
  }
  luaL_addsize(buffer, (size_t)(to - start));
  in->at = at;
}

/* Adds what `read_ascii` stopped at: a long escape, or characters that are not ASCII. */
static bool read_other(struct in *in, luaL_Buffer *buffer)
{
  const char *from = in->at;
  if (*from == '\\') {
    in->at++;
    return read_escape(in, buffer);
  }
  const char *to = plain_end(in, from);
  if (!checked_plain(in, from, to)) return false;
  luaL_addlstring(buffer, from, (size_t)(to - from));
  in->at = to;
  return true;
}

/* Pushes what a buffer holds, and ends the buffer. One that is small lies in itself. */
static void push_result(lua_State *L, luaL_Buffer *buffer)
{
  if (luaL_bufflen(buffer) <= LUAL_BUFFERSIZE) {
    luaL_pushresult(buffer);
    return;
  }
  orchlua_push_text(L, luaL_buffaddr(buffer), luaL_bufflen(buffer));
  lua_closeslot(L, -2);
  lua_remove(L, -2);
}

/* A string with escapes in it, whose plain start has been found to be right. */
static bool read_long_string(lua_State *L, struct in *in, const char *from, const char *to)
{
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  luaL_addlstring(&buffer, from, (size_t)(to - from));
  in->at = to;
  while (true) {
    read_ascii(in, &buffer);
    if (in->at == in->end) return fail(in, "the string is never closed");
    if (*in->at == '"') break;
    if ((unsigned char)*in->at < 0x20) return fail(in, "a control character in a string");
    if (!read_other(in, &buffer)) return false;
  }
  in->at++;
  push_result(L, &buffer);
  return true;
}

/* A string, behind its opening quote: one without escapes is left where it is, from `*text` on; another one is pushed. */
static bool pass_string(lua_State *L, struct in *in, const char **text, size_t *size)
{
  const char *from = in->at, *to = plain_end(in, from);
  if (!checked_plain(in, from, to)) return false;
  if (to == in->end || *to != '"') {
    if (!read_long_string(L, in, from, to)) return false;
    *text = lua_tolstring(L, -1, size);
    return true;
  }
  *text = from;
  *size = (size_t)(to - from);
  in->at = to + 1;
  return true;
}

/* The same, on the top of the stack. */
static bool read_string(lua_State *L, struct in *in)
{
  int top = lua_gettop(L);
  const char *text;
  size_t size;
  if (!pass_string(L, in, &text, &size)) return false;
  if (lua_gettop(L) == top) orchlua_push_text(L, text, size);
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

/* Arrays and objects are read without recursion, so that the reading can pause anywhere
 * between two values: what is open is a list of levels, and their values lie on the Lua
 * stack until a batch of them is moved into the table. */
struct level {
  int base;  /* of the stack; the table, once there is one, is above it */
  int count; /* items or pairs that are in no table yet */
  lua_Integer length;
  bool is_object, has_table;
};

enum expected { A_VALUE, WHAT_FOLLOWS, THE_END };

enum { TEXT = 1, SLICE, READER, LEVELS }; /* on the stack of a reading, below its values */
enum { FIRST_ROOM = 16 };

struct reader {
  struct in in;
  enum expected expected;
  int depth, room, deepest;
  struct level *levels;           /* `first`, or a userdata at LEVELS */
  struct level first[FIRST_ROOM];
};

/* Moves the values on the top of the stack behind the array's last. */
static void flush_items(lua_State *L, struct level *level)
{
  for (int i = level->count; i > 0; i--) lua_rawseti(L, level->base + 1, level->length + i);
  level->length += level->count;
}

/* Moves the pairs on the top of the stack into the object; the last of equal keys wins. */
static void flush_pairs(lua_State *L, struct level *level)
{
  int object = level->base + 1;
  for (int i = 0; i < level->count; i++) {
    int key = object + 1 + 2 * i;
    lua_pushvalue(L, key);
    bool is_new = lua_rawget(L, object) == LUA_TNIL;
    lua_pop(L, 1);
    if (is_new) {
      lua_pushvalue(L, key);
      lua_rawseti(L, object, ++level->length);
    }
    lua_pushvalue(L, key);
    lua_pushvalue(L, key + 1);
    lua_rawset(L, object);
  }
  lua_settop(L, object);
}

/* Moves what has been read of a level into its table; `last`: nothing follows, so that a
 * table that is made now has its final size. */
static void flush(lua_State *L, struct level *level, bool last)
{
  if (!level->has_table) {
    int items = last ? level->count : BATCH * 2;
    lua_createtable(L, items, level->is_object ? items : 0);
    lua_insert(L, level->base + 1);
    level->has_table = true;
  }
  if (level->is_object) flush_pairs(L, level);
  else flush_items(L, level);
  level->count = 0;
}

/* Doubles the room for levels. */
static void grow(lua_State *L, struct reader *reader)
{
  struct level *levels = lua_newuserdatauv(L, 2 * (size_t)reader->room * sizeof *levels, 0);
  memcpy(levels, reader->levels, (size_t)reader->room * sizeof *levels);
  lua_replace(L, LEVELS);
  reader->levels = levels;
  reader->room *= 2;
}

static bool begin_key(struct in *in)
{
  skip_space(in);
  if (in->at == in->end || *in->at != '"') return fail(in, "expected a key, a string");
  in->at++;
  return true;
}

static bool end_key(struct in *in)
{
  skip_space(in);
  if (in->at == in->end || *in->at != ':') return fail(in, "expected `:` behind the key");
  in->at++;
  return true;
}

static bool read_key(lua_State *L, struct in *in)
{
  return begin_key(in) && read_string(L, in) && end_key(in);
}

/* Ends the innermost level: its table is left on the stack. */
static bool close_level(lua_State *L, struct reader *reader)
{
  struct level *level = &reader->levels[--reader->depth];
  reader->in.at++;
  if (level->count > 0 || !level->has_table) flush(L, level, true);
  if (level->is_object) orchlua_set_object(L);
  else orchlua_set_array(L);
  reader->expected = WHAT_FOLLOWS;
  return true;
}

/* Behind `[` or `{`. */
static bool open_level(lua_State *L, struct reader *reader, bool is_object)
{
  struct in *in = &reader->in;
  if (reader->depth == reader->deepest) return fail(in, "nested more than 1000 deep");
  if (reader->depth == reader->room) grow(L, reader);
  reader->levels[reader->depth++] = (struct level){ lua_gettop(L), 0, 0, is_object, false };
  in->at++;
  skip_space(in);
  if (in->at < in->end && *in->at == (is_object ? '}' : ']')) return close_level(L, reader);
  return !is_object || read_key(L, in);
}

static bool begin_value(lua_State *L, struct reader *reader)
{
  struct in *in = &reader->in;
  if (!lua_checkstack(L, 8)) return fail(in, "nested too deep");
  skip_space(in);
  if (in->at == in->end) return fail(in, "expected a value, and the text ends");
  reader->expected = WHAT_FOLLOWS;
  switch (*in->at) {
  case '"': in->at++; return read_string(L, in);
  case '{': reader->expected = A_VALUE; return open_level(L, reader, true);
  case '[': reader->expected = A_VALUE; return open_level(L, reader, false);
  case 't': lua_pushboolean(L, true); return read_word(in, "true", 4);
  case 'f': lua_pushboolean(L, false); return read_word(in, "false", 5);
  case 'n': lua_pushlightuserdata(L, NULL); return read_word(in, "null", 4);
  case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': return read_number(L, in);
  default: return fail(in, "expected a value");
  }
}

/* Behind a value: the next one of its level, or the level's end. */
static bool go_on(lua_State *L, struct reader *reader)
{
  struct in *in = &reader->in;
  if (reader->depth == 0) {
    reader->expected = THE_END;
    return true;
  }
  struct level *level = &reader->levels[reader->depth - 1];
  level->count++;
  skip_space(in);
  char next = in->at < in->end ? *in->at : '\0';
  if (next == (level->is_object ? '}' : ']')) return close_level(L, reader);
  if (next != ',') return fail(in, level->is_object ? "expected `,` or `}`" : "expected `,` or `]`");
  in->at++;
  if (level->count == BATCH) flush(L, level, false);
  reader->expected = A_VALUE;
  return !level->is_object || read_key(L, in);
}

/* Reads up to `until`, or to the end of the value; false when the text is wrong. */
static bool read_some(lua_State *L, struct reader *reader, const char *until)
{
  while (reader->expected != THE_END && reader->in.at <= until) {
    if (!(reader->expected == A_VALUE ? begin_value(L, reader) : go_on(L, reader))) return false;
  }
  return true;
}

/* Begins to read the text at TEXT. */
static void begin(lua_State *L, struct reader *reader)
{
  size_t size;
  const char *text = lua_tolstring(L, TEXT, &size);
  reader->in = (struct in){ text, text, text + size, NULL };
  reader->expected = A_VALUE;
  reader->depth = 0;
  reader->deepest = DEEPEST;
  reader->room = FIRST_ROOM;
  reader->levels = reader->first;
  lua_settop(L, LEVELS);
}

/* The results of a reading: the value on the top of the stack, or what is wrong. */
static int outcome(lua_State *L, struct reader *reader, bool ok)
{
  struct in *in = &reader->in;
  if (ok) {
    skip_space(in);
    ok = in->at == in->end || fail(in, "expected the end of the text");
  }
  if (ok) return 1;
  lua_pushnil(L);
  lua_pushstring(L, in->problem);
  lua_pushinteger(L, (lua_Integer)(in->at - in->start) + 1);
  return 3;
}

/* decode(text) -> the value; or nil, a message, and where (1-based, in bytes) */
static int decode(lua_State *L)
{
  struct reader reader;
  luaL_checktype(L, TEXT, LUA_TSTRING);
  begin(L, &reader);
  return outcome(L, &reader, read_some(L, &reader, reader.in.end));
}

/* Reads slice after slice, and yields between two; what it is resumed with is dropped. */
static int read_slices(lua_State *L, int status, lua_KContext top)
{
  if (status == LUA_YIELD) lua_settop(L, (int)top);
  struct reader *reader = lua_touserdata(L, READER);
  size_t slice = (size_t)lua_tointeger(L, SLICE), left = (size_t)(reader->in.end - reader->in.at);
  bool ok = read_some(L, reader, reader->in.at + (left < slice ? left : slice));
  if (ok && reader->expected != THE_END) return lua_yieldk(L, 0, lua_gettop(L), read_slices);
  return outcome(L, reader, ok);
}

/* decode_slowly(text, slice) -> as decode; yields each time about `slice` bytes have been read */
static int decode_slowly(lua_State *L)
{
  luaL_checktype(L, TEXT, LUA_TSTRING);
  luaL_argcheck(L, luaL_checkinteger(L, SLICE) > 0, SLICE, "expected a number of bytes above 0");
  lua_settop(L, SLICE);
  begin(L, lua_newuserdatauv(L, sizeof(struct reader), 0));
  return read_slices(L, LUA_OK, 0);
}

/* Finding ------------------------------------------------------------------------ */

/* What a reader looks for on its way through a text of which little is wanted. A path is keys and places
 * in arrays (from 1), parted by `/`. Those in a set have their first bytes in common: the way to where the reader is. */
enum { MOST_PATHS = 16, FOUND = LEVELS + 1 }; /* on the stack of a search, behind true: a place for each path */

struct path {
  const char *text;
  size_t size;
};

struct search {
  struct reader reader;
  unsigned found; /* the paths at which something lay */
  struct path paths[MOST_PATHS];
};

/* Forgets what some paths found: the last of equal keys wins. */
static void forget(lua_State *L, struct search *search, unsigned set)
{
  for (int i = 0; set >> i != 0; i++) {
    if (!(set >> i & 1)) continue;
    lua_pushnil(L);
    lua_replace(L, FOUND + 1 + i);
  }
  search->found &= ~set;
}

/* Those paths of a set whose first `done` bytes are followed by a key or a place. */
static unsigned paths_into(lua_State *L, struct search *search, unsigned set, size_t done, const char *key, size_t size)
{
  unsigned into = 0;
  for (int i = 0; set >> i != 0; i++) {
    const struct path *path = &search->paths[i];
    if (!(set >> i & 1) || path->size < done + size || path->text[done] != *key || memcmp(path->text + done, key, size) != 0) continue;
    if ((path->size > done + size && path->text[done + size] != '/') || memchr(key, '/', size) != NULL) continue;
    into |= 1u << i;
  }
  if (into & search->found) forget(L, search, into & search->found);
  return into;
}

/* The path of a set that ends where its first `done` bytes lead, or -1. */
static int path_to(const struct search *search, unsigned set, size_t done)
{
  for (int i = 0; set >> i != 0; i++)
    if ((set >> i & 1) && search->paths[i].size == done) return i;
  return -1;
}

/* Reads the value that a path has found. */
static bool take_value(lua_State *L, struct search *search, int path, int depth)
{
  struct reader *reader = &search->reader;
  reader->expected = A_VALUE;
  reader->deepest = DEEPEST - depth;
  if (!read_some(L, reader, reader->in.end)) return false;
  lua_replace(L, FOUND + 1 + path);
  search->found |= 1u << path;
  return true;
}

/* Passes a value that is no array, and no object. */
static bool pass_value(lua_State *L, struct reader *reader)
{
  struct in *in = &reader->in;
  const char *text;
  size_t size;
  int top = lua_gettop(L);
  bool is_string = in->at < in->end && *in->at == '"';
  if (is_string) in->at++;
  bool ok = is_string ? pass_string(L, in, &text, &size) : begin_value(L, reader);
  lua_settop(L, top);
  return ok;
}

static bool search_inside(lua_State *L, struct search *search, unsigned set, size_t done, int depth);

/* Goes through the value in front of the reader, to which the first `done` bytes of the paths of a set lead. */
static bool search_value(lua_State *L, struct search *search, unsigned set, size_t done, int depth)
{
  struct in *in = &search->reader.in;
  int path = path_to(search, set, done);
  skip_space(in);
  if (path >= 0) return take_value(L, search, path, depth);
  if (in->at == in->end || (*in->at != '{' && *in->at != '[')) return pass_value(L, &search->reader);
  return search_inside(L, search, set, done > 0 ? done + 1 : 0, depth + 1);
}

/* The key in front of the reader: those of a set's paths that lead there, and the size of what of them does. */
static bool search_key(lua_State *L, struct search *search, unsigned *set, size_t *done)
{
  struct in *in = &search->reader.in;
  const char *key;
  size_t size;
  int top = lua_gettop(L);
  if (!begin_key(in) || !pass_string(L, in, &key, &size)) return false;
  *set = paths_into(L, search, *set, *done, key, size);
  *done += size;
  lua_settop(L, top);
  return end_key(in);
}

/* The same for a place in an array. */
static void search_place(lua_State *L, struct search *search, unsigned *set, size_t *done, int place)
{
  char digits[16], *key = digits + sizeof digits;
  if (*set == 0) return;
  for (; place > 0; place /= 10) *--key = (char)('0' + place % 10);
  size_t size = (size_t)(digits + sizeof digits - key);
  *set = paths_into(L, search, *set, *done, key, size);
  *done += size;
}

/* Goes through the array or the object in front of the reader. */
static bool search_inside(lua_State *L, struct search *search, unsigned set, size_t done, int depth)
{
  struct in *in = &search->reader.in;
  bool is_object = *in->at++ == '{';
  char end = is_object ? '}' : ']', next = ',';
  if (depth > DEEPEST) return fail(in, "nested more than 1000 deep");
  if (!lua_checkstack(L, 8)) return fail(in, "nested too deep");
  skip_space(in);
  if (in->at < in->end && *in->at == end) next = *in->at++;
  for (int place = 1; next == ','; place++) {
    unsigned into = set;
    size_t way = done;
    if (!is_object) search_place(L, search, &into, &way, place);
    else if (!search_key(L, search, &into, &way)) return false;
    if (!search_value(L, search, into, way, depth)) return false;
    skip_space(in);
    next = in->at < in->end ? *in->at : '\0';
    if (next != ',' && next != end) return fail(in, is_object ? "expected `,` or `}`" : "expected `,` or `]`");
    in->at++;
  }
  return true;
}

/* Takes the paths from the list at 2, which keeps their texts; makes room for what they find. */
static int take_paths(lua_State *L, struct search *search)
{
  int count = (int)luaL_len(L, 2);
  luaL_argcheck(L, count <= MOST_PATHS, 2, "too many paths");
  luaL_checkstack(L, count + 16, "too many paths");
  lua_pushboolean(L, true);
  for (int i = 0; i < count; i++) {
    struct path *path = &search->paths[i];
    luaL_argcheck(L, lua_rawgeti(L, 2, i + 1) == LUA_TSTRING && lua_rawlen(L, -1) > 0, 2, "expected texts that are not empty");
    path->text = lua_tolstring(L, -1, &path->size);
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  return count;
}

/* find(text, paths) -> true and what lies at each path, nil where nothing does; or what `decode` gives for a text that is no
 * JSON, or no object: nil and a message. What lies at no path is read, and no value is made of it. No path may lead into what
 * another one finds. */
static int find(lua_State *L)
{
  struct search search;
  luaL_checktype(L, TEXT, LUA_TSTRING);
  luaL_checktype(L, 2, LUA_TTABLE);
  begin(L, &search.reader);
  search.found = 0;
  struct in *in = &search.reader.in;
  int count = take_paths(L, &search);
  skip_space(in);
  bool ok = in->at < in->end && *in->at == '{' ? search_value(L, &search, (1u << count) - 1, 0, 0) : fail(in, "expected an object");
  return outcome(L, &search.reader, ok) == 1 ? count + 1 : 3;
}

static const luaL_Reg functions[] = {
  { "encode", orchlua_json_encode }, { "longer", orchlua_json_longer }, { "decode", decode }, { "decode_slowly", decode_slowly }, { "find", find }, { NULL, NULL }
};

int orchlua_open_json(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
