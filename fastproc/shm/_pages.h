/* Layer: shm.  Giving pages of shared memory back to the system, whoever has them mapped.

   What is read there afterwards is zero.  Linux only: elsewhere the memory stays until the last
   mapping goes. */

#ifndef FASTPROC_SHM_PAGES_H
#define FASTPROC_SHM_PAGES_H

#include <stddef.h>

#if defined(__linux__)

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <sys/mman.h>

/* `start` and `n` are multiples of the page.  File systems that cannot do it keep the memory. */
static inline void fastproc_give_back(char *start, size_t n) { madvise(start, n, MADV_REMOVE); }

#else

static inline void fastproc_give_back(char *start, size_t n) { (void)start, (void)n; }

#endif

#endif
