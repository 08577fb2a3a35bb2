/* Memory that an error must not lose: blocks of malloc's that belong to userdata, and go with it. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static int free_block(lua_State *L)
{
  void *owner = lua_touserdata(L, 1), *block;
  memcpy(&block, owner, sizeof block);
  free(block);
  memset(owner, 0, sizeof block);
  return 0;
}

void *orchlua_new_owner(lua_State *L, size_t size)
{
  void *owner = memset(lua_newuserdatauv(L, size, 0), 0, size);
  if (luaL_newmetatable(L, "orchlua.owner")) {
    lua_pushcfunction(L, free_block);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return owner;
}
