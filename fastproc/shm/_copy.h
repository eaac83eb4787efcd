/* Layer: shm.  Copying what is too large for any cache, past the caches.

   An ordinary store first reads the line that it is about to overwrite and leaves it in the cache,
   where it takes the place of something useful.  A streaming store does neither: a third less to
   carry.  The C library's memcpy does the same from a size on that it derives from the caches that
   the processor reports, and virtual machines report those of the whole host. */

#ifndef FASTPROC_SHM_COPY_H
#define FASTPROC_SHM_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)

#include <emmintrin.h> /* SSE2, which every x86-64 processor has */

static inline void fastproc_stream_copy(char *to, const char *from, size_t n) {
    size_t head = (size_t)(-(intptr_t)to & 63);
    if (n < 4096) {
        memcpy(to, from, n);
        return;
    }
    memcpy(to, from, head);
    to += head, from += head, n -= head;
    for (; n >= 64; to += 64, from += 64, n -= 64) {
        __m128i a = _mm_loadu_si128((const __m128i *)from);
        __m128i b = _mm_loadu_si128((const __m128i *)(from + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(from + 32));
        __m128i d = _mm_loadu_si128((const __m128i *)(from + 48));
        _mm_stream_si128((__m128i *)to, a);
        _mm_stream_si128((__m128i *)(to + 16), b);
        _mm_stream_si128((__m128i *)(to + 32), c);
        _mm_stream_si128((__m128i *)(to + 48), d);
    }
    /* Streaming stores are not ordered by the release that later tells another process of them. */
    _mm_sfence();
    memcpy(to, from, n);
}

#else

static inline void fastproc_stream_copy(char *to, const char *from, size_t n) {
    memcpy(to, from, n);
}

#endif

#endif
