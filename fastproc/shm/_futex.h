/* Layer: shm.  Sleeping on a word of shared memory: the futex of Linux.

   The system looks at the word and puts the caller to sleep in one step, so that a wake-up between
   the two cannot be lost.  The words are in memory that several processes map, hence not the
   "private" variants.  A process that is killed in its sleep leaves nothing behind.

   Elsewhere FASTPROC_HAS_FUTEX is 0 and sleepers use a pipe. */

#ifndef FASTPROC_SHM_FUTEX_H
#define FASTPROC_SHM_FUTEX_H

#include <stdint.h>

#if defined(__linux__)

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FASTPROC_HAS_FUTEX 1

/* Sleep while `*word` is `expected`, at most `timeout_ns` (for ever if negative).  Return whether
   a signal ended the sleep. */
static inline int fastproc_futex_wait(int32_t *word, int32_t expected, int64_t timeout_ns) {
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    long result = syscall(SYS_futex, word, FUTEX_WAIT, expected,
                          timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    return result == -1 && errno == EINTR;
}

/* Wake at most `count` of those who sleep on a word; return how many there were. */
static inline int fastproc_futex_wake_some(int32_t *word, int count) {
    long waked = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return waked > 0 ? (int)waked : 0;
}

/* Let one who sleeps on a word that is now `value` sleep on another; return how many there were. */
static inline int fastproc_futex_requeue(int32_t *word, int32_t value, int32_t *other) {
    long moved = syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 0, (void *)1, other, value);
    return moved > 0 ? (int)moved : 0;
}

/* Return whether a signal ended the nap. */
static inline int fastproc_nap(int64_t nanoseconds) {
    struct timespec nap = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return nanosleep(&nap, NULL) == -1;
}

static inline int64_t fastproc_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#else

#define FASTPROC_HAS_FUTEX 0

static inline int fastproc_futex_wait(int32_t *word, int32_t expected, int64_t timeout_ns) {
    (void)word, (void)expected, (void)timeout_ns;
    return 0;
}

static inline int fastproc_futex_wake_some(int32_t *word, int count) {
    (void)word, (void)count;
    return 0;
}

static inline int fastproc_futex_requeue(int32_t *word, int32_t value, int32_t *other) {
    (void)word, (void)value, (void)other;
    return 0;
}

#if defined(_WIN32)
#include <windows.h>
static inline int fastproc_nap(int64_t nanoseconds) {
    Sleep((DWORD)((nanoseconds + 999999) / 1000000));
    return 0; /* a signal ends nobody's sleep here */
}
static inline int64_t fastproc_now_ns(void) {
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (int64_t)((double)ticks.QuadPart * 1e9 / (double)per_second.QuadPart);
}
#else
#include <time.h>
static inline int fastproc_nap(int64_t nanoseconds) {
    struct timespec nap = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return nanosleep(&nap, NULL) == -1;
}
static inline int64_t fastproc_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
#endif

#endif

#endif
