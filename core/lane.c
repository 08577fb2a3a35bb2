/* How libcurl and libuv work together: libcurl's multi interface tells which sockets and which time it waits for, libuv waits for them.
 * The more connections a multi handle has, the longer libcurl looks for one: so requests are spread over lanes, each with a
 * multi handle and connections of its own. A request goes into the first lane with room: few requests share few connections. */
#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  LANE = 64,         /* requests at a time */
  CONNECTIONS = 256, /* of a lane, those kept open for further requests among them */
  KEPT_LANES = 16    /* also when nothing is asked in them */
};

struct lane {
  struct web *web;
  CURLM *multi;
  uv_timer_t timer;
  size_t active; /* requests that were started here */
  bool failed;   /* there was no memory to watch a socket */
  struct lane *next;
};

/* A socket that libcurl waits for. */
struct watch {
  uv_poll_t poll;
  struct lane *lane;
  curl_socket_t socket;
  int events; /* of libuv's */
};

/* Failures ------------------------------------------------------------------------ */

/* Why there is no connection. */
static const char *connect_reason(const struct request *request, CURLcode code)
{
  long number = 0;
  orchlua_curl()->easy_getinfo(request->easy.curl, CURLINFO_OS_ERRNO, &number);
  if (number == 0) number = request->easy.trouble->no_socket;
  return number != 0 ? uv_strerror(uv_translate_sys_error((int)number)) : orchlua_curl()->easy_strerror(code);
}

static void note_failure(struct request *request, CURLcode code)
{
  char host[HOST_TEXT];
  orchlua_request_host(request, host);
  const char *detail = request->easy.curl != NULL ? request->easy.trouble->detail : "";
  if (detail[0] == '\0') detail = orchlua_curl()->easy_strerror(code);
  switch (code) {
  case CURLE_OUT_OF_MEMORY:
    orchlua_request_fail(request, BROKEN, "%s: not enough memory", host);
    return;
  case CURLE_COULDNT_RESOLVE_HOST:
    orchlua_request_fail(request, NOT_SENT, "cannot find the address of %.*s", (int)(strrchr(host, ':') - host), host);
    return;
  case CURLE_COULDNT_CONNECT:
    orchlua_request_fail(request, NOT_SENT, "cannot connect to %s: %s", host, connect_reason(request, code));
    return;
  case CURLE_OPERATION_TIMEDOUT:
    orchlua_request_fail(request, NOT_SENT, "cannot connect to %s: it takes too long", host);
    return;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
    orchlua_request_fail(request, NOT_SENT, "no TLS with %s: %s", host, detail);
    return;
  default:
    orchlua_request_fail(request, BROKEN, "%s: %s", host, detail);
  }
}

/* Requests that are over --------------------------------------------------------- */

static void finish_requests(struct lane *lane)
{
  CURLMsg *message;
  int left;
  while ((message = orchlua_curl()->multi_info_read(lane->multi, &left)) != NULL) {
    struct request *request = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    CURLcode code = message->data.result;
    orchlua_curl()->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    if (code != CURLE_OK) note_failure(request, code);
    orchlua_request_over(request);
  }
}

static void fail_request(struct request *request)
{
  note_failure(request, CURLE_OUT_OF_MEMORY);
  orchlua_request_over(request);
}

/* Fails every request of a lane. */
static void fail_requests(struct lane *lane)
{
  struct handle *handle;
  lane->failed = false;
  LIST_FOREACH(handle, &lane->web->loop->handles, entry) {
    struct request *request = (struct request *)handle;
    if (handle->kind == &orchlua_request && request->lane == lane) fail_request(request);
  }
}

/* Sockets and time --------------------------------------------------------------- */

static void free_watch(uv_handle_t *handle) { free(handle->data); }

static void close_surplus(struct web *web);

/* Where libcurl, or we for it, had no memory, nobody knows which requests still go on. The lane may be gone afterwards. */
static void act(struct lane *lane, curl_socket_t file, int events)
{
  int running;
  CURLMcode code = orchlua_curl()->multi_socket_action(lane->multi, file, events, &running);
  finish_requests(lane);
  if (code != CURLM_OK || lane->failed) fail_requests(lane);
  if (lane->active == 0) close_surplus(lane->web);
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* An error of the socket's is for libcurl to read, behind what came before it; libuv has stopped watching. */
static int with_error(struct watch *watch)
{
  if (uv_poll_start(&watch->poll, watch->events, on_poll) != 0) return CURL_CSELECT_ERR;
  return CURL_CSELECT_IN | CURL_CSELECT_OUT;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
  struct watch *watch = poll->data;
  int flags = status < 0 ? with_error(watch) : 0;
  if ((events & UV_READABLE) != 0) flags |= CURL_CSELECT_IN;
  if ((events & UV_WRITABLE) != 0) flags |= CURL_CSELECT_OUT;
  act(watch->lane, watch->socket, flags);
}

static struct watch *new_watch(struct lane *lane, curl_socket_t file)
{
  struct watch *watch = malloc(sizeof *watch);
  if (watch == NULL) return NULL;
  watch->lane = lane;
  watch->socket = file;
  if (uv_poll_init_socket(&lane->web->loop->uv, &watch->poll, file) != 0) {
    free(watch);
    return NULL;
  }
  watch->poll.data = watch;
  if (orchlua_curl()->multi_assign(lane->multi, file, watch) == CURLM_OK) return watch;
  uv_close((uv_handle_t *)&watch->poll, free_watch);
  return NULL;
}

static void on_time(uv_timer_t *timer) { act(timer->data, CURL_SOCKET_TIMEOUT, 0); }

/* A socket cannot be watched. An error given to libcurl would end its whole multi handle
 * for ever, so that the requests are failed by the next `act` instead. */
static int not_watched(struct lane *lane)
{
  lane->failed = true;
  uv_timer_start(&lane->timer, on_time, 0, 0);
  return 0;
}

/* libcurl tells what it waits for at a socket. */
static int on_socket(CURL *easy, curl_socket_t file, int what, void *data, void *known)
{
  (void)easy;
  struct lane *lane = data;
  struct watch *watch = known;
  if (what == CURL_POLL_REMOVE) {
    if (watch != NULL) uv_close((uv_handle_t *)&watch->poll, free_watch);
    orchlua_curl()->multi_assign(lane->multi, file, NULL);
    return 0;
  }
  if (watch == NULL) watch = new_watch(lane, file);
  if (watch == NULL) return not_watched(lane);
  watch->events = 0;
  if (what != CURL_POLL_IN) watch->events |= UV_WRITABLE;
  if (what != CURL_POLL_OUT) watch->events |= UV_READABLE;
  return uv_poll_start(&watch->poll, watch->events, on_poll) == 0 ? 0 : not_watched(lane);
}

/* libcurl tells how long it waits at most. It must not be called back from here. */
static int on_timer_change(CURLM *multi, long milliseconds, void *data)
{
  (void)multi;
  struct lane *lane = data;
  if (milliseconds < 0) {
    uv_timer_stop(&lane->timer);
    return 0;
  }
  uv_update_time(&lane->web->loop->uv);
  uv_timer_start(&lane->timer, on_time, (uint64_t)milliseconds, 0);
  return 0;
}

/* Lanes ---------------------------------------------------------------------------- */

static struct lane *new_lane(struct web *web)
{
  struct lane *lane = calloc(1, sizeof *lane);
  if (lane == NULL) return NULL;
  lane->multi = orchlua_curl()->multi_init();
  if (lane->multi == NULL) {
    free(lane);
    return NULL;
  }
  lane->web = web;
  uv_timer_init(&web->loop->uv, &lane->timer);
  lane->timer.data = lane;
  orchlua_curl()->multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  orchlua_curl()->multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
  orchlua_curl()->multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
  orchlua_curl()->multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
  orchlua_curl()->multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
  orchlua_curl()->multi_setopt(lane->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)LANE);
  return lane;
}

static void free_lane(uv_handle_t *timer) { free(timer->data); }

static void close_lane(struct lane *lane)
{
  orchlua_curl()->multi_cleanup(lane->multi);
  uv_close((uv_handle_t *)&lane->timer, free_lane);
}

/* Closes lanes that nothing is asked in any more, and with them their connections, but for the first ones. */
static void close_surplus(struct web *web)
{
  struct lane **place = &web->lanes;
  for (size_t i = 0; *place != NULL; i++) {
    struct lane *lane = *place;
    if (i < KEPT_LANES || lane->active > 0) {
      place = &lane->next;
    } else {
      *place = lane->next;
      close_lane(lane);
    }
  }
}

/* The first lane with room; NULL when there is no memory for another. */
static struct lane *find_lane(struct web *web)
{
  struct lane **place = &web->lanes;
  while (*place != NULL && (*place)->active == LANE) place = &(*place)->next;
  if (*place == NULL) *place = new_lane(web);
  return *place;
}

void orchlua_close_lanes(struct web *web)
{
  for (struct lane *lane = web->lanes, *next; lane != NULL; lane = next) {
    next = lane->next;
    close_lane(lane);
  }
}

/* Requests in lanes ----------------------------------------------------------------- */

void orchlua_lane_start(struct web *web, struct request *request)
{
  struct lane *lane = find_lane(web);
  if (lane == NULL || !orchlua_take_easy(&web->pool, request)) {
    fail_request(request);
    return;
  }
  request->lane = lane;
  lane->active++;
  if (orchlua_curl()->multi_add_handle(lane->multi, request->easy.curl) != CURLM_OK) fail_request(request);
}

void orchlua_lane_stop(struct web *web, struct request *request)
{
  struct lane *lane = request->lane;
  request->lane = NULL;
  lane->active--;
  orchlua_curl()->multi_remove_handle(lane->multi, request->easy.curl);
  orchlua_give_easy(&web->pool, request, request->is_over && request->fault == NO_FAULT);
}

void orchlua_lane_go_on(struct request *request)
{
  CURLcode code = orchlua_curl()->easy_pause(request->easy.curl, CURLPAUSE_CONT);
  if (code == CURLE_OK) return;
  note_failure(request, code);
  orchlua_request_over(request);
}
