/* Digests of bytes, by libcrypto. */
#include "core.h"

#include <openssl/evp.h>

/* sha256(bytes) -> the digest in hexadecimal (FIPS 180-4) */
static int sha256(lua_State *L)
{
  static const char digits[] = "0123456789abcdef";
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length;
  char hex[2 * EVP_MAX_MD_SIZE];
  if (EVP_Digest(bytes, size, digest, &length, EVP_sha256(), NULL) != 1) return luaL_error(L, "no memory for a digest");
  for (unsigned int i = 0; i < length; i++) {
    hex[2 * i] = digits[digest[i] >> 4];
    hex[2 * i + 1] = digits[digest[i] & 15];
  }
  lua_pushlstring(L, hex, 2 * (size_t)length);
  return 1;
}

static const luaL_Reg functions[] = { { "sha256", sha256 }, { NULL, NULL } };

int orchlua_open_digest(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
