/* What libFuzzer runs: `build/fuzz/bin/TARGET` calls the function that fuzz/TARGET.lua
 * returns with each input. The function raises when something does not hold. What it
 * returns must be the same in two Lua states: their tables are ordered differently. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_orchlua_core(lua_State *L);
int luaopen_answer(lua_State *L); /* spec/support/answer.c */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char PATH[] = "./lua/?.lua;./lua/?/init.lua;";

/* libFuzzer sees C by itself. Of the product's Lua it sees these: one counter for each
 * step from a line to another one. */
enum { STEPS = 1 << 16 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t steps[STEPS];

static uint32_t line_before;

/* One input of so many is given to both states. */
enum { COMPARED = 4 };

/* The states: the first one counts its lines. */
static lua_State *states[2];

/* A number for a file of the product; 0 for any other. */
static uint32_t file_number(const char *text)
{
  if (strncmp(text, "@./lua/", 7) != 0) return 0;
  uint32_t sum = 2166136261u;
  while (*text != '\0') sum = (sum ^ (uint8_t)*text++) * 16777619u;
  return sum | 1;
}

static void count_line(lua_State *L, lua_Debug *at)
{
  static const char *file;
  static uint32_t number;
  lua_getinfo(L, "S", at);
  if (at->source != file) {
    file = at->source;
    number = file_number(file);
  }
  if (number == 0) return;
  uint32_t line = number + (uint32_t)at->currentline * 2654435761u;
  uint8_t *count = &steps[(line ^ line_before >> 1) >> 16];
  if (*count < UINT8_MAX) ++*count;
  line_before = line;
}

/* Patterns of LPeg run in a machine of their own: each rule of the lexer counts its matches. */
enum { RULES = 64 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t rules[RULES];

static int on_match(lua_State *L)
{
  uint8_t *count = &rules[lua_tointeger(L, lua_upvalueindex(1)) % RULES];
  if (*count < UINT8_MAX) ++*count;
  lua_pushboolean(L, 1);
  return 1;
}

/* count_rule(number) -> a function for lpeg.Cmt */
static int count_rule(lua_State *L)
{
  lua_pushinteger(L, luaL_checkinteger(L, 1));
  lua_pushcclosure(L, on_match, 1);
  return 1;
}

static int with_traceback(lua_State *L)
{
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static void fail(const char *message)
{
  fprintf(stderr, "%s\n", message);
  abort();
}

/* A state with the core in it; its stack holds the traceback and the target's function. */
static lua_State *new_state(const char *target)
{
  lua_State *L = luaL_newstate();
  if (L == NULL) fail("not enough memory");
  luaL_openlibs(L);
  lua_register(L, "count_rule", count_rule);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_orchlua_core);
  lua_setfield(L, -2, "orchlua.core");
  lua_pushcfunction(L, luaopen_answer);
  lua_setfield(L, -2, "spec.support.answer");
  lua_getglobal(L, "package");
  lua_pushstring(L, PATH);
  lua_getfield(L, -2, "path");
  lua_concat(L, 2);
  lua_setfield(L, -2, "path");
  lua_settop(L, 0);
  lua_pushcfunction(L, with_traceback);
  lua_pushfstring(L, "fuzz/%s.lua", target);
  if (luaL_loadfile(L, lua_tostring(L, 2)) != LUA_OK || lua_pcall(L, 0, 1, 1) != LUA_OK) fail(lua_tostring(L, -1));
  lua_remove(L, 2);
  return L;
}

/* Pushes what the target makes of an input. */
static const char *call(lua_State *L, const uint8_t *data, size_t size, size_t *length)
{
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 1, 1) != LUA_OK) fail(lua_tostring(L, -1));
  return lua_tolstring(L, -1, length);
}

static void compare(const char *one, size_t one_size, const char *other, size_t other_size)
{
  if (one == NULL && other == NULL) return;
  if (one != NULL && other != NULL && one_size == other_size && memcmp(one, other, one_size) == 0) return;
  fprintf(stderr, "the same input gives first\n%s\nand then\n%s\n", one == NULL ? "nothing" : one, other == NULL ? "nothing" : other);
  abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc;
  const char *name = strrchr((*argv)[0], '/');
  for (int i = 0; i < 2; i++) states[i] = new_state(name == NULL ? (*argv)[0] : name + 1);
  lua_sethook(states[0], count_line, LUA_MASKLINE, 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  size_t one_size = 0, other_size = 0;
  line_before = 0;
  const char *one = call(states[0], data, size, &one_size);
  if (size % COMPARED == 0) {
    const char *other = call(states[1], data, size, &other_size);
    compare(one, one_size, other, other_size);
  }
  for (int i = 0; i < 2; i++) lua_settop(states[i], 2);
  return 0;
}
