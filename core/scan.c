/* Strings and numbers of a JSON text: escapes are resolved, UTF-8 is checked, numbers are exact. */
#include "scan.h"

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Four hexadecimal digits at `at`, or -1. */
static int hex_unit(const struct scan *in, const char *at)
{
  int unit = 0;
  if (in->end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

static void add_character(luaL_Buffer *buffer, unsigned code)
{
  char *to = luaL_prepbuffsize(buffer, 4);
  size_t size;
  if (code < 0x80) {
    to[0] = (char)code;
    size = 1;
  } else if (code < 0x800) {
    to[0] = (char)(0xC0 | code >> 6);
    size = 2;
  } else if (code < 0x10000) {
    to[0] = (char)(0xE0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3F));
    size = 3;
  } else {
    to[0] = (char)(0xF0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (char)(0x80 | (code >> 6 & 0x3F));
    size = 4;
  }
  if (size > 1) to[size - 1] = (char)(0x80 | (code & 0x3F));
  luaL_addsize(buffer, size);
}

/* What follows `\u`; half of a surrogate pair alone becomes U+FFFD. */
static bool read_unit(struct scan *in, luaL_Buffer *buffer)
{
  int unit = hex_unit(in, in->at), low = -1;
  if (unit < 0) return scan_fail(in, "expected four hexadecimal digits");
  in->at += 4;
  if (unit >= 0xD800 && unit < 0xDC00 && in->end - in->at >= 6 && in->at[0] == '\\' && in->at[1] == 'u') low = hex_unit(in, in->at + 2);
  if (low >= 0xDC00 && low < 0xE000) {
    in->at += 6;
    add_character(buffer, 0x10000u + ((unsigned)unit - 0xD800u) * 0x400u + (unsigned)low - 0xDC00u);
  } else {
    add_character(buffer, unit >= 0xD800 && unit < 0xE000 ? 0xFFFDu : (unsigned)unit);
  }
  return true;
}

/* What stands behind a backslash, but for `u`. */
static const char meanings[256] = {
  ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
};

/* The escape behind a backslash. */
static bool read_escape(struct scan *in, luaL_Buffer *buffer)
{
  if (in->at == in->end) return scan_fail(in, "the string is never closed");
  unsigned char c = (unsigned char)*in->at;
  if (c != 'u' && meanings[c] == '\0') return scan_fail(in, "expected an escape");
  in->at++;
  if (c == 'u') return read_unit(in, buffer);
  luaL_addchar(buffer, meanings[c]);
  return true;
}

/* Where the plain characters from `at` end: at a quote, a backslash or a control. */
static const char *plain_end(const struct scan *in, const char *at)
{
  while (at < in->end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20) at++;
  return at;
}

static bool checked_plain(struct scan *in, const char *from, const char *to)
{
  size_t good = orchlua_valid_utf8(from, (size_t)(to - from));
  if (from + good == to) return true;
  in->at = from + good;
  return scan_fail(in, "a byte that is not UTF-8");
}

enum { CHUNK = 4096 };

/* Adds ASCII and the short escapes, most of a long string, up to anything else. */
static void read_ascii(struct scan *in, luaL_Buffer *buffer)
{
  char *start = luaL_prepbuffsize(buffer, CHUNK), *to = start;
  const char *at = in->at;
  while (at < in->end && to < start + CHUNK) {
    unsigned char c = (unsigned char)*at;
    if (c < 0x20 || c >= 0x80 || c == '"') break;
    if (c == '\\') {
      if (in->end - at < 2 || meanings[(unsigned char)at[1]] == '\0') break;
      c = (unsigned char)meanings[(unsigned char)*++at];
    }
    *to++ = (char)c;
    at++;
  }
  luaL_addsize(buffer, (size_t)(to - start));
  in->at = at;
}

/* Adds what `read_ascii` stopped at: a long escape, or characters that are not ASCII. */
static bool read_other(struct scan *in, luaL_Buffer *buffer)
{
  const char *from = in->at;
  if (*from == '\\') {
    in->at++;
    return read_escape(in, buffer);
  }
  const char *to = plain_end(in, from);
  if (!checked_plain(in, from, to)) return false;
  luaL_addlstring(buffer, from, (size_t)(to - from));
  in->at = to;
  return true;
}

/* Pushes what a buffer holds, and ends the buffer. One that is small lies in itself. */
static void push_result(lua_State *L, luaL_Buffer *buffer)
{
  if (luaL_bufflen(buffer) <= LUAL_BUFFERSIZE) {
    luaL_pushresult(buffer);
    return;
  }
  orchlua_push_text(L, luaL_buffaddr(buffer), luaL_bufflen(buffer));
  lua_closeslot(L, -2);
  lua_remove(L, -2);
}

/* A string with escapes in it, whose plain start has been found to be right. */
static bool read_long_string(lua_State *L, struct scan *in, const char *from, const char *to)
{
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  luaL_addlstring(&buffer, from, (size_t)(to - from));
  in->at = to;
  while (true) {
    read_ascii(in, &buffer);
    if (in->at == in->end) return scan_fail(in, "the string is never closed");
    if (*in->at == '"') break;
    if ((unsigned char)*in->at < 0x20) return scan_fail(in, "a control character in a string");
    if (!read_other(in, &buffer)) return false;
  }
  in->at++;
  push_result(L, &buffer);
  return true;
}

bool orchlua_scan_string(lua_State *L, struct scan *in, const char **text, size_t *size)
{
  const char *from = in->at, *to = plain_end(in, from);
  if (!checked_plain(in, from, to)) return false;
  if (to == in->end || *to != '"') {
    if (!read_long_string(L, in, from, to)) return false;
    *text = lua_tolstring(L, -1, size);
    return true;
  }
  *text = from;
  *size = (size_t)(to - from);
  in->at = to + 1;
  return true;
}

bool orchlua_scan_push_string(lua_State *L, struct scan *in)
{
  int top = lua_gettop(L);
  const char *text;
  size_t size;
  if (!orchlua_scan_string(L, in, &text, &size)) return false;
  if (lua_gettop(L) == top) orchlua_push_text(L, text, size);
  return true;
}

static const char *digits_end(const struct scan *in, const char *at)
{
  while (at < in->end && *at >= '0' && *at <= '9') at++;
  return at;
}

/* Where the number from `at` ends, or NULL; `*whole` tells whether it is an integer. */
static const char *number_end(struct scan *in, const char *at, bool *whole)
{
  if (at < in->end && *at == '-') at++;
  const char *to = digits_end(in, at);
  if (to == at || (*at == '0' && to - at > 1)) return NULL;
  *whole = true;
  if (to < in->end && *to == '.') {
    at = to + 1;
    to = digits_end(in, at);
    if (to == at) return NULL;
    *whole = false;
  }
  if (to < in->end && (*to == 'e' || *to == 'E')) {
    at = to + 1;
    if (at < in->end && (*at == '+' || *at == '-')) at++;
    to = digits_end(in, at);
    if (to == at) return NULL;
    *whole = false;
  }
  return to;
}

/* A number of at most 15 digits and no exponent is exact as a quotient of two. */
static bool push_short(lua_State *L, const char *from, const char *to, bool whole)
{
  static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
  lua_Integer digits = 0;
  int scale = -1;
  bool negative = *from == '-';
  if (to - from > 16) return false;
  for (const char *at = from + negative; at < to; at++) {
    if (*at == '.') scale = 0;
    else if (*at < '0' || *at > '9') return false;
    else {
      digits = digits * 10 + (*at - '0');
      if (scale >= 0) scale++;
    }
  }
  if (digits > 999999999999999) return false;
  if (whole) lua_pushinteger(L, negative ? -digits : digits);
  else lua_pushnumber(L, (negative ? -(double)digits : (double)digits) / powers[scale]);
  return true;
}

bool orchlua_scan_push_number(lua_State *L, struct scan *in)
{
  bool whole;
  const char *from = in->at, *to = number_end(in, from, &whole);
  if (to == NULL) return scan_fail(in, "a number that is none");
  in->at = to;
  if (push_short(L, from, to, whole)) return true;
  lua_pushlstring(L, from, (size_t)(to - from));
  if (lua_stringtonumber(L, lua_tostring(L, -1)) == 0) return scan_fail(in, "a number that is none");
  lua_remove(L, -2);
  double n = lua_tonumber(L, -1);
  if (n - n == 0) return true;
  in->at = from;
  return scan_fail(in, "a number that is too large");
}
