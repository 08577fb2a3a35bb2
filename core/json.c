/* The JSON of the language's values (RFC 8259), exact where packaged libraries
 * are not: `[]` and `{}` stay apart, integers keep 64 bits, keys keep their order.
 * Here it is read; `core/find.c` finds values in it, `core/encode.c` writes it. */
#include "reader.h"

enum { DEEPEST = ORCHLUA_DEEPEST, BATCH = 128 };

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
  lua_replace(L, READER_LEVELS);
  reader->levels = levels;
  reader->room *= 2;
}

static bool read_key(lua_State *L, struct scan *in)
{
  return scan_key(in) && orchlua_scan_push_string(L, in) && scan_colon(in);
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
  struct scan *in = &reader->in;
  if (reader->depth == reader->deepest) return scan_fail(in, "nested more than 1000 deep");
  if (reader->depth == reader->room) grow(L, reader);
  reader->levels[reader->depth++] = (struct level){ lua_gettop(L), 0, 0, is_object, false };
  in->at++;
  scan_space(in);
  if (in->at < in->end && *in->at == (is_object ? '}' : ']')) return close_level(L, reader);
  return !is_object || read_key(L, in);
}

static bool begin_value(lua_State *L, struct reader *reader)
{
  struct scan *in = &reader->in;
  if (!lua_checkstack(L, 8)) return scan_fail(in, "nested too deep");
  scan_space(in);
  if (in->at == in->end) return scan_fail(in, "expected a value, and the text ends");
  reader->expected = WHAT_FOLLOWS;
  switch (*in->at) {
  case '"': in->at++; return orchlua_scan_push_string(L, in);
  case '{': reader->expected = A_VALUE; return open_level(L, reader, true);
  case '[': reader->expected = A_VALUE; return open_level(L, reader, false);
  case 't': lua_pushboolean(L, true); return scan_word(in, "true", 4);
  case 'f': lua_pushboolean(L, false); return scan_word(in, "false", 5);
  case 'n': lua_pushlightuserdata(L, NULL); return scan_word(in, "null", 4);
  case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': return orchlua_scan_push_number(L, in);
  default: return scan_fail(in, "expected a value");
  }
}

/* Behind a value: the next one of its level, or the level's end. */
static bool go_on(lua_State *L, struct reader *reader)
{
  struct scan *in = &reader->in;
  if (reader->depth == 0) {
    reader->expected = THE_END;
    return true;
  }
  struct level *level = &reader->levels[reader->depth - 1];
  level->count++;
  scan_space(in);
  char next = in->at < in->end ? *in->at : '\0';
  if (next == (level->is_object ? '}' : ']')) return close_level(L, reader);
  if (next != ',') return scan_fail(in, level->is_object ? "expected `,` or `}`" : "expected `,` or `]`");
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

bool orchlua_reader_value(lua_State *L, struct reader *reader, int deepest)
{
  reader->expected = A_VALUE;
  reader->deepest = deepest;
  return read_some(L, reader, reader->in.end);
}

void orchlua_reader_begin(lua_State *L, struct reader *reader)
{
  size_t size;
  const char *text = lua_tolstring(L, READER_TEXT, &size);
  reader->in = (struct scan){ text, text, text + size, NULL };
  reader->expected = A_VALUE;
  reader->depth = 0;
  reader->deepest = DEEPEST;
  reader->room = READER_FIRST_ROOM;
  reader->levels = reader->first;
  lua_settop(L, READER_LEVELS);
}

int orchlua_reader_outcome(lua_State *L, struct reader *reader, bool ok)
{
  struct scan *in = &reader->in;
  if (ok) {
    scan_space(in);
    ok = in->at == in->end || scan_fail(in, "expected the end of the text");
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
  luaL_checktype(L, READER_TEXT, LUA_TSTRING);
  orchlua_reader_begin(L, &reader);
  return orchlua_reader_outcome(L, &reader, read_some(L, &reader, reader.in.end));
}

/* Reads slice after slice, and yields between two; what it is resumed with is dropped. */
static int read_slices(lua_State *L, int status, lua_KContext top)
{
  if (status == LUA_YIELD) lua_settop(L, (int)top);
  struct reader *reader = lua_touserdata(L, READER_ITSELF);
  size_t slice = (size_t)lua_tointeger(L, READER_SLICE), left = (size_t)(reader->in.end - reader->in.at);
  bool ok = read_some(L, reader, reader->in.at + (left < slice ? left : slice));
  if (ok && reader->expected != THE_END) return lua_yieldk(L, 0, lua_gettop(L), read_slices);
  return orchlua_reader_outcome(L, reader, ok);
}

/* decode_slowly(text, slice) -> as decode; yields each time about `slice` bytes have been read */
static int decode_slowly(lua_State *L)
{
  luaL_checktype(L, READER_TEXT, LUA_TSTRING);
  luaL_argcheck(L, luaL_checkinteger(L, READER_SLICE) > 0, READER_SLICE, "expected a number of bytes above 0");
  lua_settop(L, READER_SLICE);
  orchlua_reader_begin(L, lua_newuserdatauv(L, sizeof(struct reader), 0));
  return read_slices(L, LUA_OK, 0);
}

static const luaL_Reg functions[] = {
  { "encode", orchlua_json_encode }, { "longer", orchlua_json_longer }, { "decode", decode }, { "decode_slowly", decode_slowly }, { "find", orchlua_json_find }, { NULL, NULL }
};

int orchlua_open_json(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
