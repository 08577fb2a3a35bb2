/* Digests of bytes, by libmd: a small library, since every run's program is digested, and
 * linking a large one takes longer than the digest. */
#include "core.h"

#include <sha2.h>

/* sha256(bytes) -> the digest in hexadecimal (FIPS 180-4) */
static int sha256(lua_State *L)
{
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  char hex[SHA256_DIGEST_STRING_LENGTH];
  SHA256Data((const uint8_t *)bytes, size, hex);
  lua_pushlstring(L, hex, sizeof hex - 1);
  return 1;
}

static const luaL_Reg functions[] = { { "sha256", sha256 }, { NULL, NULL } };

int orchlua_open_digest(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
