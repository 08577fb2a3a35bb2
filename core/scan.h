/* The tokens of a JSON text (RFC 8259). `core/json.c` makes values of them, `core/find.c` looks for some
 * among them. What reads tells whether the text was right; when it was not, `problem` says why. */
#ifndef ORCHLUA_SCAN_H
#define ORCHLUA_SCAN_H

#include "core.h"

#include <string.h>

/* A text that is being read. */
struct scan {
  const char *start, *at, *end;
  const char *problem; /* what is wrong with it, at `at` */
};

static inline bool scan_fail(struct scan *in, const char *problem)
{
  if (in->problem == NULL) in->problem = problem;
  return false;
}

static inline void scan_space(struct scan *in)
{
  while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' || *in->at == '\r')) in->at++;
}

static inline bool scan_word(struct scan *in, const char *word, size_t size)
{
  if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0) return scan_fail(in, "expected a value");
  in->at += size;
  return true;
}

/* Up to the first character of a key. */
static inline bool scan_key(struct scan *in)
{
  scan_space(in);
  if (in->at == in->end || *in->at != '"') return scan_fail(in, "expected a key, a string");
  in->at++;
  return true;
}

static inline bool scan_colon(struct scan *in)
{
  scan_space(in);
  if (in->at == in->end || *in->at != ':') return scan_fail(in, "expected `:` behind the key");
  in->at++;
  return true;
}

/* A string, behind its opening quote: one without escapes is left where it is, from `*text` on; another one is pushed. */
bool orchlua_scan_string(lua_State *L, struct scan *in, const char **text, size_t *size);

/* The same; any is pushed. */
bool orchlua_scan_push_string(lua_State *L, struct scan *in);

/* A number is pushed. */
bool orchlua_scan_push_number(lua_State *L, struct scan *in);

#endif
