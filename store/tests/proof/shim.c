/* Stands between a program and its files, in one folder: writes down in order what would survive a power cut and what
 * would not, and fails one call of choice.
 *
 *   SHIM_FOLDER   the folder; calls about other files pass untouched
 *   SHIM_TRACE    where to write it down
 *   SHIM_FAIL     the number of the write, sync or rename that fails, from 1; 0 or nothing for none
 *   SHIM_ERRNO    how it fails
 *
 * What is written to standard output is written down too: it says what the program has promised until then.
 *
 * One entry: a letter, the length of a path and the path, an offset, the length of bytes and the bytes; numbers of
 * 8 bytes in the order of the machine.
 *
 *   C created   M made folder   W written at offset   T cut to offset   S synced   R renamed to the bytes
 *   U removed   A said   F failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 1024
#define PATH_BYTES 512

static char paths[FILES_MAX][PATH_BYTES];
static char folder[PATH_BYTES];
static int trace = -1;
static long fail_at, calls;
static int fail_with = EIO;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

/* Not by the names below: those are ours. */
static long put(int fd, const void *bytes, size_t length) { return syscall(SYS_write, fd, bytes, length); }

__attribute__((constructor)) static void begin(void) {
  const char *where = getenv("SHIM_FOLDER"), *to = getenv("SHIM_TRACE");
  if (!where || !to) return;
  snprintf(folder, sizeof folder, "%s", where);
  trace = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (getenv("SHIM_FAIL")) fail_at = atol(getenv("SHIM_FAIL"));
  if (getenv("SHIM_ERRNO")) fail_with = atoi(getenv("SHIM_ERRNO"));
}

static void note(char what, const char *path, uint64_t offset, const void *bytes, uint64_t length) {
  uint64_t named = strlen(path);
  size_t size = 1 + 8 + named + 8 + 8 + length, at = 0;
  char *entry = malloc(size);
  if (!entry) abort();
  entry[at++] = what;
  memcpy(entry + at, &named, 8), at += 8;
  memcpy(entry + at, path, named), at += named;
  memcpy(entry + at, &offset, 8), at += 8;
  memcpy(entry + at, &length, 8), at += 8;
  if (length) memcpy(entry + at, bytes, length);
  if (put(trace, entry, size) != (long)size) abort();
  free(entry);
}

static int is_ours(const char *path) {
  return trace >= 0 && path && !strncmp(path, folder, strlen(folder)) && strlen(path) < PATH_BYTES;
}

static const char *of(int fd) { return trace >= 0 && fd >= 0 && fd < FILES_MAX && *paths[fd] ? paths[fd] : NULL; }

/* Whether this call is the one that fails. */
static int fails(void) {
  if (++calls != fail_at) return 0;
  note('F', "", 0, "", 0);
  errno = fail_with;
  return 1;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int opened(int fd, const char *path, int flags, int is_new) {
  if (fd < 0 || fd >= FILES_MAX) return fd;
  paths[fd][0] = 0;
  if (!is_ours(path)) return fd;
  strcpy(paths[fd], path);
  if (is_new) note('C', path, 0, "", 0);
  else if (flags & O_TRUNC) note('T', path, 0, "", 0);
  return fd;
}

#define OPEN(name)                                                   \
  int name(const char *path, int flags, ...) {                       \
    NEXT(name);                                                      \
    va_list more;                                                    \
    va_start(more, flags);                                           \
    mode_t mode = va_arg(more, mode_t);                              \
    va_end(more);                                                    \
    pthread_mutex_lock(&one);                                        \
    int is_new = is_ours(path) && (flags & O_CREAT) && access(path, F_OK); \
    int fd = opened(next(path, flags, mode), path, flags, is_new);   \
    pthread_mutex_unlock(&one);                                      \
    return fd;                                                       \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  NEXT(close);
  pthread_mutex_lock(&one);
  if (fd >= 0 && fd < FILES_MAX) paths[fd][0] = 0;
  int closed = next(fd);
  pthread_mutex_unlock(&one);
  return closed;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  NEXT(write);
  pthread_mutex_lock(&one);
  const char *path = of(fd);
  ssize_t written;
  if (path && fails()) {
    written = -1;
  } else {
    off_t at = 0;
    struct stat about;
    if (path) {
      int appends = fcntl(fd, F_GETFL) & O_APPEND;
      at = appends && !fstat(fd, &about) ? about.st_size : lseek(fd, 0, SEEK_CUR);
    }
    written = next(fd, bytes, length);
    if (path && written > 0) note('W', path, (uint64_t)at, bytes, (uint64_t)written);
    if (fd == 1 && trace >= 0 && written > 0) note('A', "", 0, bytes, (uint64_t)written);
  }
  pthread_mutex_unlock(&one);
  return written;
}

#define PWRITE(name, offset_type)                                                       \
  ssize_t name(int fd, const void *bytes, size_t length, offset_type at) {              \
    NEXT(name);                                                                         \
    pthread_mutex_lock(&one);                                                           \
    const char *path = of(fd);                                                          \
    ssize_t written = path && fails() ? -1 : next(fd, bytes, length, at);               \
    if (path && written > 0) note('W', path, (uint64_t)at, bytes, (uint64_t)written);   \
    pthread_mutex_unlock(&one);                                                         \
    return written;                                                                     \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC(name)                                       \
  int name(int fd) {                                     \
    NEXT(name);                                          \
    pthread_mutex_lock(&one);                            \
    const char *path = of(fd);                           \
    int synced = path && fails() ? -1 : next(fd);        \
    if (path && !synced) note('S', path, 0, "", 0);      \
    pthread_mutex_unlock(&one);                          \
    return synced;                                       \
  }
SYNC(fsync)
SYNC(fdatasync)

#define CUT(name, offset_type)                                    \
  int name(int fd, offset_type length) {                          \
    NEXT(name);                                                   \
    pthread_mutex_lock(&one);                                     \
    const char *path = of(fd);                                    \
    int cut = next(fd, length);                                   \
    if (path && !cut) note('T', path, (uint64_t)length, "", 0);   \
    pthread_mutex_unlock(&one);                                   \
    return cut;                                                   \
  }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
  NEXT(rename);
  pthread_mutex_lock(&one);
  int ours = is_ours(from);
  int renamed = ours && fails() ? -1 : next(from, to);
  if (ours && !renamed) note('R', from, 0, to, strlen(to));
  pthread_mutex_unlock(&one);
  return renamed;
}

int unlink(const char *path) {
  NEXT(unlink);
  pthread_mutex_lock(&one);
  int removed = next(path);
  if (is_ours(path) && !removed) note('U', path, 0, "", 0);
  pthread_mutex_unlock(&one);
  return removed;
}

int mkdir(const char *path, mode_t mode) {
  NEXT(mkdir);
  pthread_mutex_lock(&one);
  int made = next(path, mode);
  if (is_ours(path) && !made) note('M', path, 0, "", 0);
  pthread_mutex_unlock(&one);
  return made;
}
