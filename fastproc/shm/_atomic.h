/* Layer: shm.  Counters and words that many processes or threads change at once.

   The only file with memory orders, so that they can be read and judged in one place.  A load
   acquires and a store releases: whoever sees a stored value also sees what was written before it.
   The read-modify-write operations do both.  Nobody dies "inside" an operation: each is one
   instruction, so that a killed process has either done it or not.

   A fence orders a store before a later load, which nothing else here does: see `_bell.pxd`.

   An address must be a multiple of 8, for smaller words of their own size (elsewhere an operation
   could straddle two cache lines and stop being atomic).  The names carry a prefix because
   <stdatomic.h>, which generated C code may include, takes the plain ones for macros. */

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

/* The same for the words of 8 to 64 bits that numbers lie in (`_number.h`).  Where something else
   stands than is expected, a compare-and-exchange says what. */
#define FASTPROC_ATOMIC_WORD(bits)                                                                \
    static inline uint##bits##_t fastproc_load_##bits(const uint##bits##_t *address) {            \
        return __atomic_load_n(address, __ATOMIC_ACQUIRE);                                        \
    }                                                                                             \
    static inline void fastproc_store_##bits(uint##bits##_t *address, uint##bits##_t value) {     \
        __atomic_store_n(address, value, __ATOMIC_RELEASE);                                       \
    }                                                                                             \
    static inline uint##bits##_t fastproc_exchange_##bits(uint##bits##_t *address,                \
                                                          uint##bits##_t value) {                 \
        return __atomic_exchange_n(address, value, __ATOMIC_ACQ_REL);                             \
    }                                                                                             \
    static inline uint##bits##_t fastproc_fetch_add_##bits(uint##bits##_t *address,               \
                                                           uint##bits##_t amount) {               \
        return __atomic_fetch_add(address, amount, __ATOMIC_ACQ_REL);                             \
    }                                                                                             \
    static inline int fastproc_compare_exchange_##bits(                                           \
        uint##bits##_t *address, uint##bits##_t *expected, uint##bits##_t desired) {              \
        return __atomic_compare_exchange_n(address, expected, desired, 0, __ATOMIC_ACQ_REL,       \
                                           __ATOMIC_ACQUIRE);                                     \
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

/* The Interlocked functions of each width, by the ends of their names and the type they take. */
#define FASTPROC_INTERLOCKED_WORD(bits, end, type)                                                \
    static __inline uint##bits##_t fastproc_load_##bits(const uint##bits##_t *address) {          \
        return (uint##bits##_t)_InterlockedCompareExchange##end((volatile type *)address, 0, 0);  \
    }                                                                                             \
    static __inline void fastproc_store_##bits(uint##bits##_t *address, uint##bits##_t value) {   \
        _InterlockedExchange##end((volatile type *)address, (type)value);                         \
    }                                                                                             \
    static __inline uint##bits##_t fastproc_exchange_##bits(uint##bits##_t *address,              \
                                                            uint##bits##_t value) {               \
        return (uint##bits##_t)_InterlockedExchange##end((volatile type *)address, (type)value);  \
    }                                                                                             \
    static __inline uint##bits##_t fastproc_fetch_add_##bits(uint##bits##_t *address,             \
                                                             uint##bits##_t amount) {             \
        return (uint##bits##_t)_InterlockedExchangeAdd##end((volatile type *)address,             \
                                                            (type)amount);                        \
    }                                                                                             \
    static __inline int fastproc_compare_exchange_##bits(                                         \
        uint##bits##_t *address, uint##bits##_t *expected, uint##bits##_t desired) {              \
        uint##bits##_t was = (uint##bits##_t)_InterlockedCompareExchange##end(                    \
            (volatile type *)address, (type)desired, (type)*expected);                            \
        int stood_there = was == *expected;                                                       \
        *expected = was;                                                                          \
        return stood_there;                                                                       \
    }

#define FASTPROC_ATOMIC_WORD(bits) FASTPROC_INTERLOCKED_WORD_##bits
#define FASTPROC_INTERLOCKED_WORD_8 FASTPROC_INTERLOCKED_WORD(8, 8, char)
#define FASTPROC_INTERLOCKED_WORD_16 FASTPROC_INTERLOCKED_WORD(16, 16, short)
#define FASTPROC_INTERLOCKED_WORD_32 FASTPROC_INTERLOCKED_WORD(32, , long)
#define FASTPROC_INTERLOCKED_WORD_64 FASTPROC_INTERLOCKED_WORD(64, 64, __int64)

#else
#error "fastproc needs the __atomic builtins of GCC or Clang, or MSVC's Interlocked functions"
#endif

FASTPROC_ATOMIC_WORD(8)
FASTPROC_ATOMIC_WORD(16)
FASTPROC_ATOMIC_WORD(32)
FASTPROC_ATOMIC_WORD(64)

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
