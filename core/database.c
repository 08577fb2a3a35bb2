/* SQLite for the store: `loop:database { path = … }`. Two connections: one of the
 * loop's thread, for what is asked and answered at once; and the writer, for batches
 * that are committed on a thread of their own (`commit_later`), or here (`commit`)
 * when there is nothing else to do meanwhile. SQL and schema are the caller's. */
#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MILLISECONDS = 30000 }; /* for another process that writes */

static const char call_back_key; /* among a database's statements: what a batch that comes back calls */

struct database {
  struct handle handle;
  sqlite3 *reader;
  struct writer writer;
  struct batch gathering, committing;
  uv_async_t *done;   /* tells the loop that a batch has been committed; NULL before the thread */
  uv_thread_t thread;
  uv_mutex_t mutex;   /* over `work` and `quit` */
  uv_cond_t changed;
  bool work, quit;    /* what the thread is told */
  bool busy;          /* a batch is with the thread */
};

static struct database *check_open(lua_State *L)
{
  struct database *database = orchlua_check_handle(L);
  if (!database->handle.open) luaL_error(L, "the store is closed");
  return database;
}

static int store_failure(lua_State *L, int code, const char *message)
{
  orchlua_failure(L, "store", "%s", message);
  lua_pushinteger(L, code & 0xff);
  lua_setfield(L, -2, "code");
  return 2;
}

/* What is asked at once ---------------------------------------------------------------- */

/* Binds the Lua value at `index`; gives SQLite's code, SQLITE_MISMATCH for a kind that it has not. */
static int bind_value(lua_State *L, sqlite3_stmt *statement, int place, int index)
{
  size_t size;
  const char *text;
  switch (lua_type(L, index)) {
  case LUA_TNONE:
  case LUA_TNIL: return sqlite3_bind_null(statement, place);
  case LUA_TBOOLEAN: return sqlite3_bind_int(statement, place, lua_toboolean(L, index));
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) return sqlite3_bind_int64(statement, place, lua_tointeger(L, index));
    return sqlite3_bind_double(statement, place, lua_tonumber(L, index));
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &size);
    return sqlite3_bind_text64(statement, place, text, size, SQLITE_STATIC, SQLITE_UTF8);
  default: return SQLITE_MISMATCH;
  }
}

/* The prepared statement of the text at index 2: kept for the next time. */
static sqlite3_stmt *prepared(lua_State *L, struct database *database)
{
  lua_getiuservalue(L, 1, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TLIGHTUSERDATA) {
    sqlite3_stmt *known = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return known;
  }
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v3(database->reader, luaL_checkstring(L, 2), -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) return NULL;
  lua_pop(L, 1);
  lua_pushvalue(L, 2);
  lua_pushlightuserdata(L, statement);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return statement;
}

static void push_column(lua_State *L, sqlite3_stmt *statement, int column)
{
  switch (sqlite3_column_type(statement, column)) {
  case SQLITE_INTEGER: lua_pushinteger(L, sqlite3_column_int64(statement, column)); break;
  case SQLITE_FLOAT: lua_pushnumber(L, sqlite3_column_double(statement, column)); break;
  case SQLITE_NULL: lua_pushnil(L); break;
  default: {
    const char *bytes = sqlite3_column_blob(statement, column);
    lua_pushlstring(L, bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
  }
  }
}

/* Steps through the statement at index 1; gives a list of its rows, each a table by the columns'
 * names, and SQLite's last code. */
static int collect(lua_State *L)
{
  sqlite3_stmt *statement = lua_touserdata(L, 1);
  int code;
  lua_newtable(L);
  for (lua_Integer i = 1; (code = sqlite3_step(statement)) == SQLITE_ROW; i++) {
    int columns = sqlite3_column_count(statement);
    lua_createtable(L, 0, columns);
    for (int column = 0; column < columns; column++) {
      const char *name = sqlite3_column_name(statement, column);
      if (name == NULL) return luaL_error(L, "not enough memory");
      push_column(L, statement, column);
      lua_setfield(L, -2, name);
    }
    lua_rawseti(L, -2, i);
  }
  lua_pushinteger(L, code);
  return 2;
}

/* Binds what lies from index 3 on; gives the place of the first that cannot be bound, or 0. */
static int bind_all(lua_State *L, sqlite3_stmt *statement, int *code)
{
  int last = lua_gettop(L);
  for (int index = 3; index <= last; index++)
    if ((*code = bind_value(L, statement, index - 2, index)) != SQLITE_OK) return index - 2;
  return 0;
}

/* Lets go of the arguments, which lie in Lua's strings, and ends the transaction of a reader. */
static void reset(sqlite3_stmt *statement)
{
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

/* database:query(sql, ...) -> rows, or nil and an error. Waits for the disk. */
static int database_query(lua_State *L)
{
  struct database *database = check_open(L);
  int code = SQLITE_OK;
  luaL_checkstring(L, 2);
  sqlite3_stmt *statement = prepared(L, database);
  if (statement == NULL) return store_failure(L, sqlite3_extended_errcode(database->reader), sqlite3_errmsg(database->reader));
  int place = bind_all(L, statement, &code);
  if (place != 0) {
    reset(statement);
    if (code == SQLITE_NOMEM) return store_failure(L, code, sqlite3_errstr(code));
    return luaL_error(L, "argument %d cannot be bound: %s", place, luaL_typename(L, place + 2));
  }
  lua_pushcfunction(L, collect);
  lua_pushlightuserdata(L, statement);
  int status = lua_pcall(L, 1, 2, 0);
  code = status == LUA_OK ? (int)lua_tointeger(L, -1) : SQLITE_DONE;
  char message[256];
  snprintf(message, sizeof message, "%s", sqlite3_errmsg(database->reader));
  reset(statement);
  if (status != LUA_OK) return lua_error(L);
  if (code != SQLITE_DONE) return store_failure(L, code, message);
  lua_pop(L, 1);
  return 1;
}

/* database:execute(sql) -> true, or nil and an error: several statements, no rows. */
static int database_execute(lua_State *L)
{
  struct database *database = check_open(L);
  int code = sqlite3_exec(database->reader, luaL_checkstring(L, 2), NULL, NULL, NULL);
  if (code != SQLITE_OK) {
    store_failure(L, code, sqlite3_errmsg(database->reader));
    if (!sqlite3_get_autocommit(database->reader)) sqlite3_exec(database->reader, "ROLLBACK", NULL, NULL, NULL);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* Batches ---------------------------------------------------------------------------------- */

static size_t declare(lua_State *L, struct writer *writer, const char *sql)
{
  struct statement *statements = realloc(writer->statements, (writer->count + 1) * sizeof *statements);
  if (statements == NULL) luaL_error(L, "not enough memory");
  writer->statements = statements;
  char *copy = strdup(sql);
  if (copy == NULL) luaL_error(L, "not enough memory");
  statements[writer->count] = (struct statement) { copy, NULL };
  return writer->count++;
}

/* database:statement(sql) -> its number for `add` and `guard`. Not while a batch is committed. */
static int database_statement(lua_State *L)
{
  struct database *database = check_open(L);
  if (database->busy) return luaL_error(L, "statements are declared before batches are committed");
  lua_pushinteger(L, (lua_Integer)declare(L, &database->writer, luaL_checkstring(L, 2)));
  return 1;
}

static int add(lua_State *L, bool guard)
{
  struct database *database = check_open(L);
  lua_Integer number = luaL_checkinteger(L, 2);
  luaL_argcheck(L, number >= 0 && (size_t)number < database->writer.count, 2, "no such statement");
  lua_Integer tag = luaL_checkinteger(L, 3);
  orchlua_add_operation(L, &database->gathering, (size_t)number, tag, guard, 4);
  return 0;
}

/* database:add(statement, tag, ...): puts a statement into the batch. Its rows are
 * answers when the tag is not 0. */
static int database_add(lua_State *L) { return add(L, false); }

/* database:guard(statement, tag, ...): what follows, up to the next guard, is only done
 * when this statement gives a row, or changes one. */
static int database_guard(lua_State *L) { return add(L, true); }

/* database:pending() -> how many operations wait to be committed, and in how many bytes. */
static int database_pending(lua_State *L)
{
  struct database *database = check_open(L);
  lua_pushinteger(L, (lua_Integer)database->gathering.count);
  lua_pushinteger(L, (lua_Integer)database->gathering.operations.size);
  return 2;
}

/* database:truncate(count, bytes): takes back what was added since `pending` gave these. */
static int database_truncate(lua_State *L)
{
  struct database *database = check_open(L);
  lua_Integer count = luaL_checkinteger(L, 2), size = luaL_checkinteger(L, 3);
  struct batch *batch = &database->gathering;
  luaL_argcheck(L, count >= 0 && (size_t)count <= batch->count, 2, "no such operation");
  luaL_argcheck(L, size >= 0 && (size_t)size <= batch->operations.size, 3, "no such place");
  batch->count = (size_t)count;
  batch->operations.size = (size_t)size;
  return 0;
}

/* It is done, whether there is memory to say so or not: nothing of it may be done again. */
static int push_outcome(lua_State *L, struct batch *batch)
{
  batch->operations.size = batch->count = 0;
  if (batch->code != SQLITE_OK) store_failure(L, batch->code, batch->message);
  else orchlua_push_answers(L, batch), lua_pushnil(L);
  lua_pushnumber(L, batch->seconds);
  orchlua_empty_batch(batch);
  return 3;
}

/* database:commit() -> answers, or nil and an error; then the seconds that it took. Waits for the disk. */
static int database_commit(lua_State *L)
{
  struct database *database = check_open(L);
  if (database->busy) return luaL_error(L, "a batch is being committed");
  orchlua_run_batch(&database->writer, &database->gathering);
  return push_outcome(L, &database->gathering);
}

/* The thread: commits what it is given, until it is told to quit. */
static void work(void *argument)
{
  struct database *database = argument;
  uv_mutex_lock(&database->mutex);
  for (;;) {
    while (!database->work && !database->quit) uv_cond_wait(&database->changed, &database->mutex);
    if (!database->work) break;
    uv_mutex_unlock(&database->mutex);
    orchlua_run_batch(&database->writer, &database->committing);
    uv_mutex_lock(&database->mutex);
    database->work = false;
    uv_cond_signal(&database->changed);
    uv_async_send(database->done);
  }
  uv_mutex_unlock(&database->mutex);
}

static void on_done(uv_async_t *done)
{
  struct database *database = done->data;
  if (database == NULL || !database->busy) return;
  uv_mutex_lock(&database->mutex);
  bool finished = !database->work;
  uv_mutex_unlock(&database->mutex);
  if (finished) orchlua_ready(&database->handle);
}

static int start_thread(struct database *database)
{
  uv_async_t *done = malloc(sizeof *done);
  if (done == NULL) return UV_ENOMEM;
  int code = uv_async_init(&database->handle.loop->uv, done, on_done);
  if (code != 0) {
    free(done);
    return code;
  }
  done->data = database;
  uv_unref((uv_handle_t *)done);
  database->done = done;
  if ((code = uv_mutex_init(&database->mutex)) != 0) goto no_mutex;
  if ((code = uv_cond_init(&database->changed)) != 0) goto no_condition;
  if ((code = uv_thread_create(&database->thread, work, database)) != 0) goto no_thread;
  return 0;
no_thread:
  uv_cond_destroy(&database->changed);
no_condition:
  uv_mutex_destroy(&database->mutex);
no_mutex:
  database->done = NULL;
  uv_close((uv_handle_t *)done, (uv_close_cb)free);
  return code;
}

/* Called inside a turn: calls back with the outcome. Made when the batch goes to the thread,
 * since nothing may be raised, nor memory be asked for, when it comes back. */
static int call_back(lua_State *L)
{
  struct database *database = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  int results = push_outcome(L, &database->committing);
  lua_call(L, results, 0);
  return 0;
}

/* database:commit_later(callback): gives the batch to the thread. When it is done, a turn
 * of the loop calls `callback(answers, error, seconds)` with what `commit` gives. */
static int database_commit_later(lua_State *L)
{
  struct database *database = check_open(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (database->busy) return luaL_error(L, "a batch is being committed");
  if (database->done == NULL) {
    int code = start_thread(database);
    if (code != 0) return luaL_error(L, "cannot start the store's thread: %s", uv_strerror(code));
  }
  lua_getiuservalue(L, 1, 2);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, call_back, 2);
  lua_rawsetp(L, -2, &call_back_key);
  lua_pop(L, 1);
  orchlua_hold(L, 1); /* while the batch is with the thread */
  struct batch emptied = database->committing;
  database->committing = database->gathering;
  database->gathering = emptied;
  database->busy = true;
  uv_ref((uv_handle_t *)database->done);
  uv_mutex_lock(&database->mutex);
  database->work = true;
  uv_cond_signal(&database->changed);
  uv_mutex_unlock(&database->mutex);
  return 0;
}

/* The batch that was with the thread is back: pushes the database, and what was to be called back, which is
 * held no more. The anchors are at the index `anchors`. */
static void take_back(lua_State *L, struct database *database, int anchors)
{
  database->busy = false;
  uv_unref((uv_handle_t *)database->done);
  orchlua_let_go(L, &database->handle, anchors);
  lua_getiuservalue(L, -1, 2);
  lua_rawgetp(L, -1, &call_back_key);
  lua_pushnil(L);
  lua_rawsetp(L, -3, &call_back_key);
  lua_remove(L, -2);
}

static void database_call(lua_State *L, struct handle *handle)
{
  struct database *database = (struct database *)handle;
  int top = lua_gettop(L);
  if (!database->busy) return;
  take_back(L, database, 2);
  orchlua_call(L);
  lua_settop(L, top);
}

/* database:settle() -> what `commit` gives, of the batch that is with the thread: waits for it, and nobody is
 * called back. */
static int database_settle(lua_State *L)
{
  struct database *database = check_open(L);
  if (!database->busy) return luaL_error(L, "no batch is being committed");
  uv_mutex_lock(&database->mutex);
  while (database->work) uv_cond_wait(&database->changed, &database->mutex);
  uv_mutex_unlock(&database->mutex);
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, 1);
  take_back(L, database, lua_gettop(L));
  return push_outcome(L, &database->committing);
}

/* Opening and closing -------------------------------------------------------------------------- */

static void stop_thread(struct database *database)
{
  if (database->done == NULL) return;
  uv_mutex_lock(&database->mutex);
  database->quit = true;
  uv_cond_signal(&database->changed);
  uv_mutex_unlock(&database->mutex);
  uv_thread_join(&database->thread);
  uv_cond_destroy(&database->changed);
  uv_mutex_destroy(&database->mutex);
  database->done->data = NULL;
  uv_close((uv_handle_t *)database->done, (uv_close_cb)free);
  database->done = NULL;
}

static void release_writer(struct writer *writer)
{
  for (size_t i = 0; i < writer->count; i++) {
    sqlite3_finalize(writer->statements[i].prepared);
    free(writer->statements[i].sql);
  }
  free(writer->statements);
  sqlite3_close_v2(writer->connection);
  *writer = (struct writer) { 0 };
}

static void release_batch(struct batch *batch)
{
  orchlua_release(&batch->operations);
  orchlua_release(&batch->answers);
}

/* A batch that is with the thread is committed first. */
static void database_end(struct handle *handle)
{
  struct database *database = (struct database *)handle;
  stop_thread(database);
  release_writer(&database->writer);
  for (sqlite3_stmt *statement; database->reader != NULL && (statement = sqlite3_next_stmt(database->reader, NULL)) != NULL;)
    sqlite3_finalize(statement);
  sqlite3_close_v2(database->reader);
  database->reader = NULL;
  release_batch(&database->gathering);
  release_batch(&database->committing);
}

static int open_connection(const char *path, sqlite3 **connection)
{
  int code = sqlite3_open_v2(path, connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (code != SQLITE_OK) return code;
  sqlite3_extended_result_codes(*connection, 1);
  sqlite3_busy_timeout(*connection, PATIENCE_MILLISECONDS);
  return orchlua_add_merge(*connection);
}

/* Makes the file where there is none, for its owner alone; its journal files follow it. */
static bool make_file(const char *path)
{
  int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return errno == EEXIST;
  close(file);
  return true;
}

/* loop:database { path =, log_ahead = } -> a database, or nil and an error. With `log_ahead` what is
 * written waits less for the disk, which holds a few megabytes more meanwhile. */
int orchlua_loop_database(lua_State *L)
{
  orchlua_check_loop(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *path = orchlua_option_text(L, "path", NULL);
  if (path == NULL) return luaL_error(L, "database: expected a path");
  bool log_ahead = orchlua_option_flag(L, "log_ahead");
  struct database *database = orchlua_new_handle(L, &orchlua_database, sizeof *database);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 2);
  if (!make_file(path)) {
    int number = errno;
    orchlua_discard(L);
    return store_failure(L, SQLITE_CANTOPEN, strerror(number));
  }
  int code = open_connection(path, &database->reader);
  if (code == SQLITE_OK) code = open_connection(path, &database->writer.connection);
  if (code != SQLITE_OK) {
    orchlua_discard(L);
    return store_failure(L, code, sqlite3_errstr(code));
  }
  declare(L, &database->writer, "BEGIN IMMEDIATE");
  declare(L, &database->writer, "COMMIT");
  declare(L, &database->writer, "ROLLBACK");
  if (log_ahead) orchlua_grow_log(&database->writer);
  code = orchlua_prepare_all(&database->writer);
  if (code == SQLITE_OK) return 1;
  orchlua_discard(L);
  return store_failure(L, code, sqlite3_errstr(code));
}

/* database:set_writer(sql): for the writer's own settings, before the first batch. */
static int database_set_writer(lua_State *L)
{
  struct database *database = check_open(L);
  if (database->busy) return luaL_error(L, "a batch is being committed");
  int code = sqlite3_exec(database->writer.connection, luaL_checkstring(L, 2), NULL, NULL, NULL);
  if (code != SQLITE_OK) return store_failure(L, code, sqlite3_errmsg(database->writer.connection));
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {
  { "query", database_query }, { "execute", database_execute }, { "set_writer", database_set_writer }, { "statement", database_statement },
  { "add", database_add }, { "guard", database_guard }, { "pending", database_pending }, { "truncate", database_truncate },
  { "commit", database_commit }, { "commit_later", database_commit_later }, { "settle", database_settle }, { NULL, NULL }
};

const struct kind orchlua_database = { "orchlua.database", methods, database_end, database_call };
