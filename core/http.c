/* HTTP: `loop:request{…}`, a handle whose `head`, `read` and `body` wait for
 * the answer as it comes. libcurl's multi interface tells which sockets and
 * which time it waits for, libuv waits for them. libcurl's callbacks put what
 * comes into the request's buffers; a body that nobody reads is paused. */
#include "curl.h"
#include "loop.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
  BODY_LIMIT = 64 * 1024 * 1024,
  HEAD_LIMIT = 1024 * 1024,
  WINDOW = 1024 * 1024,     /* unread bytes of a body before its transfer is paused */
  KEPT_BUFFER = 64 * 1024,  /* a larger one is freed when it has been read */
  CONNECT_TIMEOUT = 30000,  /* ms */
  CONNECTIONS = 1024,       /* kept open for further requests */
  STARTS = 16,              /* requests that are started in a turn: a fast server needs few connections for many */
  STREAMS = 1024,           /* requests on one connection of HTTP/2, if the server lets us */
  IDLE_EASY = 256           /* easy handles kept for further requests */
};

/* What libcurl has in one loop. */
struct web {
  struct loop *loop;
  CURLM *multi;
  uv_timer_t *timer;
  uv_idle_t *starter; /* once in a turn of libuv, while requests wait to be started */
  struct request *first, *last; /* requests that are not started yet */
  CURL *idle[IDLE_EASY];
  size_t idle_count;
  bool failed; /* there was no memory to watch a socket */
};

/* A socket that libcurl waits for. */
struct watch {
  uv_poll_t poll;
  struct web *web;
  curl_socket_t socket;
};

/* What the coroutine of a request waits for. */
enum want { WANT_HEAD, WANT_PIECE, WANT_WHOLE };

struct request {
  struct handle handle;
  CURL *easy; /* NULL once it is done or closed */
  CURLU *url;
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
  bool waits; /* to be started: `next` and `previous` do, too */
  bool over_limit;
  bool head_too_large;
  bool no_memory; /* for what came */
  int no_socket; /* why there was none for the connection, or 0 */
  CURLcode code;
  struct request *next, *previous;
  char host[256]; /* that it failed with, `name:port` */
  char detail[CURL_ERROR_SIZE];
};

/* Sockets and time ----------------------------------------------------------- */

static void free_watch(uv_handle_t *handle) { free(handle->data); }

static void finish_requests(struct web *web);
static void fail_requests(struct web *web);

/* Where libcurl, or we for it, had no memory, nobody knows which requests still go on. */
static void act(struct web *web, curl_socket_t file, int events)
{
  int running;
  CURLMcode code = orchlua_curl()->multi_socket_action(web->multi, file, events, &running);
  finish_requests(web);
  if (code != CURLM_OK || web->failed) fail_requests(web);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  struct watch *watch = poll->data;
  int flags = 0;
  if (status < 0) flags |= CURL_CSELECT_ERR;
  if ((events & UV_READABLE) != 0) flags |= CURL_CSELECT_IN;
  if ((events & UV_WRITABLE) != 0) flags |= CURL_CSELECT_OUT;
  act(watch->web, watch->socket, flags);
}

static struct watch *new_watch(struct web *web, curl_socket_t file)
{
  struct watch *watch = malloc(sizeof *watch);
  if (watch == NULL) return NULL;
  watch->web = web;
  watch->socket = file;
  if (uv_poll_init_socket(&web->loop->uv, &watch->poll, file) != 0) {
    free(watch);
    return NULL;
  }
  watch->poll.data = watch;
  if (orchlua_curl()->multi_assign(web->multi, file, watch) == CURLM_OK) return watch;
  uv_close((uv_handle_t *)&watch->poll, free_watch);
  return NULL;
}

static void on_time(uv_timer_t *timer) { act(timer->data, CURL_SOCKET_TIMEOUT, 0); }

/* A socket cannot be watched. An error given to libcurl would end its whole multi handle
 * for ever, so that the requests are failed by the next `act` instead. */
static int not_watched(struct web *web)
{
  web->failed = true;
  uv_timer_start(web->timer, on_time, 0, 0);
  return 0;
}

/* libcurl tells what it waits for at a socket. */
static int on_socket(CURL *easy, curl_socket_t file, int what, void *data, void *known)
{
  (void)easy;
  struct web *web = data;
  struct watch *watch = known;
  if (what == CURL_POLL_REMOVE) {
    if (watch != NULL) uv_close((uv_handle_t *)&watch->poll, free_watch);
    orchlua_curl()->multi_assign(web->multi, file, NULL);
    return 0;
  }
  if (watch == NULL) watch = new_watch(web, file);
  if (watch == NULL) return not_watched(web);
  int events = 0;
  if (what != CURL_POLL_IN) events |= UV_WRITABLE;
  if (what != CURL_POLL_OUT) events |= UV_READABLE;
  return uv_poll_start(&watch->poll, events, on_poll) == 0 ? 0 : not_watched(web);
}

/* libcurl tells how long it waits at most. It must not be called back from here. */
static int on_timer_change(CURLM *multi, long milliseconds, void *data)
{
  (void)multi;
  struct web *web = data;
  if (milliseconds < 0) {
    uv_timer_stop(web->timer);
    return 0;
  }
  uv_update_time(&web->loop->uv);
  uv_timer_start(web->timer, on_time, (uint64_t)milliseconds, 0);
  return 0;
}

static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
  (void)purpose;
  struct request *request = data;
  int file = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  request->no_socket = file < 0 ? errno : 0;
  return file;
}

/* libcurl's side of a loop ---------------------------------------------------- */

/* Once in a process. A thread of libcurl's that looks a name up may outlive its
 * loop, so this library and what it needs stay loaded. */
static void stay_loaded(void)
{
  Dl_info self;
  if (dladdr(&orchlua_request, &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void free_uv(uv_handle_t *handle) { free(handle); }

/* The loop's, made when it is first needed; NULL when there is no memory. */
static struct web *get_web(struct loop *loop)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (loop->web != NULL) return loop->web;
  pthread_once(&once, stay_loaded);
  struct web *web = calloc(1, sizeof *web);
  if (web == NULL) return NULL;
  web->loop = loop;
  web->timer = malloc(sizeof *web->timer);
  if (web->timer == NULL) goto no_timer;
  web->starter = malloc(sizeof *web->starter);
  if (web->starter == NULL) goto no_starter;
  web->multi = orchlua_curl()->multi_init();
  if (web->multi == NULL) goto no_multi;
  uv_timer_init(&loop->uv, web->timer);
  uv_idle_init(&loop->uv, web->starter);
  web->timer->data = web->starter->data = web;
  orchlua_curl()->multi_setopt(web->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  orchlua_curl()->multi_setopt(web->multi, CURLMOPT_SOCKETDATA, web);
  orchlua_curl()->multi_setopt(web->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
  orchlua_curl()->multi_setopt(web->multi, CURLMOPT_TIMERDATA, web);
  orchlua_curl()->multi_setopt(web->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
  orchlua_curl()->multi_setopt(web->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS);
  loop->web = web;
  return web;
no_multi:
  free(web->starter);
no_starter:
  free(web->timer);
no_timer:
  free(web);
  return NULL;
}

void orchlua_close_web(struct loop *loop)
{
  struct web *web = loop->web;
  if (web == NULL) return;
  loop->web = NULL;
  while (web->idle_count > 0) orchlua_curl()->easy_cleanup(web->idle[--web->idle_count]);
  orchlua_curl()->multi_cleanup(web->multi);
  uv_close((uv_handle_t *)web->timer, free_uv);
  uv_close((uv_handle_t *)web->starter, free_uv);
  free(web);
}

static CURL *take_easy(struct web *web)
{
  return web->idle_count > 0 ? web->idle[--web->idle_count] : orchlua_curl()->easy_init();
}

static void give_easy(struct web *web, CURL *easy)
{
  if (web->idle_count == IDLE_EASY) {
    orchlua_curl()->easy_cleanup(easy);
    return;
  }
  orchlua_curl()->easy_reset(easy);
  web->idle[web->idle_count++] = easy;
}

/* Puts a request behind those that are to be started. */
static void append_waiting(struct web *web, struct request *request)
{
  request->waits = true;
  request->previous = web->last;
  request->next = NULL;
  if (web->last != NULL) web->last->next = request;
  else web->first = request;
  web->last = request;
}

static void remove_waiting(struct web *web, struct request *request)
{
  if (!request->waits) return;
  request->waits = false;
  if (request->previous != NULL) request->previous->next = request->next;
  else web->first = request->next;
  if (request->next != NULL) request->next->previous = request->previous;
  else web->last = request->previous;
}

/* Takes the request away from libcurl, which aborts it when it is not done. */
static void detach(struct request *request)
{
  if (request->easy == NULL) return;
  struct web *web = request->handle.loop->web;
  remove_waiting(web, request);
  orchlua_curl()->multi_remove_handle(web->multi, request->easy);
  give_easy(web, request->easy);
  request->easy = NULL;
  orchlua_curl()->slist_free_all(request->lines);
  request->lines = NULL;
  orchlua_curl()->url_cleanup(request->url);
  request->url = NULL;
}

/* The answer, as libcurl hands it over ---------------------------------------- */

static void wake(struct request *request, enum want most)
{
  if (request->want <= most) orchlua_ready(&request->handle);
}

/* The head that came is the answer's: no interim one, nor one that is followed. */
static void take_head(struct request *request)
{
  char *url = NULL;
  if (request->has_head || request->status == 0) return;
  request->has_head = true;
  orchlua_curl()->easy_getinfo(request->easy, CURLINFO_EFFECTIVE_URL, &url);
  if (url != NULL) request->answered = strdup(url);
  wake(request, WANT_HEAD);
}

static bool append(struct request *request, struct buffer *buffer, const char *data, size_t size)
{
  if (!orchlua_reserve(buffer, size)) {
    request->no_memory = true;
    return false;
  }
  memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  return true;
}

/* "HTTP/1.1 200 OK": a new block begins. */
static void begin_head(struct request *request, const char *line, size_t size)
{
  const char *space = memchr(line, ' ', size);
  request->head.size = 0;
  request->status = 0;
  if (space == NULL) return;
  for (const char *digit = space + 1; digit < line + size && *digit >= '0' && *digit <= '9'; digit++)
    request->status = request->status * 10 + (*digit - '0');
}

static bool is_followed(const struct request *request)
{
  return request->follows && request->status >= 300 && request->status < 400;
}

/* One line of a header block; a block ends with an empty one. */
static size_t on_header(char *line, size_t unit, size_t count, void *data)
{
  struct request *request = data;
  size_t size = unit * count;
  if (request->has_head) return size; /* a trailer */
  if (size > 5 && memcmp(line, "HTTP/", 5) == 0) {
    begin_head(request, line, size);
  } else if (size > 0 && (line[0] == '\r' || line[0] == '\n')) {
    if (request->status >= 200 && !is_followed(request)) take_head(request);
  } else {
    request->head_too_large = request->head.size + size > HEAD_LIMIT;
    if (request->head_too_large || !append(request, &request->head, line, size)) return 0;
  }
  return size;
}

static size_t on_body(char *piece, size_t unit, size_t count, void *data)
{
  struct request *request = data;
  size_t size = unit * count;
  take_head(request);
  if (!request->is_whole && request->body.size >= WINDOW) {
    request->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  request->over_limit = size > request->limit - request->received;
  if (request->over_limit || !append(request, &request->body, piece, size)) return 0;
  request->received += size;
  wake(request, WANT_PIECE);
  return size;
}

/* Writes down which server it was: the messages of a failure name it. */
static void note_host(struct request *request)
{
  char *url = NULL, *host = NULL, *port = NULL;
  CURLU *parts = orchlua_curl()->url();
  orchlua_curl()->easy_getinfo(request->easy, CURLINFO_EFFECTIVE_URL, &url);
  if (parts != NULL && url != NULL && orchlua_curl()->url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
    orchlua_curl()->url_get(parts, CURLUPART_HOST, &host, 0);
    orchlua_curl()->url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
  }
  snprintf(request->host, sizeof request->host, "%s:%s", host != NULL ? host : "the server", port != NULL ? port : "?");
  orchlua_curl()->free(host);
  orchlua_curl()->free(port);
  orchlua_curl()->url_cleanup(parts);
}

static void note_failure(struct request *request, CURLcode code)
{
  long number = 0;
  request->code = code;
  note_host(request);
  if (code != CURLE_COULDNT_CONNECT) return;
  orchlua_curl()->easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &number);
  if (number == 0) number = request->no_socket;
  const char *reason = number != 0 ? uv_strerror(uv_translate_sys_error((int)number)) : orchlua_curl()->easy_strerror(code);
  snprintf(request->detail, sizeof request->detail, "%s", reason);
}

static void finish_requests(struct web *web)
{
  CURLMsg *message;
  int left;
  while ((message = orchlua_curl()->multi_info_read(web->multi, &left)) != NULL) {
    struct request *request = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    orchlua_curl()->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    if (message->data.result != CURLE_OK) note_failure(request, message->data.result);
    else take_head(request);
    detach(request);
    wake(request, WANT_WHOLE);
  }
}

/* Fails every request that has been started. */
static void fail_requests(struct web *web)
{
  struct handle *handle;
  web->failed = false;
  LIST_FOREACH(handle, &web->loop->handles, entry) {
    struct request *request = (struct request *)handle;
    if (handle->kind != &orchlua_request || request->easy == NULL || request->waits) continue;
    note_failure(request, CURLE_OUT_OF_MEMORY);
    request->no_memory = true;
    detach(request);
    wake(request, WANT_WHOLE);
  }
}

/* Reading the options ---------------------------------------------------------- */

enum { BODY_INDEX = 3 }; /* on the stack of `loop:request` */

/* A request as its options say it. All of it lies in Lua values on the stack. */
struct wish {
  const char *method, *url, *ca_file, *proxy, *body;
  size_t body_size, limit, follow;
  long connect_timeout; /* in ms */
  bool compressed;
};

/* What RFC 9110 calls a token: methods and names of headers are. */
static bool is_token(const char *text)
{
  size_t size = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return size > 0 && text[size] == '\0';
}

/* Leaves the body at `BODY_INDEX`, and the other strings above. */
static void read_wish(lua_State *L, struct wish *wish)
{
  wish->body = orchlua_option_text(L, "body", &wish->body_size);
  wish->url = orchlua_option_text(L, "url", NULL);
  if (wish->url == NULL) luaL_error(L, "url: expected a string, got nil");
  wish->method = orchlua_option_text(L, "method", NULL);
  if (wish->method == NULL) wish->method = wish->body != NULL ? "POST" : "GET";
  if (!is_token(wish->method)) luaL_error(L, "method: `%s` is none", wish->method);
  wish->ca_file = orchlua_option_text(L, "ca_file", NULL);
  wish->proxy = orchlua_option_text(L, "proxy", NULL);
  wish->limit = orchlua_option_count(L, "limit", BODY_LIMIT);
  wish->follow = orchlua_option_count(L, "follow", 0);
  uint64_t timeout = orchlua_option_seconds(L, "connect_timeout", CONNECT_TIMEOUT);
  wish->connect_timeout = timeout > INT_MAX ? INT_MAX : timeout == 0 ? 1 : (long)timeout; /* 0 would be the default */
  wish->compressed = orchlua_option_flag(L, "compressed");
}

/* Pushes the line of the header `{name, value}` on the top of the stack, as
 * libcurl takes it. */
static void push_line(lua_State *L)
{
  if (lua_type(L, -1) != LUA_TTABLE) luaL_error(L, "headers: expected {name, value}, got %s", luaL_typename(L, -1));
  int name_type = lua_rawgeti(L, -1, 1), text_type = lua_rawgeti(L, -2, 2);
  if (name_type != LUA_TSTRING || text_type != LUA_TSTRING) luaL_error(L, "headers: expected {name, value}, both strings");
  const char *name = lua_tostring(L, -2), *text = lua_tostring(L, -1);
  if (strlen(name) != lua_rawlen(L, -2) || !is_token(name)) luaL_error(L, "headers: `%s` is no name of a header", name);
  if (strlen(text) != lua_rawlen(L, -1) || strpbrk(text, "\r\n") != NULL)
    luaL_error(L, "headers: the value of `%s` contains a line break or a zero byte", name);
  bool is_empty = text[strspn(text, " \t")] == '\0';
  if (is_empty) lua_pushfstring(L, "%s;", name);
  else lua_pushfstring(L, "%s: %s", name, text);
}

/* Pushes the list of the lines of all headers. */
static void push_lines(lua_State *L)
{
  lua_newtable(L);
  int type = lua_getfield(L, 2, "headers");
  if (type != LUA_TNIL && type != LUA_TTABLE) luaL_error(L, "headers: expected a list of {name, value}");
  lua_Integer count = type == LUA_TNIL ? 0 : luaL_len(L, -1);
  int top = lua_gettop(L);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, top, i);
    push_line(L);
    lua_rawseti(L, top - 1, i);
    lua_settop(L, top);
  }
  lua_pop(L, 1);
}

static bool add_line(struct request *request, const char *line)
{
  struct curl_slist *lines = orchlua_curl()->slist_append(request->lines, line);
  if (lines != NULL) request->lines = lines;
  return lines != NULL;
}

static bool is_named(const char *line, const char *name)
{
  size_t size = strlen(name);
  return strncasecmp(line, name, size) == 0 && (line[size] == ':' || line[size] == ';');
}

/* Takes the lines of the list at `index`, and takes out what libcurl would add
 * of itself. False when there is no memory. */
static bool take_lines(lua_State *L, int index, struct request *request)
{
  bool has_type = false, ok = true;
  lua_Integer count = (lua_Integer)lua_rawlen(L, index);
  for (lua_Integer i = 1; i <= count && ok; i++) {
    lua_rawgeti(L, index, i);
    const char *line = lua_tostring(L, -1);
    has_type = has_type || is_named(line, "Content-Type");
    ok = add_line(request, line);
    lua_pop(L, 1);
  }
  return ok && add_line(request, "Expect:") && (has_type || add_line(request, "Content-Type:"));
}

/* Setting up the transfer ------------------------------------------------------ */

/* Moves one part of the address that must not be shown into an option. */
static CURLcode take_part(CURL *easy, CURLU *url, CURLUPart part, CURLoption option)
{
  char *text = NULL;
  CURLUcode code = orchlua_curl()->url_get(url, part, &text, CURLU_URLDECODE);
  if (code != CURLUE_OK) return code == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_OK;
  CURLcode result = orchlua_curl()->easy_setopt(easy, option, text);
  orchlua_curl()->free(text);
  orchlua_curl()->url_set(url, part, NULL, 0);
  return result;
}

/* The method, and what goes with it. A body belongs to what creates and changes. */
static CURLcode set_method(CURL *easy, const struct wish *wish)
{
  static const char *const with_body[] = { "POST", "PUT", "PATCH" };
  bool has_body = wish->body != NULL;
  for (size_t i = 0; i < sizeof with_body / sizeof *with_body; i++)
    has_body = has_body || strcmp(wish->method, with_body[i]) == 0;
  if (has_body) {
    orchlua_curl()->easy_setopt(easy, CURLOPT_POST, 1L);
    orchlua_curl()->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)wish->body_size);
    orchlua_curl()->easy_setopt(easy, CURLOPT_POSTFIELDS, wish->body != NULL ? wish->body : "");
  } else if (strcmp(wish->method, "HEAD") == 0) {
    orchlua_curl()->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return CURLE_OK;
  }
  if (strcmp(wish->method, has_body ? "POST" : "GET") == 0) return CURLE_OK;
  return orchlua_curl()->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, wish->method);
}

static void set_callbacks(CURL *easy, struct request *request)
{
  orchlua_curl()->easy_setopt(easy, CURLOPT_PRIVATE, request);
  orchlua_curl()->easy_setopt(easy, CURLOPT_ERRORBUFFER, request->detail);
  orchlua_curl()->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  orchlua_curl()->easy_setopt(easy, CURLOPT_HEADERDATA, request);
  orchlua_curl()->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  orchlua_curl()->easy_setopt(easy, CURLOPT_WRITEDATA, request);
  orchlua_curl()->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  orchlua_curl()->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
}

static CURLcode set_protocol(CURL *easy, bool is_secure)
{
  orchlua_curl()->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  orchlua_curl()->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  orchlua_curl()->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  orchlua_curl()->easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  orchlua_curl()->easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  orchlua_curl()->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name's look-up that is given up */
  if (is_secure) {
    orchlua_curl()->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    orchlua_curl()->easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* rather share a connection of HTTP/2 than open another */
  }
  return orchlua_curl()->easy_setopt(easy, CURLOPT_USERAGENT, "orchlua");
}

static CURLcode set_options(struct request *request, const struct wish *wish, bool is_secure)
{
  CURL *easy = request->easy;
  set_callbacks(easy, request);
  orchlua_curl()->easy_setopt(easy, CURLOPT_HTTPHEADER, request->lines);
  orchlua_curl()->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, wish->connect_timeout);
  if (wish->follow > 0) {
    orchlua_curl()->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    orchlua_curl()->easy_setopt(easy, CURLOPT_MAXREDIRS, wish->follow > 100 ? 100L : (long)wish->follow);
  }
  CURLcode code = set_protocol(easy, is_secure);
  if (code == CURLE_OK) code = set_method(easy, wish);
  if (code == CURLE_OK) code = orchlua_curl()->easy_setopt(easy, CURLOPT_CURLU, request->url);
  if (code == CURLE_OK && wish->ca_file != NULL) code = orchlua_curl()->easy_setopt(easy, CURLOPT_CAINFO, wish->ca_file);
  if (code == CURLE_OK && wish->proxy != NULL) code = orchlua_curl()->easy_setopt(easy, CURLOPT_PROXY, wish->proxy);
  if (code == CURLE_OK && wish->compressed) code = orchlua_curl()->easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  if (code == CURLE_OK) code = take_part(easy, request->url, CURLUPART_USER, CURLOPT_USERNAME);
  if (code == CURLE_OK) code = take_part(easy, request->url, CURLUPART_PASSWORD, CURLOPT_PASSWORD);
  return code;
}

/* Reads the address; NULL, or why it is none. */
static const char *parse_url(struct request *request, const char *text, bool *is_secure)
{
  char *scheme = NULL;
  request->url = orchlua_curl()->url();
  if (request->url == NULL) return "not enough memory";
  CURLUcode code = orchlua_curl()->url_set(request->url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_OK) code = orchlua_curl()->url_get(request->url, CURLUPART_SCHEME, &scheme, 0);
  if (code != CURLUE_OK) return orchlua_curl()->url_strerror(code);
  *is_secure = strcmp(scheme, "https") == 0;
  bool is_known = *is_secure || strcmp(scheme, "http") == 0;
  orchlua_curl()->free(scheme);
  return is_known ? NULL : "only http and https addresses can be asked";
}

/* Starts the next requests: a bounded number of them, so that those which are answered soon leave their
 * connections to others. (A timer of 0 ms is no way to say "in the next turn": libuv before 1.45 calls it again
 * in the same one.) */
static void on_start(uv_idle_t *starter)
{
  struct web *web = starter->data;
  for (int i = 0; i < STARTS && web->first != NULL; i++) {
    struct request *request = web->first;
    remove_waiting(web, request);
    if (orchlua_curl()->multi_add_handle(web->multi, request->easy) == CURLM_OK) continue;
    note_failure(request, CURLE_OUT_OF_MEMORY);
    detach(request);
    wake(request, WANT_WHOLE);
  }
  if (web->first == NULL) uv_idle_stop(starter);
}

/* Makes the request ready to be started; NULL, or why it could not. */
static const char *prepare(struct loop *loop, struct request *request, const struct wish *wish)
{
  bool is_secure = false;
  const char *problem = parse_url(request, wish->url, &is_secure);
  if (problem != NULL) return problem;
  struct web *web = get_web(loop);
  CURL *easy = web != NULL ? take_easy(web) : NULL;
  if (easy == NULL) return "not enough memory";
  request->easy = easy;
  CURLcode code = set_options(request, wish, is_secure);
  if (code != CURLE_OK) return orchlua_curl()->easy_strerror(code);
  if (web->first == NULL) uv_idle_start(web->starter, on_start);
  append_waiting(web, request);
  return NULL;
}

/* loop:request{…}: a handle, or nil and an error. */
int orchlua_loop_request(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  struct wish wish = { 0 };
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  read_wish(L, &wish);
  if (orchlua_curl() == NULL) return orchlua_failure(L, "system", "HTTP needs libcurl (libcurl.so.4), which cannot be loaded here");
  push_lines(L);
  int lines = lua_gettop(L);
  struct request *request = orchlua_new_handle(L, &orchlua_request, sizeof *request);
  request->limit = wish.limit;
  request->follows = wish.follow > 0;
  lua_pushvalue(L, BODY_INDEX); /* libcurl does not copy it */
  lua_setiuservalue(L, -2, 2);
  const char *problem = take_lines(L, lines, request) ? prepare(loop, request, &wish) : "not enough memory";
  if (problem == NULL) return 1;
  orchlua_discard(&request->handle);
  return orchlua_failure(L, "transport", "cannot send the request: %s", problem);
}

/* The handle ------------------------------------------------------------------- */

static void request_end(struct handle *handle)
{
  struct request *request = (struct request *)handle;
  detach(request);
  orchlua_curl()->slist_free_all(request->lines);
  orchlua_curl()->url_cleanup(request->url);
  orchlua_release(&request->head);
  orchlua_release(&request->body);
  free(request->answered);
  request->answered = NULL;
}

static const char *describe(const struct request *request)
{
  if (request->no_memory) return "not enough memory";
  if (request->head_too_large) return "the headers of the answer are too large";
  return request->detail[0] != '\0' ? request->detail : orchlua_curl()->easy_strerror(request->code);
}

/* Pushes nil and the error of a request that no byte was sent of: `unsent` is true in it. */
static int unsent(lua_State *L)
{
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "unsent");
  return 2;
}

static int push_failure(lua_State *L, const struct request *request)
{
  const char *host = request->host, *detail = describe(request);
  if (request->over_limit)
    return orchlua_failure(L, "limit", "the answer of %s is larger than %zu bytes", host, request->limit);
  switch (request->code) {
  case CURLE_COULDNT_RESOLVE_HOST:
    orchlua_failure(L, "transport", "cannot find the address of %.*s", (int)(strrchr(host, ':') - host), host);
    return unsent(L);
  case CURLE_COULDNT_CONNECT:
    orchlua_failure(L, "transport", "cannot connect to %s: %s", host, detail);
    return unsent(L);
  case CURLE_OPERATION_TIMEDOUT:
    orchlua_failure(L, "transport", "cannot connect to %s: it takes too long", host);
    return unsent(L);
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
    orchlua_failure(L, "transport", "no TLS with %s: %s", host, detail);
    return unsent(L);
  default:
    return orchlua_failure(L, "transport", "%s: %s", host, detail);
  }
}

static int await(lua_State *L, struct request *request, enum want want, lua_KFunction again)
{
  request->want = want;
  return orchlua_await(L, &request->handle, again);
}

/* Adds the header on the top of the stack, under its name, to the table below
 * both: `table name value` becomes `table`. */
static void add_header(lua_State *L)
{
  lua_pushvalue(L, -2);
  if (lua_rawget(L, -4) == LUA_TNIL) {
    lua_pop(L, 1);
  } else {
    lua_insert(L, -2);
    lua_pushliteral(L, ", ");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
  lua_rawset(L, -3);
}

static void push_name(lua_State *L, const char *name, size_t size)
{
  luaL_Buffer lower;
  char *text = luaL_buffinitsize(L, &lower, size);
  for (size_t i = 0; i < size; i++) text[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
  luaL_pushresultsize(&lower, size);
}

static void add_line_to(lua_State *L, const char *line, const char *end)
{
  const char *colon = memchr(line, ':', (size_t)(end - line));
  if (colon == NULL) return;
  const char *text = colon + 1;
  while (text < end && (*text == ' ' || *text == '\t')) text++;
  while (end > text && strchr(" \t\r\n", end[-1]) != NULL) end--;
  push_name(L, line, (size_t)(colon - line));
  lua_pushlstring(L, text, (size_t)(end - text));
  add_header(L);
}

static void push_headers(lua_State *L, const struct buffer *head)
{
  lua_newtable(L);
  const char *line = head->data, *end = line + head->size;
  while (line < end) {
    const char *feed = memchr(line, '\n', (size_t)(end - line));
    const char *next = feed == NULL ? end : feed + 1;
    add_line_to(L, line, next);
    line = next;
  }
}

/* handle:head(): `{status =, headers =, url =}`, or nil and an error. */
static int head_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct request *request = orchlua_check_handle(L);
  if (!request->handle.open) return orchlua_cancelled(L, &request->handle);
  if (!request->has_head && request->easy != NULL) return await(L, request, WANT_HEAD, head_again);
  if (!request->has_head) return push_failure(L, request);
  if (request->answered == NULL) return orchlua_failure(L, "transport", "cannot read the answer: not enough memory");
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, request->status);
  lua_setfield(L, -2, "status");
  lua_pushstring(L, request->answered);
  lua_setfield(L, -2, "url");
  push_headers(L, &request->head);
  lua_setfield(L, -2, "headers");
  return 1;
}

/* Lets a paused transfer go on. libcurl may hand over more from inside. */
static void go_on(struct request *request)
{
  if (!request->paused) return;
  request->paused = false;
  if (request->easy == NULL) return;
  CURLcode code = orchlua_curl()->easy_pause(request->easy, CURLPAUSE_CONT);
  if (code == CURLE_OK) return;
  note_failure(request, code);
  detach(request);
}

/* Pushes what has come of the body and takes it out of the buffer. */
static int push_body(lua_State *L, struct request *request)
{
  orchlua_push_text(L, request->body.data, request->body.size);
  if (request->body.capacity > KEPT_BUFFER) orchlua_release(&request->body);
  request->body.size = 0;
  go_on(request);
  return 1;
}

/* handle:read(): a piece of the body, nil at its end, or nil and an error. */
static int read_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct request *request = orchlua_check_handle(L);
  if (!request->handle.open) return orchlua_cancelled(L, &request->handle);
  if (request->body.size > 0) return push_body(L, request);
  if (request->easy != NULL) return await(L, request, WANT_PIECE, read_again);
  if (request->code != CURLE_OK) return push_failure(L, request);
  lua_pushnil(L);
  return 1;
}

/* handle:body(): all that is left of the body, or nil and an error. */
static int body_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct request *request = orchlua_check_handle(L);
  if (!request->handle.open) return orchlua_cancelled(L, &request->handle);
  request->is_whole = true;
  go_on(request);
  if (request->easy != NULL) return await(L, request, WANT_WHOLE, body_again);
  if (request->code != CURLE_OK) return push_failure(L, request);
  return push_body(L, request);
}

static int request_head(lua_State *L) { return head_again(L, LUA_OK, 0); }
static int request_read(lua_State *L) { return read_again(L, LUA_OK, 0); }
static int request_body(lua_State *L) { return body_again(L, LUA_OK, 0); }

static const luaL_Reg methods[] = {
  { "head", request_head }, { "read", request_read }, { "body", request_body }, { NULL, NULL }
};

const struct kind orchlua_request = { "orchlua.request", methods, request_end, NULL };
