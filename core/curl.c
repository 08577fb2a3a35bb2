/* Loads libcurl; see curl.h. */
#include "curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* Set once, before any of it is used. */
static struct orchlua_curl functions;
static const struct orchlua_curl *_Atomic loaded;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static const char *const names[] = {
#define NAME(name) "curl_" #name,
  ORCHLUA_CURL_FUNCTIONS(NAME)
#undef NAME
};

static const size_t places[] = {
#define PLACE(name) offsetof(struct orchlua_curl, name),
  ORCHLUA_CURL_FUNCTIONS(PLACE)
#undef PLACE
};

/* It is never closed: libcurl's global state lives as long as the process. */
static void load(void)
{
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *function = dlsym(library, names[i]);
    if (function == NULL) return;
    memcpy((char *)&functions + places[i], &function, sizeof function);
  }
  if (functions.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) loaded = &functions;
}

static const struct orchlua_curl *load_once(void)
{
  pthread_mutex_lock(&mutex);
  if (loaded == NULL) load(); /* once more, where there was no memory for it before */
  const struct orchlua_curl *found = loaded;
  pthread_mutex_unlock(&mutex);
  return found;
}

const struct orchlua_curl *orchlua_curl(void)
{
  const struct orchlua_curl *found = atomic_load_explicit(&loaded, memory_order_acquire);
  return found != NULL ? found : load_once();
}
