/* A model server that knows one answer, for the benchmarks: HTTP/1.1 with keep-alive, one
 * thread on libuv. Prints its port; ends when its standard input does.
 *   stub [--delay SECONDS] [--size BYTES] [--json]
 * `--size`: bytes of the answer's text; `--json`: the text is a JSON array of objects. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum { BACKLOG = 4096, HEAD = 16 * 1024 };

static uint64_t delay; /* ms */
static char *answer;
static size_t answer_size;

struct client {
  uv_tcp_t tcp;
  uv_timer_t timer;
  uv_write_t write;
  char head[HEAD + 1];
  size_t size, body_left;
  int closing;
};

static void die(const char *what)
{
  fprintf(stderr, "stub: %s\n", what);
  exit(1);
}

/* The answer ------------------------------------------------------------------ */

static void append(char **to, const char *text)
{
  size_t size = strlen(text);
  memcpy(*to, text, size);
  *to += size;
}

/* As much of a JSON array as `size` bytes hold, as a string inside JSON. */
static void append_objects(char **to, size_t size)
{
  const char *item = "{\\\"id\\\":12345,\\\"name\\\":\\\"some name\\\",\\\"tags\\\":[\\\"a\\\",\\\"b\\\"],\\\"score\\\":7.5}";
  append(to, "[");
  for (size_t written = 1; written < size; written += 60) {
    if (written > 1) append(to, ",");
    append(to, item);
  }
  append(to, "]");
}

static void make_answer(size_t size, int json)
{
  char *body = malloc(size * 3 + 4096), *at = body;
  if (body == NULL) die("not enough memory");
  append(&at, "{\"id\":\"1\",\"object\":\"chat.completion\",\"model\":\"stub\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
  if (json) {
    append_objects(&at, size);
  } else {
    memset(at, 'x', size);
    at += size;
  }
  append(&at, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}");
  size_t body_size = (size_t)(at - body);
  answer = malloc(body_size + 256);
  if (answer == NULL) die("not enough memory");
  int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body_size);
  memcpy(answer + head, body, body_size);
  answer_size = (size_t)head + body_size;
  free(body);
}

/* Clients --------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *timer) { free(timer->data); }

static void on_tcp_closed(uv_handle_t *tcp)
{
  struct client *client = tcp->data;
  uv_close((uv_handle_t *)&client->timer, on_timer_closed);
}

static void close_client(struct client *client)
{
  if (client->closing) return;
  client->closing = 1;
  uv_close((uv_handle_t *)&client->tcp, on_tcp_closed);
}

static void on_written(uv_write_t *write, int status)
{
  if (status < 0) close_client(write->data);
}

static void send_answer(struct client *client)
{
  uv_buf_t buffer = uv_buf_init(answer, (unsigned)answer_size);
  client->write.data = client;
  if (uv_write(&client->write, (uv_stream_t *)&client->tcp, &buffer, 1, on_written) != 0) close_client(client);
}

static void on_delay(uv_timer_t *timer) { send_answer(timer->data); }

static void reply(struct client *client)
{
  if (delay == 0) send_answer(client);
  else uv_timer_start(&client->timer, on_delay, delay, 0);
}

static size_t body_of(const char *head)
{
  const char *field = strcasestr(head, "\r\ncontent-length:");
  return field != NULL ? (size_t)strtoull(field + 17, NULL, 10) : 0;
}

/* Takes what has come: the rest of a body, or a head and what of its body came with it. */
static void take(struct client *client, const char *data, size_t size)
{
  if (client->body_left > 0) {
    client->body_left -= size < client->body_left ? size : client->body_left;
    if (client->body_left == 0) reply(client);
    return;
  }
  if (size > HEAD - client->size) {
    close_client(client);
    return;
  }
  memcpy(client->head + client->size, data, size);
  client->size += size;
  client->head[client->size] = '\0';
  char *end = strstr(client->head, "\r\n\r\n");
  if (end == NULL) return;
  end[2] = '\0';
  size_t came = client->size - (size_t)(end + 4 - client->head), body = body_of(client->head);
  client->size = 0;
  client->body_left = body > came ? body - came : 0;
  if (client->body_left == 0) reply(client);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
  static char shared[64 * 1024];
  (void)handle, (void)wanted;
  *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
  struct client *client = stream->data;
  if (size < 0) close_client(client);
  else if (size > 0) take(client, buffer->base, (size_t)size);
}

static void on_connection(uv_stream_t *server, int status)
{
  struct client *client = status == 0 ? calloc(1, sizeof *client) : NULL;
  if (client == NULL) return;
  uv_tcp_init(server->loop, &client->tcp);
  uv_timer_init(server->loop, &client->timer);
  client->tcp.data = client->timer.data = client;
  if (uv_accept(server, (uv_stream_t *)&client->tcp) != 0) {
    close_client(client);
    return;
  }
  uv_tcp_nodelay(&client->tcp, 1);
  uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_read);
}

/* Main ------------------------------------------------------------------------ */

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
  (void)stream, (void)buffer;
  if (size < 0) exit(0);
}

static void raise_limit(void)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void listen_on(uv_loop_t *loop, uv_tcp_t *server)
{
  struct sockaddr_in address;
  struct sockaddr_storage name;
  int size = sizeof name;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(loop, server);
  if (uv_tcp_bind(server, (struct sockaddr *)&address, 0) != 0) die("cannot bind");
  if (uv_listen((uv_stream_t *)server, BACKLOG, on_connection) != 0) die("cannot listen");
  uv_tcp_getsockname(server, (struct sockaddr *)&name, &size);
  printf("%d\n", ntohs(((struct sockaddr_in *)&name)->sin_port));
  fflush(stdout);
}

int main(int count, char **arguments)
{
  size_t size = 12;
  int json = 0;
  for (int i = 1; i < count; i++) {
    if (strcmp(arguments[i], "--json") == 0) json = 1;
    else if (i + 1 == count) die("usage: stub [--delay SECONDS] [--size BYTES] [--json]");
    else if (strcmp(arguments[i], "--delay") == 0) delay = (uint64_t)(strtod(arguments[++i], NULL) * 1000);
    else if (strcmp(arguments[i], "--size") == 0) size = strtoull(arguments[++i], NULL, 10);
    else die("usage: stub [--delay SECONDS] [--size BYTES] [--json]");
  }
  static uv_tcp_t server;
  static uv_pipe_t input;
  uv_loop_t *loop = uv_default_loop();
  raise_limit();
  make_answer(size, json);
  listen_on(loop, &server);
  uv_pipe_init(loop, &input, 0);
  uv_pipe_open(&input, 0);
  uv_read_start((uv_stream_t *)&input, on_alloc, on_input);
  return uv_run(loop, UV_RUN_DEFAULT);
}
