/* The SQL function `merge(old, new)`: two objects as JSON, one level deep. Keys of
 * `new` replace those of `old` in their place; the others come behind. So a change
 * of an entity is merged by the very statement that stores it, whoever else writes.
 * Both are texts of `core/json.c`: no white space, and a key is written in one way. */
#include "database.h"

#include <stdlib.h>
#include <string.h>

/* `"key":value`, a piece of an object's text. */
struct pair {
  const char *key, *end;
  size_t key_size;
  size_t order;
  bool taken;
};

struct pairs {
  struct pair *list;
  size_t count, room;
};

static const char *after_string(const char *at, const char *end)
{
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  return at < end ? at + 1 : NULL;
}

/* Behind the value at `at`: at the comma or the brace that follows it. */
static const char *after_value(const char *at, const char *end)
{
  size_t depth = 0;
  while (at != NULL && at < end) {
    if (*at == '"') {
      at = after_string(at, end);
      continue;
    }
    if (depth == 0 && (*at == ',' || *at == '}')) return at;
    if (*at == '{' || *at == '[') depth++;
    if (*at == '}' || *at == ']') depth--;
    at++;
  }
  return NULL;
}

static bool add_pair(struct pairs *pairs, struct pair pair)
{
  if (pairs->count == pairs->room) {
    size_t room = pairs->room == 0 ? 16 : pairs->room * 2;
    struct pair *list = realloc(pairs->list, room * sizeof *list);
    if (list == NULL) return false;
    pairs->list = list;
    pairs->room = room;
  }
  pair.order = pairs->count;
  pairs->list[pairs->count++] = pair;
  return true;
}

/* Cuts the text of an object into its pairs. False when it is none. */
static bool cut(const char *text, size_t size, struct pairs *pairs)
{
  const char *at = text, *end = text + size;
  if (size < 2 || *at++ != '{') return false;
  if (*at == '}') return true;
  for (;;) {
    struct pair pair = { .key = at };
    if (at >= end || *at != '"') return false;
    at = after_string(at, end);
    if (at == NULL || at >= end || *at != ':') return false;
    pair.key_size = (size_t)(at - pair.key);
    pair.end = after_value(at + 1, end);
    if (pair.end == NULL || !add_pair(pairs, pair)) return false;
    if (*pair.end == '}') return true;
    at = pair.end + 1;
  }
}

static int by_key(const void *left, const void *right)
{
  const struct pair *a = left, *b = right;
  if (a->key_size != b->key_size) return a->key_size < b->key_size ? -1 : 1;
  return memcmp(a->key, b->key, a->key_size);
}

static int by_order(const void *left, const void *right)
{
  const struct pair *a = left, *b = right;
  return a->order < b->order ? -1 : a->order > b->order;
}

static void sort(struct pairs *pairs, int (*compare)(const void *, const void *))
{
  if (pairs->count > 1) qsort(pairs->list, pairs->count, sizeof *pairs->list, compare);
}

static char *append(char *out, const struct pair *pair, bool first)
{
  size_t size = (size_t)(pair->end - pair->key);
  if (!first) *out++ = ',';
  memcpy(out, pair->key, size);
  return out + size;
}

/* Writes the merged object to `out`, which has room for both texts; gives its end. */
static char *merge_pairs(const struct pairs *old, struct pairs *new, char *out)
{
  bool first = true;
  *out++ = '{';
  sort(new, by_key);
  for (size_t i = 0; i < old->count; i++, first = false) {
    struct pair *found = new->count == 0 ? NULL : bsearch(&old->list[i], new->list, new->count, sizeof *new->list, by_key);
    if (found != NULL) found->taken = true;
    out = append(out, found != NULL ? found : &old->list[i], first);
  }
  sort(new, by_order);
  for (size_t i = 0; i < new->count; i++) {
    if (new->list[i].taken) continue;
    out = append(out, &new->list[i], first);
    first = false;
  }
  *out++ = '}';
  return out;
}

static void merge(sqlite3_context *context, int count, sqlite3_value **arguments)
{
  (void)count;
  struct pairs old = { 0 }, new = { 0 };
  const char *old_text = (const char *)sqlite3_value_text(arguments[0]), *new_text = (const char *)sqlite3_value_text(arguments[1]);
  size_t old_size = (size_t)sqlite3_value_bytes(arguments[0]), new_size = (size_t)sqlite3_value_bytes(arguments[1]);
  char *out = sqlite3_malloc64(old_size + new_size + 2);
  if (out == NULL) sqlite3_result_error_nomem(context);
  else if (new_text == NULL || !cut(new_text, new_size, &new)) sqlite3_result_error(context, "what is merged is no object", -1);
  else if (old_text == NULL || !cut(old_text, old_size, &old)) sqlite3_result_value(context, arguments[1]);
  else {
    char *end = merge_pairs(&old, &new, out);
    sqlite3_result_text64(context, out, (sqlite3_uint64)(end - out), sqlite3_free, SQLITE_UTF8);
    out = NULL;
  }
  sqlite3_free(out);
  free(old.list);
  free(new.list);
}

int orchlua_add_merge(sqlite3 *connection)
{
  return sqlite3_create_function_v2(connection, "merge", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
    NULL, merge, NULL, NULL, NULL);
}
