#include "loop.h"
static void end(struct handle *h){(void)h;}
int orchlua_loop_request(lua_State *L){return luaL_error(L,"not yet");}
static const luaL_Reg methods[]={{NULL,NULL}};
const struct kind orchlua_request={"orchlua.request",methods,end,NULL};
void orchlua_close_web(struct loop *l){(void)l;}
