/* The writer's log, SQLite's WAL, made longer ahead of what is written to it. A commit that
 * makes a file longer waits for the journal of the file system too, about as long again as for
 * its own bytes. So the log grows in large pieces of zeros, which who reads it takes for its
 * end, and most commits write into what is there already. */
#include "database.h"

#include <stdlib.h>

enum {
  FRAME_BYTES = 4096 + 24,   /* a page in the log, in a database of the usual pages */
  CHECKPOINT_FRAMES = 1000,  /* so long a log is copied into the database, and begun again */
  FRAMES_AHEAD = 16,         /* that are there at least; so short a log is left alone, too */
  PIECE_BYTES = 1024 * 1024, /* the longest piece, */
  BLOCK_BYTES = 64 * 1024    /* and what is written of it at once: SQLite takes less than 128 KiB */
};

/* Called when a transaction is in the log, in place of SQLite's own, which does the same with it. */
static int in_log(void *argument, sqlite3 *connection, const char *name, int frames)
{
  struct writer *writer = argument;
  writer->frames = frames;
  if (frames >= CHECKPOINT_FRAMES) sqlite3_wal_checkpoint(connection, name);
  return SQLITE_OK;
}

void orchlua_grow_log(struct writer *writer)
{
  writer->growing = true;
  sqlite3_wal_hook(writer->connection, in_log, writer);
}

/* Whether what is used comes near to the end of a log of so many bytes, with more to come
 * before it is begun again. */
static bool is_short(const struct writer *writer, sqlite3_int64 bytes)
{
  return writer->frames >= FRAMES_AHEAD && writer->frames < CHECKPOINT_FRAMES && bytes < (sqlite3_int64)(writer->frames + FRAMES_AHEAD) * FRAME_BYTES;
}

/* Appends as much again as there is, or a piece. What cannot be written here is told by the commit,
 * which wants to write there next. */
static void append_zeros(struct writer *writer, sqlite3_file *log)
{
  sqlite3_int64 end = writer->log_bytes + (writer->log_bytes < PIECE_BYTES ? writer->log_bytes : PIECE_BYTES);
  void *zeros = calloc(1, BLOCK_BYTES);
  while (zeros != NULL && writer->log_bytes < end) {
    if (log->pMethods->xWrite(log, zeros, BLOCK_BYTES, writer->log_bytes) != SQLITE_OK) break;
    writer->log_bytes += BLOCK_BYTES;
  }
  free(zeros);
}

void orchlua_log_ahead(struct writer *writer)
{
  sqlite3_file *log = NULL;
  if (!writer->growing || !is_short(writer, writer->log_bytes)) return;
  if (sqlite3_file_control(writer->connection, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK) return;
  if (log == NULL || log->pMethods == NULL || log->pMethods->xFileSize(log, &writer->log_bytes) != SQLITE_OK) return;
  if (is_short(writer, writer->log_bytes)) append_zeros(writer, log);
}
