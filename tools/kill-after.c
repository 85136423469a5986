/*
 * Kills a process right after its n-th change to a folder. Tests of interrupted publication preload it into a program
 * (LD_PRELOAD); nothing else uses it. It wraps the calls of libc that change files, and counts those that succeed:
 *
 *   KILL_UNDER   the folder, an absolute path without links; without it nothing is counted
 *   KILL_BUT     a folder in it whose files are not counted (optional)
 *   KILL_AFTER   the process gets SIGKILL after so many changes (optional)
 *   KILL_LOG     each change is appended to this file as a line: what, and the path (optional)
 *
 * The program must name files by absolute paths. A call that does not go through libc is not counted; what it leaves is
 * seen all the same, after the next change.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *under, *but;
static long after, seen;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
    const char *count = getenv("KILL_AFTER"), *log = getenv("KILL_LOG");
    after = count ? atol(count) : 0;
    if (log) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    but = getenv("KILL_BUT");
    under = getenv("KILL_UNDER");
}

/* The function of this name that the program would call without this library. */
#define NEXT(name)                                                          \
    ({                                                                      \
        static __typeof__(&name) next;                                      \
        if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);       \
        next;                                                               \
    })

static int is_in(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int counts(const char *path) {
    return under && is_in(path, under) && !(but && is_in(path, but));
}

/* Counts a change of one of two paths. */
static void changed(const char *what, const char *path, const char *other) {
    int kept = errno;
    if (counts(path) || (other && counts(other))) {
        long now = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
        if (log_fd >= 0) {
            char line[2 * PATH_MAX + 64];
            int length = snprintf(line, sizeof line, "%s %s%s%s\n", what, path, other ? " " : "", other ? other : "");
            syscall(SYS_write, log_fd, line, length);
        }
        if (now == after) {
            syscall(SYS_kill, getpid(), SIGKILL);
            for (;;) pause();
        }
    }
    errno = kept;
}

/* The path of an open file, or of a name in an open folder. */
static const char *path_of(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    buffer[length > 0 ? length : 0] = 0;
    return buffer;
}

static const char *path_at(int folder, const char *path, char *buffer) {
    if (path[0] == '/' || folder == AT_FDCWD) return path;
    path_of(folder, buffer);
    size_t length = strlen(buffer);
    snprintf(buffer + length, 2 * PATH_MAX - length, "/%s", path);
    return buffer;
}

static void changed_fd(const char *what, int fd) {
    char buffer[PATH_MAX];
    int kept = errno;
    if (under) changed(what, path_of(fd, buffer), NULL);
    errno = kept;
}

static void changed_at(const char *what, int folder, const char *path, int other_folder, const char *other) {
    char buffer[2 * PATH_MAX], other_buffer[2 * PATH_MAX];
    int kept = errno;
    if (under)
        changed(what, path_at(folder, path, buffer), other ? path_at(other_folder, other, other_buffer) : NULL);
    errno = kept;
}

static int may_make(int flags) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static mode_t mode_of(int flags, va_list rest) {
    return may_make(flags) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        va_list rest;                                                       \
        va_start(rest, flags);                                              \
        int fd = NEXT(name)(path, flags, mode_of(flags, rest));             \
        va_end(rest);                                                       \
        if (fd >= 0 && (may_make(flags) || (flags & O_TRUNC)))              \
            changed_at("open", AT_FDCWD, path, 0, NULL);                    \
        return fd;                                                          \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                        \
    int name(int folder, const char *path, int flags, ...) {                \
        va_list rest;                                                       \
        va_start(rest, flags);                                              \
        int fd = NEXT(name)(folder, path, flags, mode_of(flags, rest));     \
        va_end(rest);                                                       \
        if (fd >= 0 && (may_make(flags) || (flags & O_TRUNC)))              \
            changed_at("open", folder, path, 0, NULL);                      \
        return fd;                                                          \
    }
OPENAT(openat)
OPENAT(openat64)

/* A call that changes an open file and returns how much, or zero. */
#define CHANGES_FILE(result, name, what, least, fd, parameters, arguments)  \
    result name parameters {                                                \
        result done = NEXT(name) arguments;                                 \
        if (done >= (least)) changed_fd(what, fd);                          \
        return done;                                                        \
    }
CHANGES_FILE(ssize_t, write, "write", 1, fd, (int fd, const void *bytes, size_t length), (fd, bytes, length))
CHANGES_FILE(ssize_t, writev, "write", 1, fd, (int fd, const struct iovec *parts, int count), (fd, parts, count))
CHANGES_FILE(ssize_t, pwrite, "write", 1, fd, (int fd, const void *bytes, size_t length, off_t at),
             (fd, bytes, length, at))
CHANGES_FILE(ssize_t, pwrite64, "write", 1, fd, (int fd, const void *bytes, size_t length, off64_t at),
             (fd, bytes, length, at))
CHANGES_FILE(ssize_t, copy_file_range, "write", 1, to,
             (int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags),
             (from, from_at, to, to_at, length, flags))
CHANGES_FILE(ssize_t, sendfile, "write", 1, to, (int to, int from, off_t *at, size_t length),
             (to, from, at, length))
CHANGES_FILE(ssize_t, sendfile64, "write", 1, to, (int to, int from, off64_t *at, size_t length),
             (to, from, at, length))
CHANGES_FILE(int, ftruncate, "write", 0, fd, (int fd, off_t length), (fd, length))
CHANGES_FILE(int, ftruncate64, "write", 0, fd, (int fd, off64_t length), (fd, length))
CHANGES_FILE(int, fchmod, "mode", 0, fd, (int fd, mode_t mode), (fd, mode))
CHANGES_FILE(int, fsync, "sync", 0, fd, (int fd), (fd))
CHANGES_FILE(int, fdatasync, "sync", 0, fd, (int fd), (fd))

/* A call that changes a name, or two. */
#define CHANGES_NAME(name, what, folder, path, other_folder, other, parameters, arguments) \
    int name parameters {                                                   \
        int done = NEXT(name) arguments;                                    \
        if (!done) changed_at(what, folder, path, other_folder, other);     \
        return done;                                                        \
    }
CHANGES_NAME(rename, "rename", AT_FDCWD, from, AT_FDCWD, to, (const char *from, const char *to), (from, to))
CHANGES_NAME(renameat, "rename", a, from, b, to, (int a, const char *from, int b, const char *to), (a, from, b, to))
CHANGES_NAME(renameat2, "rename", a, from, b, to, (int a, const char *from, int b, const char *to, unsigned flags),
             (a, from, b, to, flags))
CHANGES_NAME(link, "link", AT_FDCWD, from, AT_FDCWD, to, (const char *from, const char *to), (from, to))
CHANGES_NAME(linkat, "link", a, from, b, to, (int a, const char *from, int b, const char *to, int flags),
             (a, from, b, to, flags))
CHANGES_NAME(symlink, "open", AT_FDCWD, path, 0, NULL, (const char *to, const char *path), (to, path))
CHANGES_NAME(unlink, "remove", AT_FDCWD, path, 0, NULL, (const char *path), (path))
CHANGES_NAME(unlinkat, "remove", folder, path, 0, NULL, (int folder, const char *path, int flags),
             (folder, path, flags))
CHANGES_NAME(rmdir, "remove", AT_FDCWD, path, 0, NULL, (const char *path), (path))
CHANGES_NAME(mkdir, "open", AT_FDCWD, path, 0, NULL, (const char *path, mode_t mode), (path, mode))
CHANGES_NAME(mkdirat, "open", folder, path, 0, NULL, (int folder, const char *path, mode_t mode), (folder, path, mode))
CHANGES_NAME(chmod, "mode", AT_FDCWD, path, 0, NULL, (const char *path, mode_t mode), (path, mode))
