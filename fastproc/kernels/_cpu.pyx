"""Layer: kernels.  Which of the compiled CPU levels the running CPU and system can execute.

Baseline code: it runs before anybody knows what the CPU can do.
"""

# Safe for free-threaded Python: there is no module state.

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__)
    /* The compiler's run-time library asks cpuid for the features of each level and the system
       (xgetbv) for the registers; the masks are those of the x86-64 psABI. */
    static int supports_v2(void) { return __builtin_cpu_supports("x86-64-v2") != 0; }
    static int supports_v3(void) { return __builtin_cpu_supports("x86-64-v3") != 0; }
    static int supports_v4(void) { return __builtin_cpu_supports("x86-64-v4") != 0; }
    #else
    static int supports_v2(void) { return 0; }
    static int supports_v3(void) { return 0; }
    static int supports_v4(void) { return 0; }
    #endif
    """
    bint supports_v2()
    bint supports_v3()
    bint supports_v4()


def supported_levels():
    """Return the names of the levels that can run here, the best first; always ``baseline``."""
    levels = ["baseline"]
    if supports_v2():
        levels.insert(0, "v2")
    if supports_v3():
        levels.insert(0, "v3")
    if supports_v4():
        levels.insert(0, "v4")
    return levels
