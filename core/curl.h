/* What is used of libcurl, loaded when the first request is made: it brings thirty
 * libraries along, which take longer to load than all else that a short program needs. */
#ifndef ORCHLUA_CURL_H
#define ORCHLUA_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define ORCHLUA_CURL_FUNCTIONS(X) \
  X(global_init) X(free) X(slist_append) X(slist_free_all) \
  X(easy_init) X(easy_cleanup) X(easy_setopt) X(easy_getinfo) X(easy_pause) X(easy_strerror) \
  X(multi_init) X(multi_cleanup) X(multi_setopt) X(multi_add_handle) X(multi_remove_handle) X(multi_assign) \
  X(multi_info_read) X(multi_socket_action) \
  X(url) X(url_get) X(url_set) X(url_cleanup) X(url_strerror)

/* Its functions, under their names without `curl_`. */
struct orchlua_curl {
#define ORCHLUA_CURL_FIELD(name) __typeof__(curl_##name) *name;
  ORCHLUA_CURL_FUNCTIONS(ORCHLUA_CURL_FIELD)
#undef ORCHLUA_CURL_FIELD
};

/* The library, loaded and initialized once for the process; NULL when it cannot be. */
const struct orchlua_curl *orchlua_curl(void);

#endif
