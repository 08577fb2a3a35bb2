/* What HTTP has in one loop: which requests are started when, and by which of the two that carry them. */
#include "web.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

enum { STARTS = 64 }; /* requests that are started in a turn: a fast server needs few connections for many */

/* Once in a process. A thread of libcurl's that looks a name up may outlive its
 * loop, so this library and what it needs stay loaded. */
static void stay_loaded(void)
{
  Dl_info self;
  if (dladdr(&orchlua_request, &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static void free_uv(uv_handle_t *handle) { free(handle); }

static struct web *new_web(struct loop *loop)
{
  struct web *web = calloc(1, sizeof *web);
  if (web == NULL) return NULL;
  web->starter = malloc(sizeof *web->starter);
  web->plain = web->starter != NULL ? orchlua_new_plain(loop) : NULL;
  if (web->plain == NULL) {
    free(web->starter);
    free(web);
    return NULL;
  }
  uv_idle_init(&loop->uv, web->starter);
  web->starter->data = web;
  web->loop = loop;
  return web;
}

struct web *orchlua_web(struct loop *loop)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (loop->web != NULL) return loop->web;
  pthread_once(&once, stay_loaded);
  return loop->web = new_web(loop);
}

void orchlua_close_web(struct loop *loop)
{
  struct web *web = loop->web;
  if (web == NULL) return;
  loop->web = NULL;
  orchlua_clear_easy(&web->pool);
  orchlua_clear_templates(&web->pool);
  orchlua_close_lanes(web);
  orchlua_close_plain(web->plain);
  uv_close((uv_handle_t *)web->starter, free_uv);
  free(web);
}

/* Starting and ending requests -------------------------------------------------------- */

static void append_waiting(struct web *web, struct request *request)
{
  request->state = WAITS;
  request->previous = web->last;
  request->next = NULL;
  if (web->last != NULL) web->last->next = request;
  else web->first = request;
  web->last = request;
}

static void remove_waiting(struct web *web, struct request *request)
{
  request->state = IS_NEW;
  if (request->previous != NULL) request->previous->next = request->next;
  else web->first = request->next;
  if (request->next != NULL) request->next->previous = request->previous;
  else web->last = request->previous;
}

static void start(struct web *web, struct request *request)
{
  remove_waiting(web, request);
  request->state = GOES;
  if (request->template->server != NULL) orchlua_plain_start(request);
  else orchlua_lane_start(web, request);
}

/* Starts the next requests: a bounded number of them, so that those which are answered soon leave their
 * connections to others. (A timer of 0 ms is no way to say "in the next turn": libuv before 1.45 calls it again
 * in the same one.) */
static void on_start(uv_idle_t *starter)
{
  struct web *web = starter->data;
  for (int i = 0; i < STARTS && web->first != NULL; i++) start(web, web->first);
  if (web->first == NULL) uv_idle_stop(starter);
}

void orchlua_web_start(struct request *request)
{
  struct web *web = request->handle.loop->web;
  if (web->first == NULL) uv_idle_start(web->starter, on_start);
  append_waiting(web, request);
}

void orchlua_web_end(struct request *request)
{
  struct web *web = request->handle.loop->web;
  if (request->state == WAITS) remove_waiting(web, request);
  if (request->connection != NULL) orchlua_plain_stop(request);
  if (request->lane != NULL) orchlua_lane_stop(web, request);
  request->state = ENDED;
}

void orchlua_web_go_on(struct request *request)
{
  if (!request->paused) return;
  request->paused = false;
  if (request->connection != NULL) orchlua_plain_go_on(request);
  if (request->lane != NULL) orchlua_lane_go_on(request);
}
