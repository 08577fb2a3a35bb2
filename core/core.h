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

/* Openers: each pushes its module's table. */
int orchlua_open_value(lua_State *L);
int orchlua_open_json(lua_State *L);
int orchlua_open_digest(lua_State *L);
int orchlua_open_loop(lua_State *L);
int orchlua_open_terminal(lua_State *L);

#endif
