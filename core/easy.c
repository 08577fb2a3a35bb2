/* Easy handles of libcurl. Setting one up takes longer than all else that is ours of a request, so that it is done once for
 * all requests of a template. */
#include "web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Templates -------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool fits(const struct template *template, const struct wish *wish)
{
  const struct wish *known = &template->wish;
  return known->follow == wish->follow && known->connect_timeout == wish->connect_timeout && known->compressed == wish->compressed &&
         (known->body != NULL) == (wish->body != NULL) && same_text(known->url, wish->url) && same_text(known->method, wish->method) &&
         same_text(known->ca_file, wish->ca_file) && same_text(known->proxy, wish->proxy);
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
  char *to = malloc(room_for(wish->url) + room_for(wish->method) + room_for(wish->ca_file) + room_for(wish->proxy));
  if (to == NULL) return false;
  template->texts = to;
  template->wish = *wish;
  template->wish.url = copy_text(&to, wish->url);
  template->wish.method = copy_text(&to, wish->method);
  template->wish.ca_file = copy_text(&to, wish->ca_file);
  template->wish.proxy = copy_text(&to, wish->proxy);
  template->wish.body = wish->body != NULL ? "" : NULL;
  return true;
}

/* Takes one part out of the address; what it was is left in `text`, NULL when there was none. */
static CURLUcode take_part(CURLU *url, CURLUPart part, char **text)
{
  CURLUcode code = orchlua_curl()->url_get(url, part, text, CURLU_URLDECODE);
  if (code == CURLUE_OUT_OF_MEMORY) return code;
  return code == CURLUE_OK ? orchlua_curl()->url_set(url, part, NULL, 0) : CURLUE_OK;
}

/* Reads the address; NULL, or why it is none. */
static const char *parse_url(struct template *template, const char *text)
{
  char *scheme = NULL;
  CURLU *url = template->url;
  CURLUcode code = orchlua_curl()->url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_OK) code = orchlua_curl()->url_get(url, CURLUPART_SCHEME, &scheme, 0);
  if (code == CURLUE_OK) code = take_part(url, CURLUPART_USER, &template->user);
  if (code == CURLUE_OK) code = take_part(url, CURLUPART_PASSWORD, &template->password);
  template->is_secure = scheme != NULL && strcmp(scheme, "https") == 0;
  bool is_known = template->is_secure || (scheme != NULL && strcmp(scheme, "http") == 0);
  orchlua_curl()->free(scheme);
  if (code != CURLUE_OK) return orchlua_curl()->url_strerror(code);
  return is_known ? NULL : "only http and https addresses can be asked";
}

static void free_template(struct template *template)
{
  orchlua_curl()->url_cleanup(template->url);
  orchlua_curl()->free(template->user);
  orchlua_curl()->free(template->password);
  free(template->texts);
  free(template);
}

static const char *new_template(const struct wish *wish, struct template **made)
{
  struct template *template = *made = calloc(1, sizeof *template);
  if (template == NULL) return "not enough memory";
  template->url = orchlua_curl()->url();
  const char *problem = template->url != NULL && copy_wish(template, wish) ? parse_url(template, wish->url) : "not enough memory";
  if (problem != NULL) free_template(template);
  return problem;
}

static struct template *find_template(const struct pool *pool, const struct wish *wish)
{
  struct template *template = pool->templates;
  while (template != NULL && !fits(template, wish)) template = template->next;
  return template;
}

const char *orchlua_take_template(struct pool *pool, struct request *request, const struct wish *wish)
{
  struct template *template = find_template(pool, wish);
  if (template == NULL) {
    const char *problem = new_template(wish, &template);
    if (problem != NULL) return problem;
    template->next = pool->templates;
    pool->templates = template;
  }
  template->uses++;
  request->template = template;
  return NULL;
}

/* One use of a template less: the last one frees it. */
static void leave(struct pool *pool, struct template *template)
{
  if (--template->uses > 0) return;
  struct template **place = &pool->templates;
  while (*place != template) place = &(*place)->next;
  *place = template->next;
  free_template(template);
}

void orchlua_leave_template(struct pool *pool, struct request *request)
{
  if (request->template != NULL) leave(pool, request->template);
  request->template = NULL;
}

/* Setting a handle up ----------------------------------------------------------- */

/* A body belongs to what creates and changes. */
static bool has_body(const struct wish *wish)
{
  static const char *const with_body[] = { "POST", "PUT", "PATCH" };
  bool found = wish->body != NULL;
  for (size_t i = 0; i < sizeof with_body / sizeof *with_body; i++) found = found || strcmp(wish->method, with_body[i]) == 0;
  return found;
}

static CURLcode set_method(CURL *curl, const struct wish *wish)
{
  bool posts = has_body(wish);
  if (posts) {
    orchlua_curl()->easy_setopt(curl, CURLOPT_POST, 1L);
  } else if (strcmp(wish->method, "HEAD") == 0) {
    orchlua_curl()->easy_setopt(curl, CURLOPT_NOBODY, 1L);
    return CURLE_OK;
  }
  if (strcmp(wish->method, posts ? "POST" : "GET") == 0) return CURLE_OK;
  return orchlua_curl()->easy_setopt(curl, CURLOPT_CUSTOMREQUEST, wish->method);
}

static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
  (void)purpose;
  struct request *request = data;
  int file = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  request->no_socket = file < 0 ? errno : 0;
  return file;
}

static CURLcode set_protocol(CURL *curl, bool is_secure)
{
  orchlua_curl()->easy_setopt(curl, CURLOPT_HEADERFUNCTION, orchlua_on_header);
  orchlua_curl()->easy_setopt(curl, CURLOPT_WRITEFUNCTION, orchlua_on_body);
  orchlua_curl()->easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  orchlua_curl()->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  orchlua_curl()->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  orchlua_curl()->easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  orchlua_curl()->easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  orchlua_curl()->easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  orchlua_curl()->easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name's look-up that is given up */
  if (is_secure) {
    orchlua_curl()->easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    orchlua_curl()->easy_setopt(curl, CURLOPT_PIPEWAIT, 1L); /* rather share a connection of HTTP/2 than open another */
  }
  return orchlua_curl()->easy_setopt(curl, CURLOPT_USERAGENT, "orchlua");
}

static CURLcode set_text(CURL *curl, CURLoption option, const char *text)
{
  return text == NULL ? CURLE_OK : orchlua_curl()->easy_setopt(curl, option, text);
}

static CURLcode set_options(CURL *curl, const struct template *template)
{
  const struct wish *wish = &template->wish;
  orchlua_curl()->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, wish->connect_timeout);
  if (wish->follow > 0) {
    orchlua_curl()->easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    orchlua_curl()->easy_setopt(curl, CURLOPT_MAXREDIRS, wish->follow > 100 ? 100L : (long)wish->follow);
  }
  CURLcode code = set_protocol(curl, template->is_secure);
  if (code == CURLE_OK) code = set_method(curl, wish);
  if (code == CURLE_OK) code = orchlua_curl()->easy_setopt(curl, CURLOPT_CURLU, template->url);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_CAINFO, wish->ca_file);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_PROXY, wish->proxy);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_ACCEPT_ENCODING, wish->compressed ? "" : NULL);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_USERNAME, template->user);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_PASSWORD, template->password);
  return code;
}

static bool new_easy(struct easy *easy, struct template *template)
{
  CURL *curl = orchlua_curl()->easy_init();
  if (curl == NULL) return false;
  if (set_options(curl, template) != CURLE_OK) {
    orchlua_curl()->easy_cleanup(curl);
    return false;
  }
  template->uses++;
  *easy = (struct easy){ curl, template };
  return true;
}

static void free_easy(struct pool *pool, struct easy easy)
{
  orchlua_curl()->easy_cleanup(easy.curl);
  leave(pool, easy.template);
}

/* The pool ----------------------------------------------------------------------- */

/* Takes the one that was kept last of a template's. False when there is none. */
static bool take_idle(struct pool *pool, struct easy *easy, const struct template *template)
{
  size_t i = pool->count;
  while (i > 0 && pool->idle[i - 1].template != template) i--;
  if (i == 0) return false;
  *easy = pool->idle[i - 1];
  pool->idle[i - 1] = pool->idle[--pool->count];
  return true;
}

/* What is each request's own. */
static void set_request(struct request *request)
{
  CURL *curl = request->easy.curl;
  orchlua_curl()->easy_setopt(curl, CURLOPT_PRIVATE, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_ERRORBUFFER, request->detail);
  orchlua_curl()->easy_setopt(curl, CURLOPT_HEADERDATA, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_WRITEDATA, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_OPENSOCKETDATA, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_HTTPHEADER, request->lines);
  if (!has_body(&request->template->wish)) return;
  orchlua_curl()->easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->sent_size);
  orchlua_curl()->easy_setopt(curl, CURLOPT_POSTFIELDS, request->sent != NULL ? request->sent : "");
}

bool orchlua_take_easy(struct pool *pool, struct request *request)
{
  if (!take_idle(pool, &request->easy, request->template) && !new_easy(&request->easy, request->template)) return false;
  set_request(request);
  return true;
}

/* Puts it into the pool, in the place of another when that is full. */
static void keep(struct pool *pool, struct easy easy)
{
  if (pool->count < POOL_SIZE) {
    pool->idle[pool->count++] = easy;
    return;
  }
  free_easy(pool, pool->idle[pool->next]);
  pool->idle[pool->next] = easy;
  pool->next = (pool->next + 1) % POOL_SIZE;
}

void orchlua_give_easy(struct pool *pool, struct request *request, bool is_sound)
{
  struct easy easy = request->easy;
  request->easy = (struct easy){ NULL, NULL };
  orchlua_curl()->easy_setopt(easy.curl, CURLOPT_ERRORBUFFER, NULL);
  orchlua_curl()->easy_setopt(easy.curl, CURLOPT_HTTPHEADER, NULL);
  if (is_sound) keep(pool, easy);
  else free_easy(pool, easy);
}

void orchlua_clear_pool(struct pool *pool)
{
  while (pool->count > 0) free_easy(pool, pool->idle[--pool->count]);
}
