/* Values that lie at known paths of a JSON text, with nothing made of the rest: an answer of a model
 * server is mostly what nobody asked for. */
#include "reader.h"

enum { DEEPEST = ORCHLUA_DEEPEST };

/* What a reader looks for on its way through a text of which little is wanted. A path is keys and places
 * in arrays (from 1), parted by `/`. Those in a set have their first bytes in common: the way to where the reader is. */
enum { MOST_PATHS = 16, FOUND = READER_LEVELS + 1 }; /* on the stack of a search, behind true: a place for each path */

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
  if (!orchlua_reader_value(L, &search->reader, DEEPEST - depth)) return false;
  lua_replace(L, FOUND + 1 + path);
  search->found |= 1u << path;
  return true;
}

/* Passes a value that is no array, and no object. */
static bool pass_value(lua_State *L, struct reader *reader)
{
  struct scan *in = &reader->in;
  const char *text;
  size_t size;
  int top = lua_gettop(L);
  bool is_string = in->at < in->end && *in->at == '"';
  if (is_string) in->at++;
  bool ok = is_string ? orchlua_scan_string(L, in, &text, &size) : orchlua_reader_value(L, reader, 0);
  lua_settop(L, top);
  return ok;
}

static bool search_inside(lua_State *L, struct search *search, unsigned set, size_t done, int depth);

/* Goes through the value in front of the reader, to which the first `done` bytes of the paths of a set lead. */
static bool search_value(lua_State *L, struct search *search, unsigned set, size_t done, int depth)
{
  struct scan *in = &search->reader.in;
  int path = path_to(search, set, done);
  scan_space(in);
  if (path >= 0) return take_value(L, search, path, depth);
  if (in->at == in->end || (*in->at != '{' && *in->at != '[')) return pass_value(L, &search->reader);
  return search_inside(L, search, set, done > 0 ? done + 1 : 0, depth + 1);
}

/* The key in front of the reader: those of a set's paths that lead there, and the size of what of them does. */
static bool search_key(lua_State *L, struct search *search, unsigned *set, size_t *done)
{
  struct scan *in = &search->reader.in;
  const char *key;
  size_t size;
  int top = lua_gettop(L);
  if (!scan_key(in) || !orchlua_scan_string(L, in, &key, &size)) return false;
  *set = paths_into(L, search, *set, *done, key, size);
  *done += size;
  lua_settop(L, top);
  return scan_colon(in);
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
  struct scan *in = &search->reader.in;
  bool is_object = *in->at++ == '{';
  char end = is_object ? '}' : ']', next = ',';
  if (depth > DEEPEST) return scan_fail(in, "nested more than 1000 deep");
  if (!lua_checkstack(L, 8)) return scan_fail(in, "nested too deep");
  scan_space(in);
  if (in->at < in->end && *in->at == end) next = *in->at++;
  for (int place = 1; next == ','; place++) {
    unsigned into = set;
    size_t way = done;
    if (!is_object) search_place(L, search, &into, &way, place);
    else if (!search_key(L, search, &into, &way)) return false;
    if (!search_value(L, search, into, way, depth)) return false;
    scan_space(in);
    next = in->at < in->end ? *in->at : '\0';
    if (next != ',' && next != end) return scan_fail(in, is_object ? "expected `,` or `}`" : "expected `,` or `]`");
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
int orchlua_json_find(lua_State *L)
{
  struct search search;
  luaL_checktype(L, READER_TEXT, LUA_TSTRING);
  luaL_checktype(L, 2, LUA_TTABLE);
  orchlua_reader_begin(L, &search.reader);
  search.found = 0;
  struct scan *in = &search.reader.in;
  int count = take_paths(L, &search);
  scan_space(in);
  bool ok = in->at < in->end && *in->at == '{' ? search_value(L, &search, (1u << count) - 1, 0, 0) : scan_fail(in, "expected an object");
  return orchlua_reader_outcome(L, &search.reader, ok) == 1 ? count + 1 : 3;
}
