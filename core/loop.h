/* Private to the files of the loop: loop.c and one file for each kind of
 * handle (timer, signal, watch, process, http, database). libuv's and libcurl's callbacks only
 * fill C structs and call `orchlua_ready`; Lua is entered from `loop:turn`
 * alone, after libuv has returned, in the order in which things got ready. */
#ifndef ORCHLUA_LOOP_H
#define ORCHLUA_LOOP_H

#include "buffer.h"
#include "core.h"

#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

struct handle;
struct child;
struct web;

/* What a kind of handle is. Its methods and its metatable's functions have
 * the kind as their first upvalue, and the handle as their first argument. */
struct kind {
  const char *name; /* in the registry, and in messages */
  const luaL_Reg *methods;
  /* Ends the work and frees what belongs to it. Called once. Never enters Lua. */
  void (*end)(struct handle *handle);
  /* What to do in the turn when it got ready and no coroutine waits, or NULL.
   * The loop is at index 1, its anchors at index 2. Must not raise. */
  void (*call)(lua_State *L, struct handle *handle);
};

/* How every handle begins: userdata whose first user value is its loop. The
 * second is the kind's own. It is listed in the loop but not anchored there:
 * a handle that nobody holds and nobody waits for is collected, and so ended. */
struct handle {
  const struct kind *kind;
  struct loop *loop;
  LIST_ENTRY(handle) entry;  /* in `loop->handles`, while it is open */
  TAILQ_ENTRY(handle) queue; /* in `loop->ready`, while it is queued */
  lua_State *waiter;         /* the coroutine that waits, NULL without one */
  int anchor;                /* what holds that coroutine, or the handle itself, in the loop's anchors */
  bool open;
  bool queued;
};

LIST_HEAD(handle_list, handle);
TAILQ_HEAD(handle_queue, handle);
LIST_HEAD(child_list, child);

/* The loop: userdata. Its user values are listed in loop.c. */
struct loop {
  uv_loop_t uv;
  uv_timer_t *limit;           /* ends the wait of a turn */
  struct handle_list handles;  /* the open ones */
  struct handle_queue ready;   /* those with something to do in Lua */
  struct child_list children;  /* processes not reaped yet, with or without a handle */
  struct web *web;             /* HTTP, NULL before the first request */
  uint64_t now;                /* in ms, as of the last turn */
  lua_Integer first, last;     /* what is deferred, in its table */
  size_t count;                /* of open handles */
  size_t signals;              /* that have come and whose callback has not run */
  bool open;
  bool turning;
  bool failed; /* an error is kept, to be raised by the turn */
};

/* The open loop at index 1; raises when it is closed. */
struct loop *orchlua_check_loop(lua_State *L);

/* Creates a handle of the loop at index 1, open and all zero, and pushes it. */
void *orchlua_new_handle(lua_State *L, const struct kind *kind, size_t size);

/* The handle at index 1 of the running method. It may be closed. */
void *orchlua_check_handle(lua_State *L);

/* Ends the handle on the top of the stack, which could not be started. */
void orchlua_discard(lua_State *L);

/* Has the loop hold the handle at `index` until it is closed: for those that no coroutine waits for. */
void orchlua_hold(lua_State *L, int index);

/* Pushes what is held for the handle by the anchors at `anchors`, and is held no more. */
void orchlua_let_go(lua_State *L, struct handle *handle, int anchors);

/* From a callback: what the handle's coroutine waits for has come. */
void orchlua_ready(struct handle *handle);

/* Waits: to be returned from a method. `again` is called when there may be
 * something new, with the stack cut to the handle; it may wait once more. */
int orchlua_await(lua_State *L, struct handle *handle, lua_KFunction again);

/* Calls the function on the top of the stack from within a turn, and keeps its error. */
void orchlua_call(lua_State *L);

/* Lets libuv run what is ready, without waiting and without entering Lua. */
void orchlua_poll(struct loop *loop);

/* Pushes nil and `{type =, message =}`, and returns 2. */
int orchlua_failure(lua_State *L, const char *type, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* What a method returns on a handle that was closed. */
int orchlua_cancelled(lua_State *L, struct handle *handle);

/* Reads seconds, 0 or more, as milliseconds, rounded up. */
uint64_t orchlua_milliseconds(lua_State *L, int index, const char *what);

/* Fields of the options at index 2. They raise on a value of another type. */
const char *orchlua_option_text(lua_State *L, const char *name, size_t *size); /* pushes; NULL when absent */
size_t orchlua_option_count(lua_State *L, const char *name, size_t otherwise);
uint64_t orchlua_option_seconds(lua_State *L, const char *name, uint64_t otherwise);
bool orchlua_option_flag(lua_State *L, const char *name);

/* The name of a signal without SIG, or NULL. */
const char *orchlua_signal_name(int number);

/* Signals every process group at once and lets nobody wait for them. */
void orchlua_kill_children(struct loop *loop);

/* Closes the connections of HTTP. Every request has ended. */
void orchlua_close_web(struct loop *loop);

extern const struct kind orchlua_timer, orchlua_signal, orchlua_process, orchlua_request, orchlua_watch, orchlua_database;

int orchlua_loop_timer(lua_State *L);
int orchlua_loop_signal(lua_State *L);
int orchlua_loop_pending_signal(lua_State *L);
int orchlua_loop_process(lua_State *L);
int orchlua_loop_request(lua_State *L);
int orchlua_loop_watch(lua_State *L);
int orchlua_loop_database(lua_State *L);

#endif
