/* Private to the files of the database: database.c (the handle, and what is asked
 * at once), batch.c (what is written, and its thread), log.c (where it is written),
 * merge.c (an SQL function). */
#ifndef ORCHLUA_DATABASE_H
#define ORCHLUA_DATABASE_H

#include "loop.h"

#include <sqlite3.h>

/* What is to be written, or what came of it: packed in one piece of memory, so that
 * a thread that knows nothing of Lua can work on it. */
struct batch {
  struct buffer operations; /* of `struct operation`, each with its arguments behind it */
  struct buffer answers;    /* rows that were asked for, and guards that refused */
  size_t count;             /* operations */
  char message[256];        /* why nothing of it was stored; empty when all was */
  int code;                 /* and SQLite's number for it */
  double seconds;           /* that its transaction took */
};

/* A statement of batches, by number; prepared on the writer when first needed. */
struct statement {
  char *sql;
  sqlite3_stmt *prepared;
};

/* The writer: a connection of its own, used by one thread at a time. */
struct writer {
  sqlite3 *connection;
  struct statement *statements;
  size_t count;
  bool growing;            /* its log is made longer ahead */
  int frames;              /* in the log when this writer last wrote to it */
  sqlite3_int64 log_bytes; /* that were in the log's file when that was last asked */
};

/* Prepares what has been declared so far. What ends a transaction is prepared before the first one
 * begins, since there may be no memory for it when it is needed. */
int orchlua_prepare_all(struct writer *writer);

/* Has the log of a writer be made longer ahead from now on; the writer stays where it is. */
void orchlua_grow_log(struct writer *writer);

/* Makes the log longer if its end is near. Inside a transaction that writes, so that nobody else writes to it. */
void orchlua_log_ahead(struct writer *writer);

/* Does all of a batch in one transaction, or nothing of it and says why. */
void orchlua_run_batch(struct writer *writer, struct batch *batch);

/* Packs an operation: statement `number`, with the Lua values from `first` to the top
 * of the stack. A guard gives or changes a row, or what follows up to the next is left out.
 * With `tag` 0 its rows are not wanted. Raises on a value that SQLite has not. */
void orchlua_add_operation(lua_State *L, struct batch *batch, size_t number, lua_Integer tag, bool guard, int first);

/* Pushes the answers as a list of rows `{tag, value…}`; a guard's refusal is `{tag}`. */
void orchlua_push_answers(lua_State *L, const struct batch *batch);

void orchlua_empty_batch(struct batch *batch);

/* Gives a connection the function `merge`. */
int orchlua_add_merge(sqlite3 *connection);

#endif
