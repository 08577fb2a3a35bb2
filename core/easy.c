/* Easy handles of libcurl. Setting one up takes longer than all else that is ours of a request, so that it is done once for
 * all requests of a template. */
#include "web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Addresses ---------------------------------------------------------------------- */

/* Takes one part out of the address; what it was is left in `text`, NULL when there was none. */
static CURLUcode take_part(CURLU *url, CURLUPart part, char **text)
{
  CURLUcode code = orchlua_curl()->url_get(url, part, text, CURLU_URLDECODE);
  if (code == CURLUE_OUT_OF_MEMORY) return code;
  return code == CURLUE_OK ? orchlua_curl()->url_set(url, part, NULL, 0) : CURLUE_OK;
}

const char *orchlua_set_url(struct template *template)
{
  char *scheme = NULL;
  if (orchlua_curl() == NULL) return "it needs libcurl (libcurl.so.4), which cannot be loaded here";
  CURLU *url = template->url = orchlua_curl()->url();
  if (url == NULL) return "not enough memory";
  CURLUcode code = orchlua_curl()->url_set(url, CURLUPART_URL, template->wish.url, CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_OK) code = orchlua_curl()->url_get(url, CURLUPART_SCHEME, &scheme, 0);
  if (code == CURLUE_OK) code = take_part(url, CURLUPART_USER, &template->user);
  if (code == CURLUE_OK) code = take_part(url, CURLUPART_PASSWORD, &template->password);
  if (code == CURLUE_OK) code = orchlua_curl()->url_get(url, CURLUPART_URL, &template->address, 0);
  template->is_secure = scheme != NULL && strcmp(scheme, "https") == 0;
  bool is_known = template->is_secure || (scheme != NULL && strcmp(scheme, "http") == 0);
  orchlua_curl()->free(scheme);
  if (code != CURLUE_OK) return orchlua_curl()->url_strerror(code);
  return is_known ? NULL : "only http and https addresses can be asked";
}

void orchlua_unset_url(struct template *template)
{
  if (template->url == NULL) return;
  orchlua_curl()->url_cleanup(template->url);
  orchlua_curl()->free(template->address);
  orchlua_curl()->free(template->user);
  orchlua_curl()->free(template->password);
}

void orchlua_url_host(const struct template *template, char *host, size_t room)
{
  char *name = NULL, *port = NULL;
  orchlua_curl()->url_get(template->url, CURLUPART_HOST, &name, 0);
  orchlua_curl()->url_get(template->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
  snprintf(host, room, "%s:%s", name != NULL ? name : "the server", port != NULL ? port : "?");
  orchlua_curl()->free(name);
  orchlua_curl()->free(port);
}

/* What libcurl hands over ---------------------------------------------------------- */

static size_t on_header(char *line, size_t unit, size_t count, void *data)
{
  size_t size = unit * count;
  return orchlua_request_line(data, (struct bytes){ line, size }) ? size : 0;
}

static size_t on_body(char *piece, size_t unit, size_t count, void *data)
{
  struct request *request = data;
  size_t size = unit * count;
  if (request->paused) return CURL_WRITEFUNC_PAUSE;
  return orchlua_request_piece(request, (struct bytes){ piece, size }) ? size : 0;
}

/* Setting a handle up ----------------------------------------------------------- */

static CURLcode set_method(CURL *curl, const struct wish *wish)
{
  bool posts = orchlua_has_body(wish);
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
  struct trouble *trouble = data;
  int file = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  trouble->no_socket = file < 0 ? errno : 0;
  return file;
}

static CURLcode set_protocol(CURL *curl, bool is_secure)
{
  orchlua_curl()->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  orchlua_curl()->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  orchlua_curl()->easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  orchlua_curl()->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  orchlua_curl()->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
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
  orchlua_curl()->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)wish->connect_timeout);
  CURLcode code = set_protocol(curl, template->is_secure);
  if (code == CURLE_OK) code = set_method(curl, wish);
  if (code == CURLE_OK) code = orchlua_curl()->easy_setopt(curl, CURLOPT_CURLU, template->url);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_CAINFO, wish->ca_file);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_USERNAME, template->user);
  if (code == CURLE_OK) code = set_text(curl, CURLOPT_PASSWORD, template->password);
  return code;
}

static void clean_up(struct easy easy)
{
  orchlua_curl()->easy_cleanup(easy.curl);
  free(easy.trouble);
}

static bool new_easy(struct easy *easy, struct template *template)
{
  *easy = (struct easy){ orchlua_curl()->easy_init(), template, calloc(1, sizeof *easy->trouble) };
  if (easy->curl == NULL || easy->trouble == NULL || set_options(easy->curl, template) != CURLE_OK) {
    clean_up(*easy);
    *easy = (struct easy){ 0 };
    return false;
  }
  orchlua_curl()->easy_setopt(easy->curl, CURLOPT_ERRORBUFFER, easy->trouble->detail);
  orchlua_curl()->easy_setopt(easy->curl, CURLOPT_OPENSOCKETDATA, easy->trouble);
  template->uses++;
  return true;
}

static void free_easy(struct pool *pool, struct easy easy)
{
  clean_up(easy);
  orchlua_leave_template(pool, easy.template);
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
  *request->easy.trouble = (struct trouble){ 0 };
  orchlua_curl()->easy_setopt(curl, CURLOPT_PRIVATE, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_HEADERDATA, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_WRITEDATA, request);
  orchlua_curl()->easy_setopt(curl, CURLOPT_HTTPHEADER, request->slist);
  if (!orchlua_has_body(&request->template->wish)) return;
  orchlua_curl()->easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->sent_size);
  orchlua_curl()->easy_setopt(curl, CURLOPT_POSTFIELDS, request->sent != NULL ? request->sent : "");
}

static bool add_line(struct request *request, const char *line)
{
  struct curl_slist *slist = orchlua_curl()->slist_append(request->slist, line);
  if (slist != NULL) request->slist = slist;
  return slist != NULL;
}

/* Adds the header lines as libcurl takes them: an empty one has a semicolon. The line ends are overwritten. */
static bool take_lines(struct request *request)
{
  char *line = request->lines.data, *end = line + request->lines.size;
  while (line < end) {
    char *next = memchr(line, '\n', (size_t)(end - line));
    char *colon = memchr(line, ':', (size_t)(end - line));
    next[-1] = '\0'; /* the line's CR */
    if (colon == next - 2) *colon = ';';
    if (!add_line(request, line)) return false;
    line = next + 1;
  }
  return true;
}

/* All headers of a request, and what keeps libcurl from adding more. */
static bool set_lines(struct request *request)
{
  bool has_type = (request->named & HAS_TYPE) != 0;
  return take_lines(request) && add_line(request, "Expect:") && (has_type || add_line(request, "Content-Type:"));
}

bool orchlua_take_easy(struct pool *pool, struct request *request)
{
  struct template *template = request->template;
  if (set_lines(request) && (take_idle(pool, &request->easy, template) || new_easy(&request->easy, template))) {
    set_request(request);
    return true;
  }
  orchlua_curl()->slist_free_all(request->slist);
  request->slist = NULL;
  return false;
}

/* Puts it into the pool, in the place of another when that is full. */
static void keep(struct pool *pool, struct easy easy)
{
  if (pool->count < EASY_KEPT) {
    pool->idle[pool->count++] = easy;
    return;
  }
  free_easy(pool, pool->idle[pool->next]);
  pool->idle[pool->next] = easy;
  pool->next = (pool->next + 1) % EASY_KEPT;
}

void orchlua_give_easy(struct pool *pool, struct request *request, bool is_sound)
{
  struct easy easy = request->easy;
  request->easy = (struct easy){ 0 };
  orchlua_curl()->easy_setopt(easy.curl, CURLOPT_HTTPHEADER, NULL);
  orchlua_curl()->slist_free_all(request->slist);
  request->slist = NULL;
  if (is_sound) keep(pool, easy);
  else free_easy(pool, easy);
}

void orchlua_clear_easy(struct pool *pool)
{
  while (pool->count > 0) free_easy(pool, pool->idle[--pool->count]);
}
