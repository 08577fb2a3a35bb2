/* HTTP: `loop:request{…}`, a handle whose `status`, `head`, `read` and `body`
 * wait for the answer as it comes. What carries the request puts what comes into its buffers;
 * a body that nobody reads is paused. */
#include "web.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
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

/* Failures ---------------------------------------------------------------------- */

void orchlua_request_host(const struct request *request, char host[HOST_TEXT])
{
  if (request->template->server == NULL) orchlua_url_host(request->template, host, HOST_TEXT);
  else snprintf(host, HOST_TEXT, "%s", orchlua_plain_host(request->template));
}

void orchlua_request_fail(struct request *request, enum fault fault, const char *format, ...)
{
  va_list arguments;
  if (request->fault != NO_FAULT) return;
  request->fault = fault;
  va_start(arguments, format);
  if (vasprintf(&request->problem, format, arguments) < 0) request->problem = NULL;
  va_end(arguments);
}

/* It breaks off; the server is named before the reason. */
static bool break_off(struct request *request, const char *reason)
{
  char host[HOST_TEXT];
  orchlua_request_host(request, host);
  orchlua_request_fail(request, BROKEN, "%s: %s", host, reason);
  return false;
}

/* The answer, as it comes ------------------------------------------------------- */

/* Wakes whoever waits for that much at most. */
static void wake(struct request *request, enum want most)
{
  if (request->want <= most) orchlua_ready(&request->handle);
}

static bool append(struct request *request, struct buffer *buffer, struct bytes bytes)
{
  return orchlua_append(buffer, bytes.data, bytes.size) || break_off(request, "not enough memory");
}

static bool is_end_of_head(struct bytes line) { return line.size > 0 && (line.data[0] == '\r' || line.data[0] == '\n'); }

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

/* Keeps a header. A line that begins with a blank belongs to the one before, and to nothing where there is none
 * (RFC 9112, sections 2.2 and 5.2). */
static bool keep_header(struct request *request, struct bytes line)
{
  struct buffer *head = &request->head;
  if (line.size > 0 && is_blank(line.data[0])) {
    if (head->size == 0) return true;
    while (head->size > 0 && strchr("\r\n", head->data[head->size - 1]) != NULL) head->size--;
  }
  if (head->size + line.size > HEAD_LIMIT) return break_off(request, "the headers of the answer are too large");
  return append(request, head, line);
}

static void begin_head(struct request *request, struct bytes line)
{
  request->in_head = true;
  request->head.size = 0;
  request->status = orchlua_answer_status(line);
}

/* The head that came is the answer's, unless it is an interim one. */
static void end_head(struct request *request)
{
  request->in_head = false;
  request->has_head = request->status >= 200;
  if (request->has_head) wake(request, WANT_HEAD);
}

bool orchlua_request_line(struct request *request, struct bytes line)
{
  if (request->has_head) return true; /* a trailer */
  if (request->in_head && !is_end_of_head(line)) return keep_header(request, line);
  if (request->in_head) end_head(request);
  else if (line.size > 5 && memcmp(line.data, "HTTP/", 5) == 0) begin_head(request, line);
  return true;
}

static bool too_large(struct request *request)
{
  char host[HOST_TEXT];
  orchlua_request_host(request, host);
  orchlua_request_fail(request, TOO_LARGE, "the answer of %s is larger than %zu bytes", host, request->limit);
  return false;
}

bool orchlua_request_piece(struct request *request, struct bytes piece)
{
  if (piece.size > request->limit - request->received) return too_large(request);
  if (!append(request, &request->body, piece)) return false;
  request->received += piece.size;
  request->paused = !request->is_whole && request->body.size >= WINDOW;
  wake(request, WANT_PIECE);
  return true;
}

void orchlua_request_over(struct request *request)
{
  request->is_over = true;
  if (request->fault == NO_FAULT && !request->has_head) break_off(request, "the server closed the connection before the answer was whole");
  orchlua_web_end(request);
  wake(request, WANT_WHOLE);
}

/* Reading the options ---------------------------------------------------------- */

enum { BODY_INDEX = 3, HEADERS_INDEX = 7 }; /* on the stack of `loop:request` */

/* What RFC 9110 calls a token: methods and names of headers are. */
static bool is_token(const char *text)
{
  size_t size = strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return size > 0 && text[size] == '\0';
}

/* Leaves the body at `BODY_INDEX`, and the other strings above, up to `HEADERS_INDEX`. */
static void read_wish(lua_State *L, struct wish *wish)
{
  wish->body = orchlua_option_text(L, "body", &wish->body_size);
  wish->url = orchlua_option_text(L, "url", NULL);
  if (wish->url == NULL) luaL_error(L, "url: expected a string, got nil");
  wish->method = orchlua_option_text(L, "method", NULL);
  if (wish->method == NULL) wish->method = wish->body != NULL ? "POST" : "GET";
  if (!is_token(wish->method)) luaL_error(L, "method: `%s` is none", wish->method);
  wish->ca_file = orchlua_option_text(L, "ca_file", NULL);
  wish->limit = orchlua_option_count(L, "limit", BODY_LIMIT);
  uint64_t timeout = orchlua_option_seconds(L, "connect_timeout", CONNECT_TIMEOUT);
  wish->connect_timeout = timeout > INT_MAX ? INT_MAX : timeout == 0 ? 1 : timeout; /* 0 would be libcurl's default */
}

/* What a header of the caller's stands in for. */
static unsigned meaning_of(const char *name)
{
  static const struct { const char *name; unsigned meaning; } names[] = {
    { "Content-Type", HAS_TYPE }, { "User-Agent", HAS_AGENT }, { "Accept", HAS_ACCEPT },
    { "Host", HAS_SPECIAL }, { "Content-Length", HAS_SPECIAL }, { "Transfer-Encoding", HAS_SPECIAL }, { "Connection", HAS_SPECIAL },
    { "Expect", HAS_SPECIAL }, { "Upgrade", HAS_SPECIAL }, { "TE", HAS_SPECIAL }, { "Trailer", HAS_SPECIAL }
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcasecmp(name, names[i].name) == 0) return names[i].meaning;
  }
  return 0;
}

/* Checks the header `{name, value}` on the top of the stack; gives what it stands in for. */
static unsigned check_header(lua_State *L)
{
  if (lua_type(L, -1) != LUA_TTABLE) luaL_error(L, "headers: expected {name, value}, got %s", luaL_typename(L, -1));
  int name_type = lua_rawgeti(L, -1, 1), text_type = lua_rawgeti(L, -2, 2);
  if (name_type != LUA_TSTRING || text_type != LUA_TSTRING) luaL_error(L, "headers: expected {name, value}, both strings");
  const char *name = lua_tostring(L, -2), *text = lua_tostring(L, -1);
  if (strlen(name) != lua_rawlen(L, -2) || !is_token(name)) luaL_error(L, "headers: `%s` is no name of a header", name);
  if (strlen(text) != lua_rawlen(L, -1) || strpbrk(text, "\r\n") != NULL)
    luaL_error(L, "headers: the value of `%s` contains a line break or a zero byte", name);
  unsigned meaning = meaning_of(name);
  lua_pop(L, 2);
  return meaning;
}

/* Leaves the list of headers at `HEADERS_INDEX`, checked; gives what they stand in for. */
static unsigned read_headers(lua_State *L)
{
  unsigned named = 0;
  lua_settop(L, HEADERS_INDEX - 1);
  int type = lua_getfield(L, 2, "headers");
  if (type != LUA_TNIL && type != LUA_TTABLE) luaL_error(L, "headers: expected a list of {name, value}");
  lua_Unsigned count = lua_rawlen(L, HEADERS_INDEX);
  for (lua_Unsigned i = 1; i <= count; i++) {
    lua_rawgeti(L, HEADERS_INDEX, (lua_Integer)i);
    named |= check_header(L);
    lua_pop(L, 1);
  }
  return named;
}

static bool add_text(struct buffer *lines, const char *text) { return orchlua_append(lines, text, strlen(text)); }

/* Adds the line of the header on the top of the stack. */
static bool add_line(lua_State *L, struct buffer *lines)
{
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  const char *text = lua_tostring(L, -1);
  text += strspn(text, " \t");
  bool ok = add_text(lines, lua_tostring(L, -2)) && add_text(lines, *text != '\0' ? ": " : ":") && add_text(lines, text) && add_text(lines, "\r\n");
  lua_pop(L, 2);
  return ok;
}

/* Writes the checked headers down. False when there is no memory. */
static bool take_headers(lua_State *L, struct buffer *lines)
{
  bool ok = true;
  lua_Unsigned count = lua_rawlen(L, HEADERS_INDEX);
  for (lua_Unsigned i = 1; i <= count && ok; i++) {
    lua_rawgeti(L, HEADERS_INDEX, (lua_Integer)i);
    ok = add_line(L, lines);
    lua_pop(L, 1);
  }
  return ok;
}

/* Sends the request; NULL, or why it could not. */
static const char *send_request(lua_State *L, struct loop *loop, struct request *request, const struct wish *wish)
{
  struct web *web = orchlua_web(loop);
  if (web == NULL || !take_headers(L, &request->lines)) return "not enough memory";
  request->sent = wish->body;
  request->sent_size = wish->body_size;
  const char *problem = orchlua_take_template(web, request, wish);
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
  unsigned named = read_headers(L);
  wish.is_special = (named & HAS_SPECIAL) != 0;
  struct request *request = orchlua_new_handle(L, &orchlua_request, sizeof *request);
  request->limit = wish.limit;
  request->named = named;
  lua_pushvalue(L, BODY_INDEX); /* it is not copied */
  lua_setiuservalue(L, -2, 2);
  const char *problem = send_request(L, loop, request, &wish);
  if (problem == NULL) return 1;
  orchlua_discard(L);
  return orchlua_failure(L, "transport", "cannot send the request: %s", problem);
}

/* The handle ------------------------------------------------------------------- */

static void request_end(struct handle *handle)
{
  struct request *request = (struct request *)handle;
  orchlua_web_end(request);
  if (request->template != NULL) orchlua_leave_template(&handle->loop->web->pool, request->template);
  request->template = NULL;
  orchlua_release(&request->lines);
  orchlua_release(&request->head);
  orchlua_release(&request->body);
  free(request->problem);
  request->problem = NULL;
}

/* Pushes nil and the error: `unsent` is true in it when no byte was sent. */
static int push_failure(lua_State *L, const struct request *request)
{
  const char *problem = request->problem != NULL ? request->problem : "not enough memory";
  orchlua_failure(L, request->fault == TOO_LARGE ? "limit" : "transport", "%s", problem);
  if (request->fault != NOT_SENT) return 2;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "unsent");
  return 2;
}

/* The address that the answer came from. */
static const char *address_of(const struct template *template)
{
  return template->server != NULL ? template->wish.url : template->address;
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
  while (text < end && is_blank(*text)) text++;
  while (end > text && strchr(" \t\r\n", end[-1]) != NULL) end--;
  while (colon > line && is_blank(colon[-1])) colon--;
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

/* The head has come: -1. Else what the method returns: it waits for it, or there is none. */
static int look_for_head(lua_State *L, struct request *request, lua_KFunction again)
{
  if (!request->handle.open) return orchlua_cancelled(L, &request->handle);
  if (request->has_head) return -1;
  return request->state != ENDED ? await(L, request, WANT_HEAD, again) : push_failure(L, request);
}

/* handle:status(): a number, or nil and an error. */
static int status_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct request *request = orchlua_check_handle(L);
  int missing = look_for_head(L, request, status_again);
  if (missing >= 0) return missing;
  lua_pushinteger(L, request->status);
  return 1;
}

/* handle:head(): `{status =, headers =, url =}`, or nil and an error. */
static int head_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct request *request = orchlua_check_handle(L);
  int missing = look_for_head(L, request, head_again);
  if (missing >= 0) return missing;
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, request->status);
  lua_setfield(L, -2, "status");
  lua_pushstring(L, address_of(request->template));
  lua_setfield(L, -2, "url");
  push_headers(L, &request->head);
  lua_setfield(L, -2, "headers");
  return 1;
}

/* Pushes what has come of the body and takes it out of the buffer. */
static int push_body(lua_State *L, struct request *request)
{
  orchlua_push_text(L, request->body.data, request->body.size);
  if (request->body.capacity > KEPT_BUFFER) orchlua_release(&request->body);
  request->body.size = 0;
  orchlua_web_go_on(request);
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
  if (request->fault != NO_FAULT) return push_failure(L, request);
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
  orchlua_web_go_on(request);
  if (request->state != ENDED) return await(L, request, WANT_WHOLE, body_again);
  if (request->fault != NO_FAULT) return push_failure(L, request);
  return push_body(L, request);
}

static int request_status(lua_State *L) { return status_again(L, LUA_OK, 0); }
static int request_head(lua_State *L) { return head_again(L, LUA_OK, 0); }
static int request_read(lua_State *L) { return read_again(L, LUA_OK, 0); }
static int request_body(lua_State *L) { return body_again(L, LUA_OK, 0); }

static const luaL_Reg methods[] = {
  { "status", request_status }, { "head", request_head }, { "read", request_read }, { "body", request_body }, { NULL, NULL }
};

const struct kind orchlua_request = { "orchlua.request", methods, request_end, NULL };
