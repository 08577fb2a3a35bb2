/* How an answer of HTTP/1.1 lies in the bytes of a connection (RFC 9112): its lines, its body and its end.
 * Nothing here knows of sockets, requests or Lua. */
#ifndef ORCHLUA_ANSWER_H
#define ORCHLUA_ANSWER_H

#include "buffer.h"

#include <stdint.h>

/* What comes next in the bytes. */
enum answer_event {
  ANSWER_MORE,  /* nothing: all that was given has been read, and it goes on */
  ANSWER_LINE,  /* a line of a head with its line end: the status, a header, or the empty one behind them */
  ANSWER_BODY,  /* a piece of the body */
  ANSWER_END,   /* the answer is whole; bytes that are left are not its own */
  ANSWER_BROKEN /* it is none, or a broken one: `problem` says why */
};

struct bytes {
  const char *data;
  size_t size;
};

/* An answer that is being read. */
struct answer {
  enum {
    AT_STATUS, AT_HEADER, AT_CHUNK_SIZE, IN_CHUNK, BEHIND_CHUNK, AT_TRAILER, IN_BODY, IN_OPEN_BODY, AT_END
  } place;
  bool to_head;   /* of a request for a head: without a body, whatever it says */
  bool is_old;    /* of HTTP/1.0 */
  bool keeps;     /* its connection can be used for the next request */
  bool closes;    /* it says that it cannot */
  bool frames;    /* the header before says how the end of the body is found, or what becomes of the connection */
  bool is_chunked;
  bool has_length;
  bool line_is_done; /* the one in `line` was handed out */
  int status;
  uint64_t left;  /* bytes of the body, or of the chunk */
  size_t lines;   /* bytes of heads and trailers so far */
  struct buffer line; /* one that began in bytes given before */
  const char *problem;
};

/* Begins an answer; `answer` is all zero, or was freed. */
void orchlua_answer_begin(struct answer *answer, bool to_head);

/* Reads on: takes bytes from the front of `given`; a line or a piece is left in `found`, to be used before the next call. */
enum answer_event orchlua_answer_read(struct answer *answer, struct bytes *given, struct bytes *found);

/* The server has closed the connection: what that means for the answer, ANSWER_END or ANSWER_BROKEN. */
enum answer_event orchlua_answer_close(struct answer *answer);

/* Frees what an answer has; it can be begun again. */
void orchlua_answer_free(struct answer *answer);

/* The status of a status line, 100 to 999; 0 when it is none of HTTP. */
int orchlua_answer_status(struct bytes line);

#endif
