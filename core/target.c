/* Which URLs can be asked straight; see target.h. What is not as plain as can be is left to libcurl. */
#include "target.h"

#include <stdlib.h>
#include <string.h>

static void add_address(struct target *target, const char *host)
{
  union address *address = &target->addresses[target->count];
  bool is_one = strchr(host, ':') != NULL ? uv_ip6_addr(host, target->port, &address->v6) == 0
                                          : uv_ip4_addr(host, target->port, &address->v4) == 0;
  if (is_one) target->count++;
}

/* Copies the host and moves behind it. False when it is none that we know; a number of IPv6 has no zone. */
static bool read_host(struct target *target, const char **at)
{
  bool has_brackets = **at == '[';
  if (has_brackets) ++*at;
  size_t size = strcspn(*at, has_brackets ? "]" : ":/");
  if (size == 0 || size >= sizeof target->host) return false;
  memcpy(target->host, *at, size);
  target->host[size] = '\0';
  *at += size;
  if (has_brackets != (strchr(target->host, ':') != NULL)) return false;
  return !has_brackets || (strspn(target->host, "0123456789abcdefABCDEF:.") == size && *(*at)++ == ']');
}

static bool read_port(struct target *target, const char **at)
{
  target->port = TARGET_PORT;
  if (**at != ':') return true;
  size_t size = strspn(++*at, "0123456789");
  if (size == 0 || size > 5) return false;
  target->port = atoi(*at);
  *at += size;
  return target->port > 0 && target->port <= 65535;
}

/* Whether a path is sent as it stands: visible ASCII, no fragment, nothing that libcurl would normalize. */
static bool is_simple_path(const char *path)
{
  if (*path != '/' || strstr(path, "/.") != NULL || strcasestr(path, "/%2e") != NULL) return false;
  for (; *path != '\0'; path++) {
    if (*path <= ' ' || *path > '~' || strchr("#\\\"<>^`{|}", *path) != NULL) return false;
  }
  return true;
}

bool orchlua_read_target(struct target *target, const char *url)
{
  static const char scheme[] = "http://";
  *target = (struct target){ 0 };
  if (strncmp(url, scheme, sizeof scheme - 1) != 0) return false;
  const char *at = url + sizeof scheme - 1;
  if (!read_host(target, &at) || !read_port(target, &at) || !is_simple_path(at)) return false;
  target->path = at;
  if (strcmp(target->host, "localhost") == 0) { /* RFC 6761, section 6.3: no server of names is asked for it */
    add_address(target, "::1");
    add_address(target, "127.0.0.1");
  } else {
    add_address(target, target->host);
  }
  return target->count > 0;
}
