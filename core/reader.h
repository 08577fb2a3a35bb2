/* Reading a JSON text into values, one for `core/find.c` to be had in the middle of a text. */
#ifndef ORCHLUA_READER_H
#define ORCHLUA_READER_H

#include "scan.h"

enum { READER_TEXT = 1, READER_SLICE, READER_ITSELF, READER_LEVELS }; /* on the stack of a reading, below its values */
enum { READER_FIRST_ROOM = 16 };

/* Arrays and objects are read without recursion, so that the reading can pause anywhere
 * between two values: what is open is a list of levels, and their values lie on the Lua
 * stack until a batch of them is moved into the table. */
struct level {
  int base;  /* of the stack; the table, once there is one, is above it */
  int count; /* items or pairs that are in no table yet */
  lua_Integer length;
  bool is_object, has_table;
};

struct reader {
  struct scan in;
  enum { A_VALUE, WHAT_FOLLOWS, THE_END } expected;
  int depth, room, deepest;
  struct level *levels;           /* `first`, or a userdata at READER_LEVELS */
  struct level first[READER_FIRST_ROOM];
};

/* Begins to read the text at READER_TEXT. */
void orchlua_reader_begin(lua_State *L, struct reader *reader);

/* Reads a value, which may have so many levels, and pushes it; false when the text is wrong. */
bool orchlua_reader_value(lua_State *L, struct reader *reader, int deepest);

/* The results of a reading: the value on the top of the stack, or nil, what is wrong, and where (1-based, in bytes). */
int orchlua_reader_outcome(lua_State *L, struct reader *reader, bool ok);

#endif
