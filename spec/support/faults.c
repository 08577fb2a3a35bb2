/* Preloaded into a process of the specs: makes the disk fail, or the process die, at
 * a chosen write to a file whose path contains $FAULT_PATH. Writes, syncs and
 * truncations count, from 1; at number $FAULT_AT happens what $FAULT says:
 *   kill   the process dies by SIGKILL, before the write
 *   torn   half of the write is done, then the process dies
 *   full   this write and all that follow fail with ENOSPC
 *   io     this write and all that follow fail with EIO
 *   readonly   … with EROFS, as on a disk that was mounted read-only meanwhile
 *   slow       each sync takes 0.3 s */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long count;

static int concerns(int file)
{
  const char *wanted = getenv("FAULT_PATH");
  char link[64], path[4096];
  if (wanted == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = '\0';
  return strstr(path, wanted) != NULL;
}

/* What is to be done about this write: 0 nothing, an errno, or -1: half of it. */
static int fault(int file)
{
  const char *at = getenv("FAULT_AT"), *kind = getenv("FAULT");
  if (at == NULL || kind == NULL || !concerns(file)) return 0;
  long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST), chosen = atol(at);
  if (number < chosen) return 0;
  if (strcmp(kind, "full") == 0) return ENOSPC;
  if (strcmp(kind, "io") == 0) return EIO;
  if (strcmp(kind, "readonly") == 0) return EROFS;
  if (number > chosen || strcmp(kind, "slow") == 0) return 0;
  if (strcmp(kind, "torn") == 0) return -1;
  kill(getpid(), SIGKILL);
  return 0;
}

static ssize_t written(ssize_t (*real)(int, const void *, size_t, off_t), int file, const void *bytes, size_t size, off_t at)
{
  int code = fault(file);
  if (code > 0) {
    errno = code;
    return -1;
  }
  if (code < 0) {
    real(file, bytes, size / 2, at);
    kill(getpid(), SIGKILL);
  }
  return real(file, bytes, size, at);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at)
{
  return written((ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite"), file, bytes, size, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at)
{
  return written((ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64"), file, bytes, size, at);
}

static int called(const char *name, int file)
{
  const char *kind = getenv("FAULT");
  int code = fault(file);
  if (kind != NULL && strcmp(kind, "slow") == 0 && concerns(file)) usleep(300000);
  if (code > 0) {
    errno = code;
    return -1;
  }
  if (code < 0) kill(getpid(), SIGKILL);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}

int fsync(int file) { return called("fsync", file); }
int fdatasync(int file) { return called("fdatasync", file); }

int ftruncate(int file, off_t size)
{
  int code = fault(file);
  if (code > 0) {
    errno = code;
    return -1;
  }
  if (code < 0) kill(getpid(), SIGKILL);
  return ((int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate"))(file, size);
}
