/* Memory of a Lua state: what a value holds, and a guard that keeps
 * the code of one run below a ceiling. The guard stands in front of the state's
 * allocator: it counts, and refuses growth beyond what it was armed with. Lua then
 * collects its garbage, tries again, and raises its own error. */
#include "core.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GUARD "orchlua.guard"

/* What the allocator counts, in bytes. It belongs to the guard, which the registry holds
 * until the state is closed. */
struct meter {
  lua_Alloc allocate;
  void *data;
  size_t used, most;  /* `most` is SIZE_MAX when disarmed */
  size_t allocated;   /* ever: what was freed does not count */
};

struct guard {
  struct meter *meter;
  size_t mark; /* allocated when it was armed */
};

/* Weighing --------------------------------------------------------------------------- */

enum { TABLE_BYTES = 56, SLOT_BYTES = 16, PAIR_BYTES = 24, STRING_BYTES = 25 };

/* The addresses of what was met: open addressing, never more than half full. */
struct seen {
  const void **slots; /* which it owns */
  size_t room, count;
};

/* The slot of an address: its own, or the free one where it belongs. */
static const void **slot_of(const struct seen *seen, const void *address)
{
  size_t at = (size_t)(((uintptr_t)address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (seen->room - 1);
  while (seen->slots[at] != NULL && seen->slots[at] != address) at = (at + 1) & (seen->room - 1);
  return &seen->slots[at];
}

static bool grow(struct seen *seen)
{
  struct seen larger = { NULL, seen->room == 0 ? 1024 : seen->room * 2, seen->count };
  if (larger.room > SIZE_MAX / sizeof *larger.slots) return false;
  larger.slots = calloc(larger.room, sizeof *larger.slots);
  if (larger.slots == NULL) return false;
  for (size_t i = 0; i < seen->room; i++)
    if (seen->slots[i] != NULL) *slot_of(&larger, seen->slots[i]) = seen->slots[i];
  free(seen->slots);
  *seen = larger;
  return true;
}

/* Whether the value at `index` is met for the first time. */
static bool is_new(lua_State *L, struct seen *seen, int index)
{
  if (seen->count >= seen->room / 2 && !grow(seen)) luaL_error(L, "not enough memory");
  const void **slot = slot_of(seen, lua_topointer(L, index));
  if (*slot != NULL) return false;
  *slot = lua_topointer(L, index);
  seen->count++;
  return true;
}

/* The bytes of the value on the top, which is popped; a table is put in line at `work`. */
static size_t weigh_one(lua_State *L, struct seen *seen, int work)
{
  size_t bytes = 0;
  int type = lua_type(L, -1);
  if (type == LUA_TSTRING && is_new(L, seen, -1)) bytes = STRING_BYTES + lua_rawlen(L, -1);
  if (type != LUA_TTABLE || !is_new(L, seen, -1)) {
    lua_pop(L, 1);
    return bytes;
  }
  lua_rawseti(L, work, (lua_Integer)lua_rawlen(L, work) + 1);
  return TABLE_BYTES;
}

static size_t pairs_room(size_t pairs)
{
  size_t room = pairs == 0 ? 0 : 1;
  while (room < pairs) room *= 2;
  return room * PAIR_BYTES;
}

/* The bytes of what the table on the top holds; pops it. */
static size_t weigh_content(lua_State *L, struct seen *seen, int work)
{
  int table = lua_gettop(L);
  size_t length = (size_t)lua_rawlen(L, table), entries = 0, bytes = 0;
  for (lua_pushnil(L); lua_next(L, table) != 0; entries++) {
    bytes += weigh_one(L, seen, work);
    lua_pushvalue(L, -1);
    bytes += weigh_one(L, seen, work);
  }
  lua_settop(L, table - 1);
  return bytes + SLOT_BYTES * length + pairs_room(entries > length ? entries - length : 0);
}

/* What the table at 2 has as keys is not weighed. */
static void pass_over(lua_State *L, struct seen *seen)
{
  if (lua_isnoneornil(L, 2)) return;
  luaL_checktype(L, 2, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) is_new(L, seen, -2);
}

/* weigh(value, without) -> about how many bytes the value and all that it refers to take;
 * tables that are keys of `without` are passed over, functions and userdata too. */
static int weigh(lua_State *L)
{
  luaL_checkany(L, 1);
  lua_settop(L, 2);
  struct seen *seen = orchlua_new_owner(L, sizeof *seen);
  pass_over(L, seen);
  lua_newtable(L);
  int work = lua_gettop(L);
  lua_pushvalue(L, 1);
  size_t bytes = weigh_one(L, seen, work);
  for (lua_Integer last; (last = (lua_Integer)lua_rawlen(L, work)) > 0;) {
    lua_rawgeti(L, work, last);
    lua_pushnil(L);
    lua_rawseti(L, work, last);
    bytes += weigh_content(L, seen, work);
  }
  lua_pushinteger(L, (lua_Integer)bytes);
  return 1;
}

/* The guard ---------------------------------------------------------------------------- */

static const char key_of_guard;

/* An allocator as Lua asks for one (lua_Alloc, section 4.6 of its manual). */
static void *allocate(void *data, void *block, size_t old_size, size_t new_size)
{
  struct meter *meter = data;
  size_t freed = block == NULL ? 0 : old_size;
  if (new_size > freed && (meter->used > meter->most || new_size - freed > meter->most - meter->used)) return NULL;
  void *result = meter->allocate(meter->data, block, old_size, new_size);
  if (result == NULL && new_size > 0) return NULL;
  meter->used += new_size - freed;
  if (new_size > freed) meter->allocated += new_size - freed;
  return result;
}

/* The guard at 1: what has the metatable that every method has as its upvalue. */
static struct guard *check(lua_State *L)
{
  bool is_guard = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
  return is_guard ? lua_touserdata(L, 1) : luaL_checkudata(L, 1, GUARD);
}

/* guard:arm(bytes) - from here on the state may grow by so much. */
static int arm(lua_State *L)
{
  struct guard *guard = check(L);
  lua_Integer bytes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, bytes >= 0, 2, "bytes, 0 or more");
  struct meter *meter = guard->meter;
  guard->mark = meter->allocated;
  meter->most = (size_t)bytes > SIZE_MAX - meter->used ? SIZE_MAX : meter->used + (size_t)bytes;
  return 0;
}

/* guard:allocated() -> bytes that were allocated since it was armed, garbage included */
static int allocated(lua_State *L)
{
  struct guard *guard = check(L);
  lua_pushinteger(L, (lua_Integer)(guard->meter->allocated - guard->mark));
  return 1;
}

/* guard:disarm() -> what `allocated` gives */
static int disarm(lua_State *L)
{
  check(L)->meter->most = SIZE_MAX;
  return allocated(L);
}

/* Gives the state its own allocator back. Where somebody has put another in front, the
 * meter must outlive the state, and stays. */
static int close_guard(lua_State *L)
{
  struct guard *guard = check(L);
  struct meter *meter = guard->meter;
  void *data;
  if (meter == NULL) return 0;
  guard->meter = NULL;
  if (lua_getallocf(L, &data) != allocate || data != meter) return 0;
  lua_setallocf(L, meter->allocate, meter->data);
  free(meter);
  return 0;
}

static const luaL_Reg methods[] = {
  { "arm", arm }, { "allocated", allocated }, { "disarm", disarm }, { NULL, NULL }
};

static void push_metatable(lua_State *L)
{
  if (!luaL_newmetatable(L, GUARD)) return;
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, methods, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, close_guard, 1);
  lua_setfield(L, -2, "__gc");
}

/* guard() -> the guard of this Lua state, which is made at the first call */
static int guard(lua_State *L)
{
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key_of_guard) == LUA_TUSERDATA) return 1;
  lua_pop(L, 1);
  struct guard *self = lua_newuserdatauv(L, sizeof *self, 1);
  memset(self, 0, sizeof *self);
  push_metatable(L);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key_of_guard);
  struct meter *meter = calloc(1, sizeof *meter);
  if (meter == NULL) return luaL_error(L, "not enough memory");
  self->meter = meter;
  meter->most = SIZE_MAX;
  meter->used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  meter->allocate = lua_getallocf(L, &meter->data);
  lua_setallocf(L, allocate, meter);
  return 1;
}

static const luaL_Reg functions[] = { { "guard", guard }, { "weigh", weigh }, { NULL, NULL } };

int orchlua_open_memory(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
