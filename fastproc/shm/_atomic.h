/* Layer: shm.  Counters and words that many processes or threads change at once.

   The only file with memory orders, so that they can be read and judged in one place.  A load
   acquires and a store releases: whoever sees a stored value also sees what was written before it.
   The read-modify-write operations do both.  Nobody dies "inside" an operation: each is one
   instruction, so that a killed process has either done it or not.

   A fence orders a store before a later load, which nothing else here does: see `_bell.pxd`.

   An address must be a multiple of 8, for 32-bit words of 4 (elsewhere an operation could straddle
   two cache lines and stop being atomic).  The names carry a prefix because <stdatomic.h>, which generated C code may
   include, takes the plain ones for macros. */

#ifndef FASTPROC_SHM_ATOMIC_H
#define FASTPROC_SHM_ATOMIC_H

#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)

static inline int64_t fastproc_atomic_load(const int64_t *address) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

static inline void fastproc_atomic_store(int64_t *address, int64_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

/* Return the value before the addition. */
static inline int64_t fastproc_atomic_fetch_add(int64_t *address, int64_t amount) {
    return __atomic_fetch_add(address, amount, __ATOMIC_ACQ_REL);
}

/* Put `desired` where `expected` stands; return 1 if it stood there, else 0. */
static inline int fastproc_atomic_compare_exchange(int64_t *address, int64_t expected,
                                                   int64_t desired) {
    return __atomic_compare_exchange_n(address, &expected, desired, 0, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* Return what stood there before. */
static inline int64_t fastproc_atomic_exchange(int64_t *address, int64_t value) {
    return __atomic_exchange_n(address, value, __ATOMIC_ACQ_REL);
}

/* Set the bits that `bits` has. */
static inline void fastproc_atomic_set_bits(int64_t *address, int64_t bits) {
    __atomic_fetch_or(address, bits, __ATOMIC_ACQ_REL);
}

static inline int32_t fastproc_atomic_load_word(const int32_t *address) {
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

static inline void fastproc_atomic_store_word(int32_t *address, int32_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

/* Return what stood there before. */
static inline int32_t fastproc_atomic_exchange_word(int32_t *address, int32_t value) {
    return __atomic_exchange_n(address, value, __ATOMIC_ACQ_REL);
}

static inline void fastproc_atomic_fence(void) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#elif defined(_MSC_VER)

/* The Interlocked functions are full fences, thus stronger than what is asked for.  A load is an
   exchange of 0 by 0 since MSVC's volatile acquires on x86 only, not on ARM64.  It therefore
   needs a writable address, which every counter has. */
#include <intrin.h>

static __inline int64_t fastproc_atomic_load(const int64_t *address) {
    return _InterlockedCompareExchange64((volatile int64_t *)address, 0, 0);
}

static __inline void fastproc_atomic_store(int64_t *address, int64_t value) {
    _InterlockedExchange64((volatile int64_t *)address, value);
}

static __inline int64_t fastproc_atomic_fetch_add(int64_t *address, int64_t amount) {
    return _InterlockedExchangeAdd64((volatile int64_t *)address, amount);
}

static __inline int fastproc_atomic_compare_exchange(int64_t *address, int64_t expected,
                                                     int64_t desired) {
    return _InterlockedCompareExchange64((volatile int64_t *)address, desired, expected) ==
           expected;
}

static __inline int64_t fastproc_atomic_exchange(int64_t *address, int64_t value) {
    return _InterlockedExchange64((volatile int64_t *)address, value);
}

static __inline void fastproc_atomic_set_bits(int64_t *address, int64_t bits) {
    _InterlockedOr64((volatile int64_t *)address, bits);
}

static __inline int32_t fastproc_atomic_load_word(const int32_t *address) {
    return _InterlockedCompareExchange((volatile long *)address, 0, 0);
}

static __inline void fastproc_atomic_store_word(int32_t *address, int32_t value) {
    _InterlockedExchange((volatile long *)address, value);
}

static __inline int32_t fastproc_atomic_exchange_word(int32_t *address, int32_t value) {
    return _InterlockedExchange((volatile long *)address, value);
}

static __inline void fastproc_atomic_fence(void) {
    volatile long word = 0;
    _InterlockedExchange(&word, 1);
}

#else
#error "fastproc needs the __atomic builtins of GCC or Clang, or MSVC's Interlocked functions"
#endif

/* Tell the core that this is a loop of waiting, so that its other thread gets on. */
#if defined(__x86_64__) || defined(__i386__)
#define FASTPROC_PAUSE() __builtin_ia32_pause()
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#define FASTPROC_PAUSE() _mm_pause()
#elif defined(__aarch64__) && defined(__GNUC__)
#define FASTPROC_PAUSE() __asm__ __volatile__("yield")
#else
#define FASTPROC_PAUSE() ((void)0)
#endif

#endif
