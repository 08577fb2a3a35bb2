/* The door of the core: `require "orchlua.core"` opens every module of the
 * shared object and returns them in one table, each under its file's name. */
#include "core.h"

#include <lualib.h>

static const luaL_Reg modules[] = {
  { "value", orchlua_open_value },
  { "json", orchlua_open_json },
  { "digest", orchlua_open_digest },
  { "snapshot", orchlua_open_snapshot },
  { "loop", orchlua_open_loop },
  { "terminal", orchlua_open_terminal },
  { "memory", orchlua_open_memory },
  { NULL, NULL }
};

__attribute__((visibility("default"))) int luaopen_orchlua_core(lua_State *L);

int luaopen_orchlua_core(lua_State *L)
{
  lua_newtable(L);
  for (const luaL_Reg *module = modules; module->name != NULL; module++) {
    lua_pushcfunction(L, module->func);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, module->name);
  }
  return 1;
}
