/* Layer: shm.  Which core a thread runs on, and leaving it to another.

   Linux only: elsewhere FASTPROC_NO_CORE is all that is known, and nobody moves. */

#ifndef FASTPROC_SHM_CORE_H
#define FASTPROC_SHM_CORE_H

#define FASTPROC_NO_CORE (-1)

#if defined(__linux__)

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>

static inline int fastproc_this_core(void) { return sched_getcpu(); }

/* Move this thread to any other core on which it may run.  The system moves whoever is forbidden
   the core that it is on; which cores are allowed is afterwards as before.  Where there is no
   other, or the system has more cores than a cpu_set_t, nothing happens. */
static inline void fastproc_leave_core(int core) {
    cpu_set_t allowed, others;
    if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    others = allowed;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

static inline int fastproc_this_core(void) { return FASTPROC_NO_CORE; }

static inline void fastproc_leave_core(int core) { (void)core; }

#endif

#endif
