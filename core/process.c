/* Processes: `loop:process{…}`, a handle whose `wait` returns how the program
 * ended and what it wrote. The child leads a session and group of its own, and
 * the group never outlives the call. What libuv knows of is a `struct child` on
 * the heap, which goes on without the handle until the process is reaped. */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  OUTPUT_LIMIT = 64 * 1024 * 1024,
  KEPT_ERRORS = 64 * 1024, /* bytes of standard error; twice that is a size that a buffer grows through */
  GRACE = 1000,            /* ms between SIGTERM and SIGKILL */
  LINGER = 1000            /* ms after the exit in which the output may still end */
};

struct process {
  struct handle handle;
  struct child *child; /* NULL once it is done or closed */
  struct buffer output, errors;
  size_t limit;
  uint64_t grace;
  int pid;
  int64_t status;
  int signal;
  int failure; /* of reading its output: libuv's code, or 0 */
  bool overflow;
};

struct child {
  uv_process_t process;
  uv_pipe_t input, output, errors;
  uv_timer_t timer; /* the grace after closing, or the linger after the exit */
  uv_write_t write;
  LIST_ENTRY(child) entry; /* in `loop->children` */
  struct process *owner;   /* NULL when nobody wants it any more */
  int uv_handles;          /* that are not closed yet; the last one frees this */
  bool exited;
  bool alone; /* the group was empty after the exit; its number may be another's by now */
  bool released;
  char scratch[4096]; /* takes what nobody wants */
};

/* The end of a child ------------------------------------------------------- */

static void signal_group(struct child *child, int number)
{
  if (child->process.pid > 0 && !child->alone) kill(-child->process.pid, number);
}

static void on_closed(uv_handle_t *handle)
{
  struct child *child = handle->data;
  if (--child->uv_handles == 0) free(child);
}

static void close_uv(void *handle)
{
  if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

/* Kills what is left of the group and gives everything back. */
static void release(struct child *child)
{
  if (child->released) return;
  child->released = true;
  signal_group(child, SIGKILL);
  LIST_REMOVE(child, entry);
  if (child->process.type == UV_PROCESS) close_uv(&child->process);
  else child->uv_handles--; /* it was never given to libuv */
  close_uv(&child->input);
  close_uv(&child->output);
  close_uv(&child->errors);
  close_uv(&child->timer);
}

/* Hands the result to the handle. */
static void finish(struct child *child)
{
  struct process *process = child->owner;
  child->owner = NULL;
  release(child);
  if (process == NULL) return;
  process->child = NULL;
  orchlua_ready(&process->handle);
}

static bool has_ended(struct child *child)
{
  return uv_is_closing((uv_handle_t *)&child->output) && uv_is_closing((uv_handle_t *)&child->errors);
}

static void on_linger(uv_timer_t *timer) { finish(timer->data); }

static void on_exit_of(uv_process_t *handle, int64_t status, int number)
{
  struct child *child = handle->data;
  child->exited = true;
  child->alone = kill(-handle->pid, 0) != 0 && errno == ESRCH;
  if (child->owner != NULL) {
    child->owner->status = status;
    child->owner->signal = number;
  }
  if (child->owner == NULL || has_ended(child)) finish(child);
  else uv_timer_start(&child->timer, on_linger, LINGER, 0);
}

static void on_grace(uv_timer_t *timer) { signal_group(timer->data, SIGKILL); }

/* The handle is closed: asks a running group to end, and sees to it. */
static void abandon(struct child *child, uint64_t grace)
{
  child->owner = NULL;
  close_uv(&child->input);
  if (child->exited) {
    release(child);
    return;
  }
  signal_group(child, grace == 0 ? SIGKILL : SIGTERM);
  uv_update_time(child->timer.loop);
  uv_timer_start(&child->timer, on_grace, grace, 0);
}

void orchlua_kill_children(struct loop *loop)
{
  struct child *child;
  LIST_FOREACH(child, &loop->children, entry) {
    signal_group(child, SIGKILL);
  }
}

/* What goes in and comes out ------------------------------------------------ */

/* Only the end of standard error is kept; room for it twice saves moving. */
static bool reserve_errors(struct buffer *errors)
{
  if (errors->size == 2 * KEPT_ERRORS) {
    memmove(errors->data, errors->data + KEPT_ERRORS, KEPT_ERRORS);
    errors->size = KEPT_ERRORS;
  }
  return orchlua_reserve(errors, 1);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
  (void)suggested;
  struct child *child = handle->data;
  struct process *process = child->owner;
  if (process == NULL) {
    *room = uv_buf_init(child->scratch, sizeof child->scratch);
    return;
  }
  bool is_output = handle == (uv_handle_t *)&child->output;
  struct buffer *buffer = is_output ? &process->output : &process->errors;
  bool reserved = is_output ? orchlua_reserve(buffer, 1) : reserve_errors(buffer);
  room->base = reserved ? buffer->data + buffer->size : NULL;
  room->len = reserved ? buffer->capacity - buffer->size : 0;
}

/* Nothing more is read from this pipe. */
static void end_stream(struct child *child, uv_stream_t *stream)
{
  close_uv(stream);
  if (child->exited && has_ended(child)) finish(child);
}

static void take_output(struct child *child, uv_stream_t *stream)
{
  struct process *process = child->owner;
  if (process->output.size <= process->limit) return;
  process->output.size = process->limit;
  process->overflow = true;
  signal_group(child, SIGKILL);
  end_stream(child, stream);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *data)
{
  (void)data;
  struct child *child = stream->data;
  struct process *process = child->owner;
  if (count < 0) {
    if (process != NULL && count != UV_EOF) {
      process->failure = count == UV_ENOBUFS ? UV_ENOMEM : (int)count; /* `on_room` had none to give */
      signal_group(child, SIGKILL);
    }
    end_stream(child, stream);
  } else if (process != NULL && stream == (uv_stream_t *)&child->output) {
    process->output.size += (size_t)count;
    take_output(child, stream);
  } else if (process != NULL) {
    process->errors.size += (size_t)count;
  }
}

/* A child that does not read all of its input has had enough of it. */
static void on_written(uv_write_t *write, int status)
{
  (void)status;
  close_uv(write->handle);
}

/* Starting ------------------------------------------------------------------ */

/* What to run. All of it lies in Lua values on the stack. */
struct command {
  char **args, **env;
  const char *cwd;
  const char *input;
  size_t input_size;
};

static char *check_text(lua_State *L, int index, const char *what)
{
  if (lua_type(L, index) != LUA_TSTRING) luaL_error(L, "%s: expected strings, got %s", what, luaL_typename(L, index));
  const char *text = lua_tostring(L, index);
  if (strlen(text) != lua_rawlen(L, index)) luaL_error(L, "%s: a string contains a zero byte", what);
  return (char *)(uintptr_t)text;
}

/* Pushes the list of arguments and an array of pointers into it. */
static char **read_args(lua_State *L)
{
  if (lua_getfield(L, 2, "args") != LUA_TTABLE) luaL_error(L, "args: expected a table");
  lua_Integer count = luaL_len(L, -1);
  if (count < 1 || count > INT_MAX / 2) luaL_error(L, "args: expected a program and its arguments");
  char **args = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *args, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -2, i);
    args[i - 1] = check_text(L, -1, "args");
    lua_pop(L, 1); /* the table holds it */
  }
  args[count] = NULL;
  if (*args[0] == '\0') luaL_error(L, "args: the name of the program is empty");
  return args;
}

/* The table on the top of the stack as `NAME=value`, added to the list under it. */
static lua_Integer add_variables(lua_State *L, lua_Integer count)
{
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    const char *name = check_text(L, -2, "env");
    const char *text = check_text(L, -1, "env");
    if (*name == '\0' || strchr(name, '=') != NULL) luaL_error(L, "env: `%s` is no name of a variable", name);
    lua_pushfstring(L, "%s=%s", name, text);
    lua_rawseti(L, -5, ++count);
    lua_pop(L, 1);
  }
  return count;
}

/* Adds the variables of our own environment that the table on the top of the
 * stack does not name. */
static lua_Integer add_inherited(lua_State *L, lua_Integer count)
{
  for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
    const char *end = strchr(*variable, '=');
    if (end == NULL) continue;
    lua_pushlstring(L, *variable, (size_t)(end - *variable));
    bool is_named = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 1);
    if (is_named) continue;
    lua_pushstring(L, *variable);
    lua_rawseti(L, -3, ++count);
  }
  return count;
}

/* Pushes what holds the environment; NULL is our own. */
static char **read_env(lua_State *L)
{
  bool inherit = orchlua_option_flag(L, "inherit_env");
  lua_newtable(L);
  int type = lua_getfield(L, 2, "env");
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TTABLE) luaL_error(L, "env: expected a table");
  lua_Integer count = add_variables(L, 0);
  if (inherit) count = add_inherited(L, count);
  char **env = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *env, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -3, i);
    env[i - 1] = check_text(L, -1, "env");
    lua_pop(L, 1);
  }
  env[count] = NULL;
  return env;
}

/* The files that the child and we hold the two ends of. */
struct pipes {
  uv_file input[2], output[2], errors[2];
};

static void close_file(uv_file *file)
{
  if (*file >= 0) close(*file);
  *file = -1;
}

static void close_pipes(struct pipes *pipes)
{
  uv_file *files[] = { pipes->input, pipes->input + 1, pipes->output, pipes->output + 1, pipes->errors, pipes->errors + 1 };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) close_file(files[i]);
}

/* Pipes, not sockets as libuv would make: a program may open /dev/stdout. */
static int open_pipes(struct pipes *pipes, bool has_input)
{
  *pipes = (struct pipes) { { -1, -1 }, { -1, -1 }, { -1, -1 } };
  int code = has_input ? uv_pipe(pipes->input, 0, UV_NONBLOCK_PIPE) : 0;
  if (code == 0) code = uv_pipe(pipes->output, UV_NONBLOCK_PIPE, 0);
  if (code == 0) code = uv_pipe(pipes->errors, UV_NONBLOCK_PIPE, 0);
  if (code != 0) close_pipes(pipes);
  return code;
}

/* Gives our end of a pipe, if there is one, to libuv. */
static int attach(uv_pipe_t *pipe, uv_file *file)
{
  int code = *file < 0 ? 0 : uv_pipe_open(pipe, *file);
  if (code == 0) *file = -1;
  return code;
}

static void set_up(struct loop *loop, struct child *child, struct process *owner)
{
  uv_handle_t *handles[] = {
    (uv_handle_t *)&child->process, (uv_handle_t *)&child->input, (uv_handle_t *)&child->output,
    (uv_handle_t *)&child->errors, (uv_handle_t *)&child->timer
  };
  uv_pipe_init(&loop->uv, &child->input, 0);
  uv_pipe_init(&loop->uv, &child->output, 0);
  uv_pipe_init(&loop->uv, &child->errors, 0);
  uv_timer_init(&loop->uv, &child->timer);
  child->uv_handles = sizeof handles / sizeof *handles;
  for (int i = 0; i < child->uv_handles; i++) handles[i]->data = child;
  child->owner = owner;
  LIST_INSERT_HEAD(&loop->children, child, entry);
}

/* Files that other code of this process opened without O_CLOEXEC (Lua's own
 * library does) are not the child's business either. */
static void keep_files(void)
{
#ifdef CLOSE_RANGE_CLOEXEC
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
}

static int spawn(struct loop *loop, struct child *child, const struct command *command, const struct pipes *pipes)
{
  uv_stdio_container_t stdio[3] = {
    { .flags = command->input_size > 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = pipes->input[0] },
    { .flags = UV_INHERIT_FD, .data.fd = pipes->output[1] },
    { .flags = UV_INHERIT_FD, .data.fd = pipes->errors[1] }
  };
  uv_process_options_t options = {
    .exit_cb = on_exit_of, .file = command->args[0], .args = command->args, .env = command->env, .cwd = command->cwd,
    .flags = UV_PROCESS_DETACHED, .stdio = stdio, .stdio_count = 3
  };
  keep_files();
  return uv_spawn(&loop->uv, &child->process, &options);
}

static void start_streams(struct child *child, const struct command *command)
{
  uv_read_start((uv_stream_t *)&child->output, on_room, on_read);
  uv_read_start((uv_stream_t *)&child->errors, on_room, on_read);
  if (command->input_size == 0) return;
  uv_buf_t input = { .base = (char *)(uintptr_t)command->input, .len = command->input_size };
  if (uv_write(&child->write, (uv_stream_t *)&child->input, &input, 1, on_written) != 0) close_uv(&child->input);
}

/* Starts the program; 0, or libuv's code and nothing is left of it. */
static int start(struct loop *loop, struct process *process, const struct command *command)
{
  struct pipes pipes;
  int code = open_pipes(&pipes, command->input_size > 0);
  if (code != 0) return code;
  struct child *child = calloc(1, sizeof *child);
  if (child == NULL) {
    close_pipes(&pipes);
    return UV_ENOMEM;
  }
  set_up(loop, child, process);
  code = attach(&child->input, &pipes.input[1]);
  if (code == 0) code = attach(&child->output, &pipes.output[0]);
  if (code == 0) code = attach(&child->errors, &pipes.errors[0]);
  code = code == 0 ? spawn(loop, child, command, &pipes) : code;
  close_pipes(&pipes);
  if (code != 0) {
    child->alone = true;
    release(child);
    return code;
  }
  process->child = child;
  process->pid = child->process.pid;
  start_streams(child, command);
  return 0;
}

static int spawn_failure(lua_State *L, const struct command *command, int code)
{
  const char *name = command->args[0];
  if (command->cwd == NULL || access(command->cwd, X_OK) == 0)
    return orchlua_failure(L, "spawn", "cannot start `%s`: %s", name, uv_strerror(code));
  code = uv_translate_sys_error(errno);
  return orchlua_failure(L, "spawn", "cannot start `%s` in the folder `%s`: %s", name, command->cwd, uv_strerror(code));
}

/* loop:process{…}: a handle, or nil and an error. */
int orchlua_loop_process(lua_State *L)
{
  struct loop *loop = orchlua_check_loop(L);
  struct command command = { 0 };
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  command.args = read_args(L);
  command.env = read_env(L);
  command.cwd = orchlua_option_text(L, "cwd", NULL);
  size_t limit = orchlua_option_count(L, "limit", OUTPUT_LIMIT);
  uint64_t grace = orchlua_option_seconds(L, "grace", GRACE);
  command.input = orchlua_option_text(L, "stdin", &command.input_size);
  struct process *process = orchlua_new_handle(L, &orchlua_process, sizeof *process);
  process->limit = limit;
  process->grace = grace;
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 2); /* holds what is being written */
  int code = start(loop, process, &command);
  if (code == 0) return 1;
  orchlua_discard(L);
  return spawn_failure(L, &command, code);
}

/* The handle ----------------------------------------------------------------- */

static void process_end(struct handle *handle)
{
  struct process *process = (struct process *)handle;
  if (process->child != NULL) abandon(process->child, process->grace);
  process->child = NULL;
  orchlua_release(&process->output);
  orchlua_release(&process->errors);
}

/* Pushes the end of what came on standard error so far. */
static void push_errors(lua_State *L, const struct process *process)
{
  size_t kept = process->errors.size < KEPT_ERRORS ? process->errors.size : KEPT_ERRORS;
  lua_pushlstring(L, kept == 0 ? "" : process->errors.data + process->errors.size - kept, kept);
}

static void push_result(lua_State *L, const struct process *process)
{
  lua_createtable(L, 0, 5);
  if (process->signal == 0) {
    lua_pushinteger(L, (lua_Integer)process->status);
    lua_setfield(L, -2, "status");
  } else {
    const char *name = orchlua_signal_name(process->signal);
    if (name != NULL) lua_pushstring(L, name);
    else lua_pushfstring(L, "%d", process->signal);
    lua_setfield(L, -2, "signal");
  }
  orchlua_push_text(L, process->output.data, process->output.size);
  lua_setfield(L, -2, "stdout");
  push_errors(L, process);
  lua_setfield(L, -2, "stderr");
  lua_pushboolean(L, process->overflow);
  lua_setfield(L, -2, "overflow");
}

static int wait_again(lua_State *L, int status, lua_KContext context)
{
  (void)status, (void)context;
  struct process *process = orchlua_check_handle(L);
  if (!process->handle.open) return orchlua_cancelled(L, &process->handle);
  if (process->child != NULL) return orchlua_await(L, &process->handle, wait_again);
  if (process->failure != 0)
    return orchlua_failure(L, "system", "cannot read what the program writes: %s", uv_strerror(process->failure));
  push_result(L, process);
  return 1;
}

static int process_wait(lua_State *L) { return wait_again(L, LUA_OK, 0); }

static int process_pid(lua_State *L)
{
  struct process *process = orchlua_check_handle(L);
  lua_pushinteger(L, process->pid);
  return 1;
}

/* handle:stderr(): the end of standard error so far, at any time before it is closed. */
static int process_stderr(lua_State *L)
{
  push_errors(L, orchlua_check_handle(L));
  return 1;
}

static const luaL_Reg methods[] = {
  { "wait", process_wait }, { "pid", process_pid }, { "stderr", process_stderr }, { NULL, NULL }
};

const struct kind orchlua_process = { "orchlua.process", methods, process_end, NULL };
