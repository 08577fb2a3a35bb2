/* For the specs and for fuzzing: reads an answer of HTTP/1.1 with core/answer.c, without a connection.
 *   read(pieces, to_head, closed) -> {lines =, body =, ended =, keeps =, status =, left =, problem =}
 * `closed`: the connection ends behind the pieces. `left`: bytes behind its end. */
#include "../../core/answer.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

int luaopen_answer(lua_State *L);

struct result {
  struct buffer lines, body;
  bool ended;
};

/* Copies what an event tells; whether the answer goes on. */
static bool take(lua_State *L, struct result *result, enum answer_event event, struct bytes found)
{
  struct buffer *to = event == ANSWER_LINE ? &result->lines : event == ANSWER_BODY ? &result->body : NULL;
  if (to != NULL && !orchlua_append(to, found.data, found.size)) luaL_error(L, "not enough memory");
  result->ended = event == ANSWER_END;
  return to != NULL;
}

/* Reads a piece; gives how much of it is left, and whether the answer goes on in `goes_on`. */
static size_t read_piece(lua_State *L, struct answer *answer, struct result *result, const char *data, size_t size, bool *goes_on)
{
  struct bytes given = { data, size };
  do {
    struct bytes found = { NULL, 0 };
    enum answer_event event = orchlua_answer_read(answer, &given, &found);
    if (event == ANSWER_MORE) return 0;
    *goes_on = take(L, result, event, found);
  } while (*goes_on);
  return given.size;
}

static void push_result(lua_State *L, const struct answer *answer, const struct result *result, size_t left)
{
  lua_createtable(L, 0, 7);
  lua_pushlstring(L, result->lines.data, result->lines.size);
  lua_setfield(L, -2, "lines");
  lua_pushlstring(L, result->body.data, result->body.size);
  lua_setfield(L, -2, "body");
  lua_pushboolean(L, result->ended);
  lua_setfield(L, -2, "ended");
  lua_pushboolean(L, answer->keeps);
  lua_setfield(L, -2, "keeps");
  lua_pushinteger(L, answer->status);
  lua_setfield(L, -2, "status");
  lua_pushinteger(L, result->ended ? (lua_Integer)left : 0);
  lua_setfield(L, -2, "left");
  lua_pushstring(L, answer->problem);
  lua_setfield(L, -2, "problem");
}

static int read_answer(lua_State *L)
{
  struct answer answer = { 0 };
  struct result result = { 0 };
  size_t left = 0;
  bool goes_on = true;
  luaL_checktype(L, 1, LUA_TTABLE);
  orchlua_answer_begin(&answer, lua_toboolean(L, 2));
  for (lua_Integer i = 1; i <= luaL_len(L, 1); i++) {
    size_t size;
    lua_rawgeti(L, 1, i);
    const char *piece = luaL_checklstring(L, -1, &size);
    left += goes_on ? read_piece(L, &answer, &result, piece, size, &goes_on) : size;
    lua_pop(L, 1);
  }
  if (goes_on && lua_toboolean(L, 3)) take(L, &result, orchlua_answer_close(&answer), (struct bytes){ NULL, 0 });
  push_result(L, &answer, &result, left);
  orchlua_answer_free(&answer);
  orchlua_release(&result.lines);
  orchlua_release(&result.body);
  return 1;
}

int luaopen_answer(lua_State *L)
{
  lua_pushcfunction(L, read_answer);
  return 1;
}
