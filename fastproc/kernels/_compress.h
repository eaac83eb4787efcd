/* Layer: kernels.  Elements divided by a comparison, a register of them at a time.

   Only AVX-512 moves chosen lanes of a register side by side, and no compiler makes that of a plain
   loop.  Each function does as many elements as fill registers, and returns how many these were;
   its caller's plain loop does the rest, which is all of them for every other processor.  The order
   in which elements come to lie is the plain loop's.

   Lanes are moved inside of a register, then stored under a mask: to store what is moved in one
   instruction is microcode on Zen 4, and many times slower. */

#ifndef FASTPROC_COMPRESS_H
#define FASTPROC_COMPRESS_H

#include <stdint.h>
#include <Python.h>

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__GNUC__)

#include <immintrin.h>

#define FIRST(count) ((1u << (count)) - 1)
#define COUNT(mask) __builtin_popcount(mask)

/* `split_T`: what is below the pivot goes to the front of `out`, what is above to the back, what is
   equal nowhere.  `divide_T`: what is not below goes to the back, all.  `front` is where the next
   below goes, `back` the next of the others; these lie in the opposite of their order.

   `divide_places_T`: the same for the places of elements, counted from 0. */
#define DIVISIONS(T, TYPE, LANES, MASK, VECTOR, LOAD, SET1, LESS, COMPRESS, STORE, \
                  PERMUTE, INDICES, SUBTRACT, SET1_INDEX, LOAD8, LESS8, SET18, VECTOR8) \
    static inline Py_ssize_t split_##T(const TYPE *x, Py_ssize_t n, TYPE pivot, TYPE *out, \
                                       Py_ssize_t *front, Py_ssize_t *back) \
    { \
        const VECTOR at = SET1(pivot); \
        Py_ssize_t low = *front, high = *back + 1, i; \
        for (i = 0; i + LANES <= n; i += LANES) { \
            const VECTOR values = LOAD(x + i); \
            const MASK below = LESS(values, at), above = LESS(at, values); \
            const int n_below = COUNT(below), n_above = COUNT(above); \
            STORE(out + low, FIRST(n_below), COMPRESS(below, values)); \
            low += n_below; \
            high -= n_above; \
            STORE(out + high, FIRST(n_above), COMPRESS(above, values)); \
        } \
        *front = low; \
        *back = high - 1; \
        return i; \
    } \
    static inline Py_ssize_t divide_##T(const TYPE *x, Py_ssize_t n, TYPE pivot, TYPE *out, \
                                        Py_ssize_t *front, Py_ssize_t *back) \
    { \
        const VECTOR at = SET1(pivot); \
        const __m512i lanes = INDICES; \
        Py_ssize_t low = *front, high = *back + 1, i; \
        for (i = 0; i + LANES <= n; i += LANES) { \
            const VECTOR values = LOAD(x + i); \
            const MASK below = LESS(values, at), others = (MASK)~below; \
            const int n_below = COUNT(below), n_others = LANES - n_below; \
            const __m512i turned = SUBTRACT(SET1_INDEX(n_others - 1), lanes); \
            STORE(out + low, FIRST(n_below), COMPRESS(below, values)); \
            low += n_below; \
            high -= n_others; \
            STORE(out + high, FIRST(n_others), PERMUTE(turned, COMPRESS(others, values))); \
        } \
        *front = low; \
        *back = high - 1; \
        return i; \
    } \
    static inline Py_ssize_t divide_places_##T(const TYPE *x, Py_ssize_t n, TYPE pivot, \
                                               int64_t *out, Py_ssize_t *front, \
                                               Py_ssize_t *back) \
    { \
        const VECTOR8 at = SET18(pivot); \
        const __m512i lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0); \
        Py_ssize_t low = *front, high = *back + 1, i; \
        for (i = 0; i + 8 <= n; i += 8) { \
            const __m512i places = _mm512_add_epi64(_mm512_set1_epi64(i), lanes); \
            const __mmask8 below = LESS8(LOAD8(x + i), at), others = (__mmask8)~below; \
            const int n_below = COUNT(below), n_others = 8 - n_below; \
            const __m512i turned = _mm512_sub_epi64(_mm512_set1_epi64(n_others - 1), lanes); \
            _mm512_mask_storeu_epi64(out + low, FIRST(n_below), \
                                     _mm512_maskz_compress_epi64(below, places)); \
            low += n_below; \
            high -= n_others; \
            _mm512_mask_storeu_epi64( \
                out + high, FIRST(n_others), \
                _mm512_permutexvar_epi64(turned, _mm512_maskz_compress_epi64(others, places))); \
        } \
        *front = low; \
        *back = high - 1; \
        return i; \
    }

#define LANES_8 _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0)
#define LANES_16 _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define LESS_F64(a, b) _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)
#define LESS_F32(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define LESS_F32_8(a, b) _mm256_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define LOAD_I32_8(x) _mm256_loadu_si256((const __m256i *)(x))

DIVISIONS(f64, double, 8, __mmask8, __m512d, _mm512_loadu_pd, _mm512_set1_pd, LESS_F64,
          _mm512_maskz_compress_pd, _mm512_mask_storeu_pd, _mm512_permutexvar_pd, LANES_8,
          _mm512_sub_epi64, _mm512_set1_epi64, _mm512_loadu_pd, LESS_F64, _mm512_set1_pd, __m512d)
DIVISIONS(f32, float, 16, __mmask16, __m512, _mm512_loadu_ps, _mm512_set1_ps, LESS_F32,
          _mm512_maskz_compress_ps, _mm512_mask_storeu_ps, _mm512_permutexvar_ps, LANES_16,
          _mm512_sub_epi32, _mm512_set1_epi32, _mm256_loadu_ps, LESS_F32_8, _mm256_set1_ps, __m256)
DIVISIONS(i64, int64_t, 8, __mmask8, __m512i, _mm512_loadu_si512, _mm512_set1_epi64,
          _mm512_cmplt_epi64_mask, _mm512_maskz_compress_epi64, _mm512_mask_storeu_epi64,
          _mm512_permutexvar_epi64, LANES_8, _mm512_sub_epi64, _mm512_set1_epi64,
          _mm512_loadu_si512, _mm512_cmplt_epi64_mask, _mm512_set1_epi64, __m512i)
DIVISIONS(i32, int, 16, __mmask16, __m512i, _mm512_loadu_si512, _mm512_set1_epi32,
          _mm512_cmplt_epi32_mask, _mm512_maskz_compress_epi32, _mm512_mask_storeu_epi32,
          _mm512_permutexvar_epi32, LANES_16, _mm512_sub_epi32, _mm512_set1_epi32,
          LOAD_I32_8, _mm256_cmplt_epi32_mask, _mm256_set1_epi32, __m256i)

#undef DIVISIONS
#undef FIRST
#undef COUNT
#undef LANES_8
#undef LANES_16
#undef LESS_F64
#undef LESS_F32
#undef LESS_F32_8
#undef LOAD_I32_8

#else

#define DIVISIONS(T, TYPE) \
    static inline Py_ssize_t split_##T(const TYPE *x, Py_ssize_t n, TYPE pivot, TYPE *out, \
                                       Py_ssize_t *front, Py_ssize_t *back) \
    { \
        return 0; \
    } \
    static inline Py_ssize_t divide_##T(const TYPE *x, Py_ssize_t n, TYPE pivot, TYPE *out, \
                                        Py_ssize_t *front, Py_ssize_t *back) \
    { \
        return 0; \
    } \
    static inline Py_ssize_t divide_places_##T(const TYPE *x, Py_ssize_t n, TYPE pivot, \
                                               int64_t *out, Py_ssize_t *front, \
                                               Py_ssize_t *back) \
    { \
        return 0; \
    }

DIVISIONS(f64, double)
DIVISIONS(f32, float)
DIVISIONS(i64, int64_t)
DIVISIONS(i32, int)

#undef DIVISIONS

#endif

#endif
