/* Has Lua collect all garbage in the middle of things: `luaopen_collect(L)` makes every
 * N-th new object (N is its argument) be refused once, whereupon Lua collects what it can
 * and asks again. Whatever C code holds and Lua does not know of is gone then. */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdlib.h>

struct allocator {
  lua_Alloc next;
  void *data;
  lua_Integer interval, count;
  bool refused;
};

/* A new object is told by its kind, which comes in place of the old size. Other memory is not
 * refused: not everybody who asks for it asks twice. */
static void *allocate(void *data, void *block, size_t old, size_t size)
{
  struct allocator *allocator = data;
  bool is_object = block == NULL && old != 0 && size > 0;
  if (is_object && !allocator->refused && ++allocator->count % allocator->interval == 0) {
    allocator->refused = true;
    return NULL;
  }
  if (is_object) allocator->refused = false;
  return allocator->next(allocator->data, block, old, size);
}

/* It lives as long as the process: Lua frees its last memory with it. */
int luaopen_collect(lua_State *L);

int luaopen_collect(lua_State *L)
{
  static struct allocator allocator;
  allocator.interval = luaL_checkinteger(L, 1);
  allocator.next = lua_getallocf(L, &allocator.data);
  lua_setallocf(L, allocate, &allocator);
  return 0;
}
