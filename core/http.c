/* HTTP: `loop:request{…}`, a handle whose `head`, `read` and `body` wait for
 * the answer as it comes. libcurl's callbacks put what comes into the request's buffers;
 * a body that nobody reads is paused. */
#include "web.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  BODY_LIMIT = 64 * 1024 * 1024,
  HEAD_LIMIT = 1024 * 1024,
  WINDOW = 1024 * 1024,     /* unread bytes of a body before its transfer is paused */
  KEPT_BUFFER = 64 * 1024,  /* a larger one is freed when it has been read */
  CONNECT_TIMEOUT = 30000   /* ms */
};

/* The answer, as libcurl hands it over ---------------------------------------- */

void orchlua_request_wake(struct request *request, enum want most)
{
  if (request->want <= most) orchlua_ready(&request->handle);
}

/* The head that came is the answer's: no interim one, nor one that is followed. */
static void take_head(struct request *request)
{
  char *url = NULL;
  if (request->has_head || request->status == 0) return;
  request->has_head = true;
  orchlua_curl()->easy_getinfo(request->easy.curl, CURLINFO_EFFECTIVE_URL, &url);
  if (url != NULL) request->answered = strdup(url);
  orchlua_request_wake(request, WANT_HEAD);
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
size_t orchlua_on_header(char *line, size_t unit, size_t count, void *data)
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

size_t orchlua_on_body(char *piece, size_t unit, size_t count, void *data)
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
  orchlua_request_wake(request, WANT_PIECE);
  return size;
}

/* Writes down which server it was: the messages of a failure name it. */
static void note_host(struct request *request)
{
  char *url = NULL, *host = NULL, *port = NULL;
  CURLU *parts = orchlua_curl()->url();
  if (request->easy.curl != NULL) orchlua_curl()->easy_getinfo(request->easy.curl, CURLINFO_EFFECTIVE_URL, &url);
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
  orchlua_curl()->easy_getinfo(request->easy.curl, CURLINFO_OS_ERRNO, &number);
  if (number == 0) number = request->no_socket;
  const char *reason = number != 0 ? uv_strerror(uv_translate_sys_error((int)number)) : orchlua_curl()->easy_strerror(code);
  snprintf(request->detail, sizeof request->detail, "%s", reason);
}

void orchlua_request_over(struct request *request, CURLcode code)
{
  request->is_over = true;
  if (code != CURLE_OK) note_failure(request, code);
  else take_head(request);
}

/* Reading the options ---------------------------------------------------------- */

enum { BODY_INDEX = 3 }; /* on the stack of `loop:request` */

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

/* Sends the request; NULL, or why it could not. The loop is at 1. */
static const char *send_request(struct loop *loop, struct request *request, const struct wish *wish)
{
  struct pool *pool = orchlua_web_pool(loop);
  if (pool == NULL) return "not enough memory";
  request->sent = wish->body;
  request->sent_size = wish->body_size;
  const char *problem = orchlua_take_template(pool, request, wish);
  if (problem == NULL) orchlua_web_start(request);
  return problem;
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
  const char *problem = take_lines(L, lines, request) ? send_request(loop, request, &wish) : "not enough memory";
  if (problem == NULL) return 1;
  orchlua_discard(&request->handle);
  return orchlua_failure(L, "transport", "cannot send the request: %s", problem);
}

/* The handle ------------------------------------------------------------------- */

static void request_end(struct handle *handle)
{
  struct request *request = (struct request *)handle;
  orchlua_web_end(request);
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
  if (!request->has_head && request->state != ENDED) return await(L, request, WANT_HEAD, head_again);
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
  if (request->state != GOES) return;
  CURLcode code = orchlua_curl()->easy_pause(request->easy.curl, CURLPAUSE_CONT);
  if (code == CURLE_OK) return;
  note_failure(request, code);
  orchlua_web_end(request);
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
  if (request->state != ENDED) return await(L, request, WANT_PIECE, read_again);
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
  if (request->state != ENDED) return await(L, request, WANT_WHOLE, body_again);
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
