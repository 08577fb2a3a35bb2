/* What the files of the core share. Each file is one Lua module of the same
 * shared object: `core/json.c` is `require "orchlua.core".json`. Everything in
 * a file is static but its one opener, declared here. */
#ifndef ORCHLUA_CORE_H
#define ORCHLUA_CORE_H

#include <lua.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stddef.h>

/* The kinds of a value of the language, as `orchlua_kind` tells them. */
enum orchlua_kind {
  KIND_NONE, /* not a value of the language */
  KIND_NULL,
  KIND_BOOLEAN,
  KIND_NUMBER,
  KIND_STRING,
  KIND_ARRAY,
  KIND_OBJECT /* a reply too */
};

/* The kind of the value at `index`. Looks at the metatable alone. */
enum orchlua_kind orchlua_kind(lua_State *L, int index);

/* Marks the table on the top of the stack as an array or an object. */
void orchlua_set_array(lua_State *L);
void orchlua_set_object(lua_State *L);

enum {
  ORCHLUA_DEEPEST = 1000,     /* how deep a value may be nested to be copied or written */
  ORCHLUA_NUMBER_TEXT = 48    /* room for any number's text */
};

/* Writes the number at `index` as JavaScript prints it; a whole one that fits 64 bits
 * exactly, since the reader takes it for an integer. Gives the length, with no zero byte
 * behind it counted. */
size_t orchlua_number_text(lua_State *L, int index, char *out);

/* How many bytes from the start of `s` are valid UTF-8. */
size_t orchlua_valid_utf8(const char *s, size_t size);

/* Pushes the string at `index`, with U+FFFD for whatever is invalid in it. */
void orchlua_push_utf8(lua_State *L, int index);

/* Pushes a string that may be large. The collector's work for it is spread over what comes
 * later, where Lua would do it all at once, and keep everything else waiting. */
void orchlua_push_text(lua_State *L, const char *data, size_t size);

/* Whether the value at `index` is a reply. */
bool orchlua_is_reply(lua_State *L, int index);

/* from_lua(v) -> a value of the language, or nil and a message; `core/convert.c`. */
int orchlua_from_lua(lua_State *L);

/* Pushes the JSON of the value at `index`; with an indent, over several lines.
 * On a fault pushes nothing and gives the message. */
const char *orchlua_push_json(lua_State *L, int index, const char *indent, size_t indent_size);

/* `encode`, `longer` and `find` of the JSON module, as Lua calls them; `core/encode.c`, `core/find.c`. */
int orchlua_json_encode(lua_State *L);
int orchlua_json_longer(lua_State *L);
int orchlua_json_find(lua_State *L);

/* Pushes userdata of so many bytes, all zero, and gives it. It begins with a pointer to a block of malloc's, or NULL;
 * the block is freed when the userdata is collected. */
void *orchlua_new_owner(lua_State *L, size_t size);

/* Openers: each pushes its module's table. */
int orchlua_open_value(lua_State *L);
int orchlua_open_json(lua_State *L);
int orchlua_open_digest(lua_State *L);
int orchlua_open_snapshot(lua_State *L);
int orchlua_open_loop(lua_State *L);
int orchlua_open_terminal(lua_State *L);
int orchlua_open_memory(lua_State *L);

#endif
