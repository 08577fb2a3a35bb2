/* Batches: what many runs have to write, gathered by the loop's thread and done in
 * one transaction, by whichever thread the database gives them to. The part that
 * works on the writer knows nothing of Lua. */
#include "database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum value_type { VALUE_NULL, VALUE_INTEGER, VALUE_DOUBLE, VALUE_TEXT };

struct operation {
  size_t number; /* of the statement */
  lua_Integer tag;
  size_t size;   /* of the arguments behind it, in bytes */
  int arguments;
  bool guard;
};

/* A value in a buffer: this, and behind it the bytes of a text. */
struct packed {
  enum value_type type;
  union {
    sqlite3_int64 integer;
    double number;
    size_t size;
  } as;
};

struct answer {
  lua_Integer tag;
  int values; /* -1: a guard's refusal */
};

/* Packing ------------------------------------------------------------------------ */

static bool pack_value(struct buffer *buffer, struct packed value, const void *text)
{
  return orchlua_append(buffer, &value, sizeof value) && (value.type != VALUE_TEXT || orchlua_append(buffer, text, value.as.size));
}

/* The bytes that the Lua value at `index` takes; raises for a kind that the store has not. */
static size_t room_for(lua_State *L, int index)
{
  switch (lua_type(L, index)) {
  case LUA_TNIL:
  case LUA_TBOOLEAN:
  case LUA_TNUMBER: return sizeof(struct packed);
  case LUA_TSTRING: return sizeof(struct packed) + (size_t)lua_rawlen(L, index);
  default: return (size_t)luaL_error(L, "the store cannot hold a %s", luaL_typename(L, index));
  }
}

static struct packed lua_value(lua_State *L, int index, const char **text)
{
  struct packed value = { .type = VALUE_NULL };
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN: value.type = VALUE_INTEGER, value.as.integer = lua_toboolean(L, index); break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) value.type = VALUE_INTEGER, value.as.integer = lua_tointeger(L, index);
    else value.type = VALUE_DOUBLE, value.as.number = lua_tonumber(L, index);
    break;
  case LUA_TSTRING: value.type = VALUE_TEXT, *text = lua_tolstring(L, index, &value.as.size); break;
  default: break;
  }
  return value;
}

/* Packs the Lua value at `index` where there is room. */
static char *put_value(lua_State *L, int index, char *at)
{
  const char *text = NULL;
  struct packed value = lua_value(L, index, &text);
  memcpy(at, &value, sizeof value);
  at += sizeof value;
  if (value.type != VALUE_TEXT) return at;
  memcpy(at, text, value.as.size);
  return at + value.as.size;
}

void orchlua_add_operation(lua_State *L, struct batch *batch, size_t number, lua_Integer tag, bool guard, int first)
{
  struct buffer *buffer = &batch->operations;
  int last = lua_gettop(L);
  while (last >= first && lua_isnil(L, last)) last--; /* what is not bound is NULL */
  struct operation operation = { .number = number, .tag = tag, .guard = guard, .arguments = last - first + 1 };
  for (int i = first; i <= last; i++) operation.size += room_for(L, i);
  if (!orchlua_reserve(buffer, sizeof operation + operation.size)) luaL_error(L, "not enough memory");
  char *at = buffer->data + buffer->size;
  memcpy(at, &operation, sizeof operation);
  at += sizeof operation;
  for (int i = first; i <= last; i++) at = put_value(L, i, at);
  buffer->size += sizeof operation + operation.size;
  batch->count++;
}

void orchlua_empty_batch(struct batch *batch)
{
  batch->operations.size = batch->answers.size = 0;
  batch->count = 0;
  batch->code = SQLITE_OK;
  batch->message[0] = '\0';
}

/* The transaction ------------------------------------------------------------------ */

static int failed(struct writer *writer, struct batch *batch, int code)
{
  batch->code = code;
  const char *message = writer->connection != NULL ? sqlite3_errmsg(writer->connection) : sqlite3_errstr(code);
  snprintf(batch->message, sizeof batch->message, "%s", message);
  return code;
}

static int prepare(struct writer *writer, struct statement *statement)
{
  if (statement->prepared != NULL) return SQLITE_OK;
  return sqlite3_prepare_v3(writer->connection, statement->sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->prepared, NULL);
}

int orchlua_prepare_all(struct writer *writer)
{
  int code = SQLITE_OK;
  for (size_t i = 0; i < writer->count && code == SQLITE_OK; i++) code = prepare(writer, &writer->statements[i]);
  return code;
}

/* Binds the values at `at`, whose texts stay where they are until the batch is done. */
static int bind_packed(sqlite3_stmt *statement, int count, const char *at)
{
  int code = SQLITE_OK;
  for (int place = 1; place <= count && code == SQLITE_OK; place++) {
    struct packed value;
    memcpy(&value, at, sizeof value);
    at += sizeof value;
    switch (value.type) {
    case VALUE_NULL: code = sqlite3_bind_null(statement, place); break;
    case VALUE_INTEGER: code = sqlite3_bind_int64(statement, place, value.as.integer); break;
    case VALUE_DOUBLE: code = sqlite3_bind_double(statement, place, value.as.number); break;
    case VALUE_TEXT:
      code = sqlite3_bind_text64(statement, place, at, value.as.size, SQLITE_STATIC, SQLITE_UTF8);
      at += value.as.size;
      break;
    }
  }
  return code;
}

static bool pack_column(struct buffer *buffer, sqlite3_stmt *statement, int column)
{
  struct packed value = { .type = VALUE_NULL };
  const void *text = NULL;
  switch (sqlite3_column_type(statement, column)) {
  case SQLITE_INTEGER: value.type = VALUE_INTEGER, value.as.integer = sqlite3_column_int64(statement, column); break;
  case SQLITE_FLOAT: value.type = VALUE_DOUBLE, value.as.number = sqlite3_column_double(statement, column); break;
  case SQLITE_NULL: break;
  default:
    text = sqlite3_column_blob(statement, column);
    value.type = VALUE_TEXT, value.as.size = (size_t)sqlite3_column_bytes(statement, column);
  }
  return pack_value(buffer, value, text);
}

static bool pack_answer(struct batch *batch, struct answer answer, sqlite3_stmt *statement)
{
  bool packed = orchlua_append(&batch->answers, &answer, sizeof answer);
  for (int i = 0; packed && i < answer.values; i++) packed = pack_column(&batch->answers, statement, i);
  return packed;
}

/* Steps through a bound statement; tells whether it gave a row, or, a guard that writes, changed one. */
static int step(struct batch *batch, const struct operation *operation, sqlite3_stmt *statement, bool *gave)
{
  int code;
  *gave = false;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    *gave = true;
    struct answer answer = { operation->tag, sqlite3_column_count(statement) };
    if (operation->tag != 0 && !operation->guard && !pack_answer(batch, answer, statement)) return SQLITE_NOMEM;
  }
  if (operation->guard && !sqlite3_stmt_readonly(statement)) *gave = sqlite3_changes(sqlite3_db_handle(statement)) > 0;
  if (operation->guard && !*gave && code == SQLITE_DONE) {
    struct answer refusal = { operation->tag, -1 };
    if (!pack_answer(batch, refusal, NULL)) return SQLITE_NOMEM;
  }
  return code;
}

static int run_operation(struct writer *writer, struct batch *batch, const struct operation *operation, const char *arguments, bool *gave)
{
  struct statement *statement = &writer->statements[operation->number];
  int code = prepare(writer, statement);
  if (code != SQLITE_OK) return failed(writer, batch, code);
  code = bind_packed(statement->prepared, operation->arguments, arguments);
  if (code == SQLITE_OK) code = step(batch, operation, statement->prepared, gave);
  if (code != SQLITE_DONE) failed(writer, batch, code);
  sqlite3_reset(statement->prepared);
  sqlite3_clear_bindings(statement->prepared);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run_operations(struct writer *writer, struct batch *batch)
{
  const char *at = batch->operations.data, *end = at + batch->operations.size;
  bool passing = true;
  while (at < end) {
    struct operation operation;
    bool gave = false;
    memcpy(&operation, at, sizeof operation);
    at += sizeof operation;
    if (passing || operation.guard) {
      int code = run_operation(writer, batch, &operation, at, &gave);
      if (code != SQLITE_OK) return code;
      if (operation.guard) passing = gave;
    }
    at += operation.size;
  }
  return SQLITE_OK;
}

static int command(struct writer *writer, struct batch *batch, size_t number)
{
  struct operation operation = { .number = number };
  bool gave;
  return run_operation(writer, batch, &operation, NULL, &gave);
}

/* The first three statements are BEGIN, COMMIT and ROLLBACK; `database.c` puts them there. */
static void transact(struct writer *writer, struct batch *batch)
{
  if (command(writer, batch, 0) != SQLITE_OK) return;
  if (run_operations(writer, batch) == SQLITE_OK) {
    orchlua_log_ahead(writer);
    if (command(writer, batch, 1) == SQLITE_OK) return;
  }
  batch->answers.size = 0;
  if (!sqlite3_get_autocommit(writer->connection)) {
    struct batch ignored = { 0 };
    command(writer, &ignored, 2);
  }
}

void orchlua_run_batch(struct writer *writer, struct batch *batch)
{
  uint64_t from = uv_hrtime();
  batch->answers.size = 0;
  batch->code = SQLITE_OK;
  transact(writer, batch);
  batch->seconds = (double)(uv_hrtime() - from) / 1e9;
}

/* Answers --------------------------------------------------------------------------- */

static const char *push_packed(lua_State *L, const char *at)
{
  struct packed value;
  memcpy(&value, at, sizeof value);
  at += sizeof value;
  switch (value.type) {
  case VALUE_NULL: lua_pushnil(L); return at;
  case VALUE_INTEGER: lua_pushinteger(L, value.as.integer); return at;
  case VALUE_DOUBLE: lua_pushnumber(L, value.as.number); return at;
  case VALUE_TEXT: lua_pushlstring(L, at, value.as.size); return at + value.as.size;
  }
  return at;
}

void orchlua_push_answers(lua_State *L, const struct batch *batch)
{
  lua_newtable(L);
  const char *at = batch->answers.data, *end = at + batch->answers.size;
  for (lua_Integer i = 1; at < end; i++) {
    struct answer answer;
    memcpy(&answer, at, sizeof answer);
    at += sizeof answer;
    lua_createtable(L, answer.values + 1, 0);
    lua_pushinteger(L, answer.tag);
    lua_rawseti(L, -2, 1);
    for (int column = 0; column < answer.values; column++) {
      at = push_packed(L, at);
      lua_rawseti(L, -2, column + 2);
    }
    lua_rawseti(L, -2, i);
  }
}
