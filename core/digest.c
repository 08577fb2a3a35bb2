/* Digests of bytes, by libcrypto: by its plain functions, since those that OpenSSL 3 prefers
 * read a configuration and load providers first, which takes longer than a small program runs. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core.h"

#include <openssl/sha.h>

/* sha256(bytes) -> the digest in hexadecimal (FIPS 180-4) */
static int sha256(lua_State *L)
{
  static const char digits[] = "0123456789abcdef";
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char hex[2 * SHA256_DIGEST_LENGTH];
  SHA256_CTX context;
  if (!SHA256_Init(&context) || !SHA256_Update(&context, bytes, size) || !SHA256_Final(digest, &context))
    return luaL_error(L, "no SHA-256");
  for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
    hex[2 * i] = digits[digest[i] >> 4];
    hex[2 * i + 1] = digits[digest[i] & 15];
  }
  lua_pushlstring(L, hex, sizeof hex);
  return 1;
}

static const luaL_Reg functions[] = { { "sha256", sha256 }, { NULL, NULL } };

int orchlua_open_digest(lua_State *L)
{
  luaL_newlib(L, functions);
  return 1;
}
