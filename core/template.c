/* What requests to one address have in common is worked out once, and kept for the next ones. */
#include "web.h"

#include <stdlib.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool fits(const struct template *template, const struct wish *wish)
{
  const struct wish *known = &template->wish;
  return known->connect_timeout == wish->connect_timeout && known->is_special == wish->is_special &&
         (known->body != NULL) == (wish->body != NULL) && same_text(known->url, wish->url) &&
         same_text(known->method, wish->method) && same_text(known->ca_file, wish->ca_file);
}

/* Copies a text to where `to` points, and moves that behind it. */
static const char *copy_text(char **to, const char *text)
{
  if (text == NULL) return NULL;
  size_t size = strlen(text) + 1;
  char *copy = memcpy(*to, text, size);
  *to += size;
  return copy;
}

static size_t room_for(const char *text) { return text == NULL ? 0 : strlen(text) + 1; }

/* Copies the wish. False when there is no memory. */
static bool copy_wish(struct template *template, const struct wish *wish)
{
  char *to = malloc(room_for(wish->url) + room_for(wish->method) + room_for(wish->ca_file));
  if (to == NULL) return false;
  template->texts = to;
  template->wish = *wish;
  template->wish.url = copy_text(&to, wish->url);
  template->wish.method = copy_text(&to, wish->method);
  template->wish.ca_file = copy_text(&to, wish->ca_file);
  template->wish.body = wish->body != NULL ? "" : NULL;
  return true;
}

/* How a template's requests are carried; NULL, or why they cannot be. */
static const char *set_carrier(struct web *web, struct template *template)
{
  if (!orchlua_set_plain(web->plain, template)) return "not enough memory";
  return template->server != NULL ? NULL : orchlua_set_url(template);
}

static void free_template(struct template *template)
{
  orchlua_unset_plain(template);
  orchlua_unset_url(template);
  free(template->texts);
  free(template);
}

static const char *new_template(struct web *web, const struct wish *wish, struct template **made)
{
  struct template *template = *made = calloc(1, sizeof *template);
  if (template == NULL) return "not enough memory";
  const char *problem = copy_wish(template, wish) ? set_carrier(web, template) : "not enough memory";
  if (problem != NULL) free_template(template);
  return problem;
}

static struct template *find_template(const struct pool *pool, const struct wish *wish)
{
  struct template *template = pool->templates;
  while (template != NULL && !fits(template, wish)) template = template->next;
  return template;
}

/* Keeps a new template, in the place of the one kept longest. */
static void keep(struct pool *pool, struct template *template)
{
  struct template **place = &pool->kept[pool->oldest];
  if (*place != NULL) orchlua_leave_template(pool, *place);
  *place = template;
  template->uses++;
  pool->oldest = (pool->oldest + 1) % TEMPLATES_KEPT;
}

const char *orchlua_take_template(struct web *web, struct request *request, const struct wish *wish)
{
  struct pool *pool = &web->pool;
  struct template *template = find_template(pool, wish);
  if (template == NULL) {
    const char *problem = new_template(web, wish, &template);
    if (problem != NULL) return problem;
    template->next = pool->templates;
    pool->templates = template;
    keep(pool, template);
  }
  template->uses++;
  request->template = template;
  return NULL;
}

void orchlua_leave_template(struct pool *pool, struct template *template)
{
  if (--template->uses > 0) return;
  struct template **place = &pool->templates;
  while (*place != template) place = &(*place)->next;
  *place = template->next;
  free_template(template);
}

void orchlua_clear_templates(struct pool *pool)
{
  for (size_t i = 0; i < TEMPLATES_KEPT; i++) {
    if (pool->kept[i] != NULL) orchlua_leave_template(pool, pool->kept[i]);
    pool->kept[i] = NULL;
  }
}

/* A body belongs to what creates and changes. */
bool orchlua_has_body(const struct wish *wish)
{
  static const char *const with_body[] = { "POST", "PUT", "PATCH" };
  bool found = wish->body != NULL;
  for (size_t i = 0; i < sizeof with_body / sizeof *with_body; i++) found = found || strcmp(wish->method, with_body[i]) == 0;
  return found;
}
