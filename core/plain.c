/* Requests of HTTP/1.1 that go straight to a server over TCP, without libcurl: to `http` addresses whose host is a number
 * or `localhost`, when there is no proxy and no password. So most model servers of one's own are asked; a request costs
 * about a quarter of what it costs through libcurl.
 *
 * A connection is used for one request after another; idle ones are kept for a while, and read from, so that one which
 * the server closes is known at once. */
#include "target.h"
#include "web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
  KEPT = 512,         /* idle connections; when there are more, the one that is idle longest is closed */
  KEPT_FOR = 60000,   /* ms that one is kept idle */
  ROOM = 64 * 1024    /* bytes read at once */
};

LIST_HEAD(connection_list, connection);
TAILQ_HEAD(connection_queue, connection);

/* A host and a port of it. */
struct server {
  struct plain *plain;
  char *name; /* `host:port` */
  union address addresses[TARGET_ADDRESSES]; /* tried one after another */
  size_t count;
  size_t uses; /* by templates and connections */
  struct connection_list idle; /* the one used last comes first */
  LIST_ENTRY(server) entry;
};

LIST_HEAD(server_list, server);

struct plain {
  uv_loop_t *uv;
  uv_timer_t *clock; /* when the first connection's time is up */
  uint64_t due;      /* when that is, if the clock is started */
  struct server_list servers;
  struct connection_list connecting;
  struct connection_queue idle; /* the one that is idle longest comes first */
  size_t idle_count;
  char room[ROOM];
};

struct connection {
  uv_tcp_t tcp;
  uv_connect_t connect;
  uv_write_t write;
  struct server *server;
  struct request *request; /* what it is used for, NULL while idle */
  struct answer answer;
  size_t address;    /* the number of the one it is connected to */
  uint64_t deadline; /* to be connected, or to be used again */
  bool is_connected;
  bool is_writing; /* some of the request is not sent yet */
  bool is_used;    /* for requests before this one */
  bool has_come;   /* some of the answer has */
  LIST_ENTRY(connection) entry; /* in `connecting`, or among the server's idle ones */
  TAILQ_ENTRY(connection) queue; /* in the queue of all idle ones */
};

static void open_connection(struct server *server, struct request *request, size_t address);

/* Servers -------------------------------------------------------------------------- */

static struct server *find_server(const struct plain *plain, const char *name)
{
  struct server *server;
  LIST_FOREACH(server, &plain->servers, entry) if (strcmp(server->name, name) == 0) break;
  return server;
}

static struct server *new_server(struct plain *plain, const char *name)
{
  struct server *server = calloc(1, sizeof *server);
  if (server == NULL) return NULL;
  server->name = strdup(name);
  if (server->name == NULL) {
    free(server);
    return NULL;
  }
  server->plain = plain;
  LIST_INSERT_HEAD(&plain->servers, server, entry);
  return server;
}

static void leave_server(struct server *server)
{
  if (--server->uses > 0) return;
  LIST_REMOVE(server, entry);
  free(server->name);
  free(server);
}

/* Who can be asked ------------------------------------------------------------------- */

/* Whether the environment names a proxy, as libcurl reads it. */
static bool has_proxy(void)
{
  static const char *const names[] = { "http_proxy", "all_proxy", "ALL_PROXY" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *proxy = getenv(names[i]);
    if (proxy != NULL && proxy[0] != '\0') return true;
  }
  return false;
}

/* Writes the request line and the header `Host` down. */
static bool write_start(struct template *template, const struct target *target)
{
  bool is_v6 = strchr(target->host, ':') != NULL;
  char port[16] = "";
  if (target->port != TARGET_PORT) snprintf(port, sizeof port, ":%d", target->port);
  int size = asprintf(&template->start, "%s %s HTTP/1.1\r\nHost: %s%s%s%s\r\n", template->wish.method, target->path, is_v6 ? "[" : "",
                      target->host, is_v6 ? "]" : "", port);
  if (size < 0) template->start = NULL;
  return size >= 0;
}

bool orchlua_set_plain(struct plain *plain, struct template *template)
{
  struct target target;
  char name[sizeof target.host + 16];
  const struct wish *wish = &template->wish;
  if (wish->is_special || has_proxy() || !orchlua_read_target(&target, wish->url)) return true;
  bool is_v6 = strchr(target.host, ':') != NULL;
  snprintf(name, sizeof name, is_v6 ? "[%s]:%d" : "%s:%d", target.host, target.port);
  if (!write_start(template, &target)) return false;
  struct server *server = find_server(plain, name);
  if (server == NULL) server = new_server(plain, name);
  if (server == NULL) return false;
  memcpy(server->addresses, target.addresses, sizeof target.addresses);
  server->count = target.count;
  server->uses++;
  template->server = server;
  return true;
}

void orchlua_unset_plain(struct template *template)
{
  if (template->server != NULL) leave_server(template->server);
  free(template->start);
}

const char *orchlua_plain_host(const struct template *template) { return template->server->name; }

/* Closing connections ---------------------------------------------------------------- */

static void free_connection(uv_handle_t *handle)
{
  struct connection *connection = handle->data;
  orchlua_answer_free(&connection->answer);
  free(connection);
}

/* Takes a connection out of the idle ones. */
static void take_from_idle(struct connection *connection)
{
  struct plain *plain = connection->server->plain;
  LIST_REMOVE(connection, entry);
  TAILQ_REMOVE(&plain->idle, connection, queue);
  plain->idle_count--;
}

/* Closes a connection, whatever it is used for. Its request has it no more. */
static void close_connection(struct connection *connection)
{
  if (!connection->is_connected) LIST_REMOVE(connection, entry);
  else if (connection->request == NULL) take_from_idle(connection);
  if (connection->request != NULL) connection->request->connection = NULL;
  connection->request = NULL;
  leave_server(connection->server);
  uv_close((uv_handle_t *)&connection->tcp, free_connection);
}

/* The request has failed, and says why. */
static void give_up(struct connection *connection)
{
  struct request *request = connection->request;
  close_connection(connection);
  orchlua_request_over(request);
}

static void fail(struct connection *connection, const char *reason)
{
  orchlua_request_fail(connection->request, BROKEN, "%s: %s", connection->server->name, reason);
  give_up(connection);
}

/* Time ------------------------------------------------------------------------------- */

static void on_clock(uv_timer_t *clock);

/* Lets the clock ring no later than so. */
static void set_clock(struct plain *plain, uint64_t deadline)
{
  if (uv_is_active((uv_handle_t *)plain->clock) && plain->due <= deadline) return;
  uint64_t now = uv_now(plain->uv);
  plain->due = deadline;
  uv_timer_start(plain->clock, on_clock, deadline > now ? deadline - now : 0, 0);
}

static void connect_failed(struct connection *connection, const char *reason);

/* Ends what has taken too long, and sets the clock for what is next. */
static void on_clock(uv_timer_t *clock)
{
  struct plain *plain = clock->data;
  struct connection *connection, *next;
  uint64_t now = uv_now(plain->uv);
  for (connection = LIST_FIRST(&plain->connecting); connection != NULL; connection = next) {
    next = LIST_NEXT(connection, entry);
    if (connection->deadline <= now) connect_failed(connection, "it takes too long");
  }
  while ((connection = TAILQ_FIRST(&plain->idle)) != NULL && connection->deadline <= now) close_connection(connection);
  LIST_FOREACH(connection, &plain->connecting, entry) set_clock(plain, connection->deadline);
  if ((connection = TAILQ_FIRST(&plain->idle)) != NULL) set_clock(plain, connection->deadline);
}

/* What comes ------------------------------------------------------------------------- */

/* The answer is whole: the connection is kept for another request, when it can be. */
static void finish(struct connection *connection, bool is_clean)
{
  struct plain *plain = connection->server->plain;
  struct request *request = connection->request;
  if (!is_clean || !connection->answer.keeps || connection->is_writing) {
    give_up(connection);
    return;
  }
  request->connection = NULL;
  connection->request = NULL;
  connection->is_used = true;
  orchlua_answer_free(&connection->answer);
  connection->deadline = uv_now(plain->uv) + KEPT_FOR;
  LIST_INSERT_HEAD(&connection->server->idle, connection, entry);
  TAILQ_INSERT_TAIL(&plain->idle, connection, queue);
  if (++plain->idle_count > KEPT) close_connection(TAILQ_FIRST(&plain->idle));
  uv_unref((uv_handle_t *)&connection->tcp);
  set_clock(plain, uv_now(plain->uv) + KEPT_FOR);
  orchlua_request_over(request);
}

/* Hands the bytes on to the request. */
static void take(struct connection *connection, struct bytes given)
{
  struct request *request = connection->request;
  for (;;) {
    struct bytes found;
    bool is_taken = true;
    switch (orchlua_answer_read(&connection->answer, &given, &found)) {
    case ANSWER_MORE:
      if (request->paused) uv_read_stop((uv_stream_t *)&connection->tcp);
      return;
    case ANSWER_LINE:
      is_taken = orchlua_request_line(request, found);
      break;
    case ANSWER_BODY:
      is_taken = orchlua_request_piece(request, found);
      break;
    case ANSWER_END:
      finish(connection, given.size == 0);
      return;
    case ANSWER_BROKEN:
      fail(connection, connection->answer.problem);
      return;
    }
    if (!is_taken) {
      give_up(connection);
      return;
    }
  }
}

/* Asks again on a new connection: the server has closed one that was used before, without a byte of an answer.
 * So it does with a connection that it has kept for long enough (RFC 9110, section 9.2.2; RFC 9112, section 9.3.1). */
static void ask_again(struct connection *connection)
{
  struct server *server = connection->server;
  struct request *request = connection->request;
  server->uses++; /* while no connection of it may be there */
  close_connection(connection);
  open_connection(server, request, 0);
  leave_server(server);
}

/* libuv takes a connection that was reset for one that has come to its end, when bytes came before. An answer that lasts
 * as long as its connection is not whole then. */
static int end_of(const struct connection *connection)
{
  uv_os_fd_t file;
  int number = 0;
  socklen_t size = sizeof number;
  if (uv_fileno((const uv_handle_t *)&connection->tcp, &file) != 0) return UV_EOF;
  if (getsockopt(file, SOL_SOCKET, SO_ERROR, &number, &size) != 0 || number == 0) return UV_EOF;
  return uv_translate_sys_error(number);
}

/* The connection has broken, or come to its end. */
static void take_end(struct connection *connection, int status)
{
  if (connection->request == NULL) close_connection(connection);
  else if (connection->is_used && !connection->has_come) ask_again(connection);
  else if (status != UV_EOF) fail(connection, uv_strerror(status));
  else if (orchlua_answer_close(&connection->answer) == ANSWER_END) finish(connection, true);
  else fail(connection, connection->has_come ? connection->answer.problem : "the server closed the connection without an answer");
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
  struct connection *connection = stream->data;
  if (size == 0) return;
  if (size < 0 || connection->request == NULL) {
    take_end(connection, size == UV_EOF ? end_of(connection) : (int)size);
    return;
  }
  connection->has_come = true;
  take(connection, (struct bytes){ room->base, (size_t)size });
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
  (void)suggested;
  struct connection *connection = handle->data;
  *room = uv_buf_init(connection->server->plain->room, ROOM);
}

/* What is sent ----------------------------------------------------------------------- */

enum { PARTS = 3 };

/* A failure shows where the answer is read as well. */
static void on_written(uv_write_t *write, int status)
{
  struct connection *connection = write->data;
  if (status == 0) connection->is_writing = false;
}

/* Sends what is left behind `sent` bytes of the parts. */
static int write_rest(struct connection *connection, uv_buf_t parts[PARTS], size_t sent)
{
  size_t i = 0;
  while (i < PARTS && sent >= parts[i].len) sent -= parts[i++].len;
  if (i == PARTS) return 0;
  parts[i].base += sent;
  parts[i].len -= sent;
  connection->is_writing = true;
  connection->write.data = connection;
  return uv_write(&connection->write, (uv_stream_t *)&connection->tcp, parts + i, (unsigned)(PARTS - i), on_written);
}

/* Sends the request of a connection. */
static void send_request(struct connection *connection)
{
  struct request *request = connection->request;
  char *start = request->template->start, *body = (char *)(uintptr_t)request->sent;
  uv_buf_t parts[PARTS] = {
    { .base = start, .len = strlen(start) },
    { .base = request->lines.data, .len = request->lines.size },
    { .base = body, .len = request->sent_size },
  };
  connection->has_come = false;
  orchlua_answer_begin(&connection->answer, strcmp(request->template->wish.method, "HEAD") == 0);
  int sent = uv_try_write((uv_stream_t *)&connection->tcp, parts, PARTS);
  if (sent == UV_EAGAIN) sent = 0;
  int status = sent < 0 ? sent : write_rest(connection, parts, (size_t)sent);
  if (status < 0) take_end(connection, status);
}

/* Opening connections ---------------------------------------------------------------- */

/* Tries the next address of the server, or fails. */
static void connect_failed(struct connection *connection, const char *reason)
{
  struct server *server = connection->server;
  struct request *request = connection->request;
  size_t next = connection->address + 1;
  server->uses++;
  close_connection(connection);
  if (next < server->count) {
    open_connection(server, request, next);
  } else {
    orchlua_request_fail(request, NOT_SENT, "cannot connect to %s: %s", server->name, reason);
    orchlua_request_over(request);
  }
  leave_server(server);
}

static void on_connect(uv_connect_t *connect, int status)
{
  struct connection *connection = connect->data;
  if (status == UV_ECANCELED) return; /* it is closed already */
  if (status == 0) status = uv_read_start((uv_stream_t *)&connection->tcp, on_room, on_read);
  if (status != 0) {
    connect_failed(connection, uv_strerror(status));
    return;
  }
  LIST_REMOVE(connection, entry);
  connection->is_connected = true;
  uv_tcp_nodelay(&connection->tcp, 1);
  uv_tcp_keepalive(&connection->tcp, 1, KEPT_FOR / 1000);
  send_request(connection);
}

static struct connection *new_connection(struct server *server, struct request *request, size_t address)
{
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return NULL;
  uv_tcp_init(server->plain->uv, &connection->tcp);
  connection->tcp.data = connection->connect.data = connection;
  connection->server = server;
  connection->request = request;
  connection->address = address;
  server->uses++;
  request->connection = connection;
  return connection;
}

/* Idle connections make room where too many files are open. */
static int connect_to(struct connection *connection, const struct sockaddr *address)
{
  for (;;) {
    int status = uv_tcp_connect(&connection->connect, &connection->tcp, address, on_connect);
    struct connection *idle = TAILQ_FIRST(&connection->server->plain->idle);
    if (status != UV_EMFILE || idle == NULL) return status;
    close_connection(idle);
  }
}

/* Opens a connection for a request, to one of the server's addresses. Each has its part of the time that is allowed. */
static void open_connection(struct server *server, struct request *request, size_t address)
{
  struct plain *plain = server->plain;
  struct connection *connection = new_connection(server, request, address);
  if (connection == NULL) {
    orchlua_request_fail(request, NOT_SENT, "cannot connect to %s: not enough memory", server->name);
    orchlua_request_over(request);
    return;
  }
  connection->deadline = uv_now(plain->uv) + request->template->wish.connect_timeout / server->count;
  LIST_INSERT_HEAD(&plain->connecting, connection, entry);
  set_clock(plain, connection->deadline);
  int status = connect_to(connection, &server->addresses[address].any);
  if (status != 0) connect_failed(connection, uv_strerror(status));
}

/* Requests --------------------------------------------------------------------------- */

static bool add_line(struct buffer *lines, const char *line) { return orchlua_append(lines, line, strlen(line)); }

/* Adds the headers that are ours, and the empty line behind all. */
static bool end_lines(struct request *request)
{
  char length[64] = "\r\n";
  struct buffer *lines = &request->lines;
  if (orchlua_has_body(&request->template->wish)) snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", request->sent_size);
  return ((request->named & HAS_AGENT) != 0 || add_line(lines, "User-Agent: orchlua\r\n")) &&
         ((request->named & HAS_ACCEPT) != 0 || add_line(lines, "Accept: */*\r\n")) && add_line(lines, length);
}

/* Whether nothing has come on an idle connection, not even its end. What has come since it was read from last
 * would be taken for the answer to the next request. */
static bool is_quiet(const struct connection *connection)
{
  uv_os_fd_t file;
  char byte;
  if (uv_fileno((const uv_handle_t *)&connection->tcp, &file) != 0) return false;
  return recv(file, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* The server's idle connection that was used last; NULL when there is none. */
static struct connection *find_idle(struct server *server)
{
  struct connection *connection;
  while ((connection = LIST_FIRST(&server->idle)) != NULL && !is_quiet(connection)) close_connection(connection);
  return connection;
}

void orchlua_plain_start(struct request *request)
{
  struct server *server = request->template->server;
  struct connection *connection = find_idle(server);
  if (!end_lines(request)) {
    orchlua_request_fail(request, NOT_SENT, "%s: not enough memory", server->name);
    orchlua_request_over(request);
  } else if (connection == NULL) {
    open_connection(server, request, 0);
  } else {
    take_from_idle(connection);
    uv_ref((uv_handle_t *)&connection->tcp);
    connection->request = request;
    request->connection = connection;
    send_request(connection);
  }
}

void orchlua_plain_stop(struct request *request) { close_connection(request->connection); }

void orchlua_plain_go_on(struct request *request)
{
  struct connection *connection = request->connection;
  int status = uv_read_start((uv_stream_t *)&connection->tcp, on_room, on_read);
  if (status != 0 && status != UV_EALREADY) fail(connection, uv_strerror(status));
}

/* All connections of a loop ------------------------------------------------------------ */

struct plain *orchlua_new_plain(struct loop *loop)
{
  struct plain *plain = malloc(sizeof *plain);
  if (plain == NULL) return NULL;
  plain->clock = malloc(sizeof *plain->clock);
  if (plain->clock == NULL) {
    free(plain);
    return NULL;
  }
  plain->uv = &loop->uv;
  uv_timer_init(plain->uv, plain->clock);
  uv_unref((uv_handle_t *)plain->clock);
  plain->clock->data = plain;
  plain->idle_count = 0;
  LIST_INIT(&plain->servers);
  LIST_INIT(&plain->connecting);
  TAILQ_INIT(&plain->idle);
  return plain;
}

static void free_clock(uv_handle_t *clock) { free(clock); }

void orchlua_close_plain(struct plain *plain)
{
  struct connection *connection;
  while ((connection = TAILQ_FIRST(&plain->idle)) != NULL) close_connection(connection);
  uv_close((uv_handle_t *)plain->clock, free_clock);
  free(plain);
}
