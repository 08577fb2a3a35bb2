/* Private to the files of HTTP. http.c is Lua's side of a request; web.c starts requests, a few in a turn, and ends them;
 * template.c is what requests to one address have in common. plain.c sends those that go straight to a server over TCP:
 * target.c says which can, and answer.c reads what comes back; lane.c lets libcurl carry all others (TLS, proxies, names to
 * be looked up), and easy.c sets its handles up. */
#ifndef ORCHLUA_WEB_H
#define ORCHLUA_WEB_H

#include "answer.h"
#include "curl.h"
#include "loop.h"

/* A request as its options say it. */
struct wish {
  const char *method, *url, *ca_file, *body; /* the last two may be NULL */
  size_t body_size, limit;
  uint64_t connect_timeout; /* in ms */
  bool is_special; /* it has a header that only libcurl knows how to send with */
};

struct server;

/* What requests to one address, with the same options, have in common, whatever their headers and bodies are. */
struct template {
  struct wish wish; /* without a body and a limit */
  char *texts;      /* what it points to */
  struct server *server; /* asked straight; NULL: through libcurl */
  char *start;      /* of what is sent straight: the request line and the header `Host` */
  CURLU *url;       /* for libcurl, with no user and no password in it */
  char *address;    /* the same as text */
  char *user, *password;
  bool is_secure;
  size_t uses; /* by requests, by the kept ones, by handles of libcurl's */
  struct template *next;
};

/* What one of libcurl's handles leaves about a failure. */
struct trouble {
  int no_socket; /* why there was none for the connection, or 0 */
  char detail[CURL_ERROR_SIZE];
};

/* One of libcurl's handles, set up as a template says. */
struct easy {
  CURL *curl;
  struct template *template;
  struct trouble *trouble;
};

enum { EASY_KEPT = 256, TEMPLATES_KEPT = 16 };

/* Templates in use, and handles kept for further requests. All zero, it is empty. */
struct pool {
  struct template *templates;
  struct template *kept[TEMPLATES_KEPT]; /* those made last */
  size_t oldest;                         /* of them */
  struct easy idle[EASY_KEPT];
  size_t count;
  size_t next; /* whose place is taken when it is full */
};

struct lane;
struct connection;

/* What HTTP has in one loop. */
struct web {
  struct loop *loop;
  uv_idle_t *starter; /* once in a turn of libuv, while requests wait to be started */
  struct request *first, *last; /* those requests */
  struct pool pool;
  struct plain *plain; /* connections straight to servers */
  struct lane *lanes;  /* libcurl's */
};

/* What the coroutine of a request waits for. */
enum want { WANT_HEAD, WANT_PIECE, WANT_WHOLE };

/* How far it is: it is to be started (and `next` and `previous` are, too), it goes, it is over. */
enum state { IS_NEW, WAITS, GOES, ENDED };

/* Why a request failed: no byte of it was sent; it broke off; its answer is larger than its limit. */
enum fault { NO_FAULT, NOT_SENT, BROKEN, TOO_LARGE };

/* Headers of the caller's own that stand in for those that are sent otherwise. */
enum { HAS_TYPE = 1, HAS_AGENT = 2, HAS_ACCEPT = 4, HAS_SPECIAL = 8 /* only libcurl knows what it means */ };

struct request {
  struct handle handle;
  enum state state;
  struct template *template;
  const char *sent;         /* the body, or NULL; the handle's second user value holds it */
  size_t sent_size;
  struct buffer lines;      /* the headers that are sent, each with its line end */
  unsigned named;           /* HAS_… */
  struct buffer head;       /* the header block that came last, as it came */
  struct buffer body;       /* what was not read yet */
  size_t limit, received;
  int status;
  enum want want;
  bool in_head;  /* a status line has come, and not the end of its block */
  bool has_head; /* the answer's own */
  bool is_over;  /* the whole answer has come, or a fault */
  bool is_whole; /* all of the body is wanted at once: no pausing */
  bool paused;
  enum fault fault;
  char *problem; /* what it says about the fault; NULL: there was no memory for it */
  struct request *next, *previous;
  struct connection *connection; /* straight to the server, while it goes */
  struct lane *lane;             /* of libcurl, while it goes */
  struct easy easy;
  struct curl_slist *slist;
};

/* http.c: what carries a request tells it what comes ------------------------------ */

/* A line of a header block, or a piece of the body, has come. False when no more may come: it has failed. */
bool orchlua_request_line(struct request *request, struct bytes line);
bool orchlua_request_piece(struct request *request, struct bytes piece);

enum { HOST_TEXT = 300 };

/* Writes down which server it was, `name:port`: the messages of a failure name it. */
void orchlua_request_host(const struct request *request, char host[HOST_TEXT]);

/* It has failed; only the first fault counts. */
void orchlua_request_fail(struct request *request, enum fault fault, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* It is over, and nothing carries it any more: whoever waits for it goes on. */
void orchlua_request_over(struct request *request);

/* web.c ------------------------------------------------------------------------- */

/* The web of a loop, made when it is first needed; NULL when there is no memory. */
struct web *orchlua_web(struct loop *loop);

/* Starts a request that has a template, in one of the next turns. */
void orchlua_web_start(struct request *request);

/* Ends a request, wherever it is; what is not done is aborted. */
void orchlua_web_end(struct request *request);

/* Lets a paused request go on. More may come from inside. */
void orchlua_web_go_on(struct request *request);

/* template.c -------------------------------------------------------------------- */

/* Finds or makes the template of a request; NULL, or why that cannot be. */
const char *orchlua_take_template(struct web *web, struct request *request, const struct wish *wish);

/* One use of a template less: the last one frees it. */
void orchlua_leave_template(struct pool *pool, struct template *template);

/* Leaves those that are kept. */
void orchlua_clear_templates(struct pool *pool);

/* Whether requests of a template have a body, be it an empty one. */
bool orchlua_has_body(const struct wish *wish);

/* plain.c ----------------------------------------------------------------------- */

/* The connections of a loop; NULL when there is no memory. */
struct plain *orchlua_new_plain(struct loop *loop);
void orchlua_close_plain(struct plain *plain);

/* Sets the template up to be asked straight, when its wish can be. False when there is no memory. */
bool orchlua_set_plain(struct plain *plain, struct template *template);
void orchlua_unset_plain(struct template *template);

/* Starts a request, ends it, lets it go on. */
void orchlua_plain_start(struct request *request);
void orchlua_plain_stop(struct request *request);
void orchlua_plain_go_on(struct request *request);

/* The server's `name:port`. */
const char *orchlua_plain_host(const struct template *template);

/* lane.c ------------------------------------------------------------------------ */

void orchlua_lane_start(struct web *web, struct request *request);
void orchlua_lane_stop(struct web *web, struct request *request);
void orchlua_lane_go_on(struct request *request);
void orchlua_close_lanes(struct web *web);

/* easy.c ------------------------------------------------------------------------ */

/* Reads the template's address; NULL, or why it is none. */
const char *orchlua_set_url(struct template *template);
void orchlua_unset_url(struct template *template);

/* Writes down the `name:port` of that address. */
void orchlua_url_host(const struct template *template, char *host, size_t room);

/* Gives the request a handle, out of the pool or a new one. False when there is no memory. */
bool orchlua_take_easy(struct pool *pool, struct request *request);

/* Takes the request's handle from it, and keeps it; one whose transfer did not end well is freed. */
void orchlua_give_easy(struct pool *pool, struct request *request, bool is_sound);

/* Frees those that are kept. */
void orchlua_clear_easy(struct pool *pool);

#endif
