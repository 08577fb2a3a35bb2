/* Private to http.c, easy.c and web.c: a request on its way through libcurl. http.c is Lua's side of it, easy.c sets up
 * libcurl's handles, web.c lets libcurl and libuv work together. */
#ifndef ORCHLUA_WEB_H
#define ORCHLUA_WEB_H

#include "curl.h"
#include "loop.h"

/* A request as its options say it. */
struct wish {
  const char *method, *url, *ca_file, *proxy, *body; /* the last three may be NULL */
  size_t body_size, limit, follow;
  long connect_timeout; /* in ms */
  bool compressed;
};

/* What requests to one address, with the same options, have in common, whatever their headers and bodies are. */
struct template {
  struct wish wish; /* without a body and a limit */
  char *texts;      /* what it points to */
  CURLU *url;       /* with no user and no password in it */
  char *user, *password;
  bool is_secure;
  size_t uses; /* by requests and by handles of libcurl's */
  struct template *next;
};

/* One of libcurl's handles, set up as a template says. */
struct easy {
  CURL *curl;
  struct template *template;
};

enum { POOL_SIZE = 256 };

/* Templates in use, and handles kept for further requests. All zero, it is empty. */
struct pool {
  struct template *templates;
  struct easy idle[POOL_SIZE];
  size_t count;
  size_t next; /* whose place is taken when it is full */
};

struct lane;

/* What the coroutine of a request waits for. */
enum want { WANT_HEAD, WANT_PIECE, WANT_WHOLE };

/* How far it is: it is to be started (and `next` and `previous` are, too), it has one of libcurl's handles, it has no more. */
enum state { IS_NEW, WAITS, GOES, ENDED };

struct request {
  struct handle handle;
  enum state state;
  struct template *template;
  struct easy easy;         /* while it goes */
  const char *sent;         /* the body, or NULL; the handle's second user value holds it */
  size_t sent_size;
  struct curl_slist *lines; /* the headers that are sent */
  struct buffer head;       /* the header block that came last, as it came */
  struct buffer body;       /* what was not read yet */
  char *answered;           /* the address of the head, with no user in it */
  size_t limit, received;
  int status;
  enum want want;
  bool has_head;
  bool follows;  /* redirects: a head may not be the last */
  bool is_whole; /* all of the body is wanted at once: no pausing */
  bool paused;
  bool is_over; /* libcurl has said so */
  bool over_limit;
  bool head_too_large;
  bool no_memory; /* for what came */
  int no_socket; /* why there was none for the connection, or 0 */
  CURLcode code;
  struct lane *lane; /* where it was started */
  struct request *next, *previous;
  char host[256]; /* that it failed with, `name:port` */
  char detail[CURL_ERROR_SIZE];
};

/* easy.c --------------------------------------------------------------------- */

/* Finds or makes the template of a request; NULL, or why that cannot be. */
const char *orchlua_take_template(struct pool *pool, struct request *request, const struct wish *wish);
void orchlua_leave_template(struct pool *pool, struct request *request);

/* Gives the request a handle, out of the pool or a new one. False when there is no memory. */
bool orchlua_take_easy(struct pool *pool, struct request *request);

/* Takes the request's handle from it, and keeps it; one whose transfer did not end well is freed. */
void orchlua_give_easy(struct pool *pool, struct request *request, bool is_sound);

/* Frees what is kept. No request has anything of the pool any more. */
void orchlua_clear_pool(struct pool *pool);

/* web.c ---------------------------------------------------------------------- */

/* The handles kept in a loop, whose web is made when it is first needed; NULL when there is no memory. */
struct pool *orchlua_web_pool(struct loop *loop);

/* Starts a request that has a template, in one of the next turns. */
void orchlua_web_start(struct request *request);

/* Ends a request, wherever it is; what is not done is aborted. */
void orchlua_web_end(struct request *request);

/* http.c --------------------------------------------------------------------- */

/* The transfer is over, and its handle still there: the whole answer has come, or `code` says why not. */
void orchlua_request_over(struct request *request, CURLcode code);

/* Whoever waits for the request goes on. */
void orchlua_request_wake(struct request *request, enum want most);

/* libcurl's callbacks, with the request as their data. */
size_t orchlua_on_header(char *line, size_t unit, size_t count, void *data);
size_t orchlua_on_body(char *piece, size_t unit, size_t count, void *data);

#endif
