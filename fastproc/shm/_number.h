/* Layer: shm.  The numbers of C in shared memory, which many processes change at once.

   One template makes the operations of a type, of which the words in `_atomic.h` are the atomic
   part; a table has them by family and size.  A number goes in and out as the largest of its
   family, in a union, so that one loop of Python's calls serves all types.

   A number is always read and written whole, by one access.  Integers wrap around as C's atomics
   do.  What a processor has no instruction for (all changes of floats, maxima and minima) is a loop:
   look, compute, and put the result there unless somebody has changed the number meanwhile.  A loop
   is repeated only if another has succeeded, so that a process that is killed anywhere keeps nobody
   waiting. */

#ifndef FASTPROC_SHM_NUMBER_H
#define FASTPROC_SHM_NUMBER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_atomic.h"

typedef union {
    int64_t i;
    uint64_t u;
    double d;
} fastproc_number;

/* What changes a number and returns the one before. */
typedef fastproc_number (*fastproc_operation)(void *, fastproc_number);

typedef struct {
    char family;    /* 'i', 'u' or 'd': which member of the union */
    size_t size;
    int64_t least;  /* of an integer */
    uint64_t most;
    fastproc_number (*load)(const void *);
    void (*store)(void *, fastproc_number);
    fastproc_operation exchange;
    fastproc_operation fetch_add;
    fastproc_operation fetch_max;
    fastproc_operation fetch_min;
    /* Returns whether `expected` stood there and has been replaced by `desired`. */
    int (*compare_exchange)(void *, fastproc_number expected, fastproc_number desired);
} fastproc_kind;

/* The loop: put `result`, computed from `was`, there while `condition` holds. */
#define FASTPROC_CHANGE(name, type, bits, member, operation, condition, result)                   \
    static fastproc_number fastproc_##name##_##operation(void *address, fastproc_number number) { \
        uint##bits##_t word = fastproc_load_##bits((const uint##bits##_t *)address);              \
        type x = (type)number.member, was;                                                        \
        do                                                                                        \
            was = fastproc_##name##_of(word);                                                     \
        while ((condition) && !fastproc_compare_exchange_##bits(                                  \
                                  (uint##bits##_t *)address, &word,                               \
                                  fastproc_##name##_word((type)(result))));                       \
        number.member = was;                                                                      \
        return number;                                                                            \
    }

/* A NaN, which alone is different from itself, is less than a number and more than one, but not
   than another NaN: it is what np.fmax and np.fmin take it for, a value that is missing. */
#define FASTPROC_NUMBER(name, type, bits, member)                                                 \
    static inline type fastproc_##name##_of(uint##bits##_t word) {                                \
        type x;                                                                                   \
        memcpy(&x, &word, sizeof x);                                                              \
        return x;                                                                                 \
    }                                                                                             \
    static inline uint##bits##_t fastproc_##name##_word(type x) {                                 \
        uint##bits##_t word;                                                                      \
        memcpy(&word, &x, sizeof word);                                                           \
        return word;                                                                              \
    }                                                                                             \
    static fastproc_number fastproc_##name##_load(const void *address) {                          \
        fastproc_number number;                                                                   \
        number.member = fastproc_##name##_of(                                                     \
            fastproc_load_##bits((const uint##bits##_t *)address));                               \
        return number;                                                                            \
    }                                                                                             \
    static void fastproc_##name##_store(void *address, fastproc_number number) {                  \
        fastproc_store_##bits((uint##bits##_t *)address,                                          \
                              fastproc_##name##_word((type)number.member));                       \
    }                                                                                             \
    static fastproc_number fastproc_##name##_exchange(void *address, fastproc_number number) {    \
        number.member = fastproc_##name##_of(fastproc_exchange_##bits(                            \
            (uint##bits##_t *)address, fastproc_##name##_word((type)number.member)));             \
        return number;                                                                            \
    }                                                                                             \
    static int fastproc_##name##_compare_exchange(void *address, fastproc_number expected,        \
                                                  fastproc_number desired) {                      \
        uint##bits##_t word = fastproc_load_##bits((const uint##bits##_t *)address);              \
        type x = (type)expected.member, was;                                                      \
        do {                                                                                      \
            was = fastproc_##name##_of(word);                                                     \
            if (was != x && (was == was || x == x))                                               \
                return 0;                                                                         \
        } while (!fastproc_compare_exchange_##bits(                                               \
            (uint##bits##_t *)address, &word, fastproc_##name##_word((type)desired.member)));     \
        return 1;                                                                                 \
    }                                                                                             \
    FASTPROC_CHANGE(name, type, bits, member, fetch_max, x > was || (was != was && x == x), x)    \
    FASTPROC_CHANGE(name, type, bits, member, fetch_min, x < was || (was != was && x == x), x)

#define FASTPROC_INTEGER(name, type, bits, member)                                                \
    FASTPROC_NUMBER(name, type, bits, member)                                                     \
    static fastproc_number fastproc_##name##_fetch_add(void *address, fastproc_number number) {   \
        number.member = fastproc_##name##_of(fastproc_fetch_add_##bits(                           \
            (uint##bits##_t *)address, (uint##bits##_t)number.member));                           \
        return number;                                                                            \
    }

#define FASTPROC_REAL(name, type, bits)                                                           \
    FASTPROC_NUMBER(name, type, bits, d)                                                          \
    FASTPROC_CHANGE(name, type, bits, d, fetch_add, 1, was + x)

FASTPROC_INTEGER(int8, int8_t, 8, i)
FASTPROC_INTEGER(int16, int16_t, 16, i)
FASTPROC_INTEGER(int32, int32_t, 32, i)
FASTPROC_INTEGER(int64, int64_t, 64, i)
FASTPROC_INTEGER(uint8, uint8_t, 8, u)
FASTPROC_INTEGER(uint16, uint16_t, 16, u)
FASTPROC_INTEGER(uint32, uint32_t, 32, u)
FASTPROC_INTEGER(uint64, uint64_t, 64, u)
FASTPROC_REAL(float, float, 32)
FASTPROC_REAL(double, double, 64)

#define FASTPROC_KIND(name, type, family, least, most)                                            \
    {family,                                                                                      \
     sizeof(type),                                                                                \
     least,                                                                                       \
     most,                                                                                        \
     fastproc_##name##_load,                                                                      \
     fastproc_##name##_store,                                                                     \
     fastproc_##name##_exchange,                                                                  \
     fastproc_##name##_fetch_add,                                                                 \
     fastproc_##name##_fetch_max,                                                                 \
     fastproc_##name##_fetch_min,                                                                 \
     fastproc_##name##_compare_exchange}

static const fastproc_kind fastproc_kinds[] = {
    FASTPROC_KIND(int8, int8_t, 'i', INT8_MIN, INT8_MAX),
    FASTPROC_KIND(int16, int16_t, 'i', INT16_MIN, INT16_MAX),
    FASTPROC_KIND(int32, int32_t, 'i', INT32_MIN, INT32_MAX),
    FASTPROC_KIND(int64, int64_t, 'i', INT64_MIN, INT64_MAX),
    FASTPROC_KIND(uint8, uint8_t, 'u', 0, UINT8_MAX),
    FASTPROC_KIND(uint16, uint16_t, 'u', 0, UINT16_MAX),
    FASTPROC_KIND(uint32, uint32_t, 'u', 0, UINT32_MAX),
    FASTPROC_KIND(uint64, uint64_t, 'u', 0, UINT64_MAX),
    FASTPROC_KIND(float, float, 'd', 0, 0),
    FASTPROC_KIND(double, double, 'd', 0, 0),
};

/* Return the operations for numbers of a family and size, or NULL. */
static inline const fastproc_kind *fastproc_kind_of(char family, size_t size) {
    size_t i;
    for (i = 0; i < sizeof fastproc_kinds / sizeof fastproc_kinds[0]; i++)
        if (fastproc_kinds[i].family == family && fastproc_kinds[i].size == size)
            return &fastproc_kinds[i];
    return NULL;
}

#endif
