/* What a URL says that can be asked straight: `http`, a host that is a number or `localhost`, a path that is sent as it stands. */
#ifndef ORCHLUA_TARGET_H
#define ORCHLUA_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum { TARGET_ADDRESSES = 2, TARGET_PORT = 80 /* where none is said */ };

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

struct target {
  char host[64]; /* a number of IPv6 without its brackets */
  int port;
  const char *path; /* in the URL */
  union address addresses[TARGET_ADDRESSES]; /* of `localhost` two */
  size_t count;
};

/* Reads a URL. False when it is none for us: libcurl then knows what it means, or what is wrong with it. */
bool orchlua_read_target(struct target *target, const char *url);

#endif
