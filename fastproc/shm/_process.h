/* Layer: shm.  Whether a process of a given number lives, and when it began.

   A number alone does not name a process: the system gives it to another once it is free.  A
   number and a time of birth do, and both are read here in one step. */

#ifndef FASTPROC_SHM_PROCESS_H
#define FASTPROC_SHM_PROCESS_H

#include <stdint.h>

#define FASTPROC_DEAD (-1)     /* there is no such process, or what is left of it waits to be reaped */
#define FASTPROC_UNKNOWN 0     /* it lives, and the system does not tell since when */

#if defined(_WIN32)

#include <process.h>
#include <windows.h>

static inline int64_t fastproc_this_pid(void) { return _getpid(); }

static inline int64_t fastproc_birth(int64_t pid) {
    FILETIME born, ended, kernel, user;
    DWORD status;
    int64_t birth = FASTPROC_UNKNOWN;
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, (DWORD)pid);
    if (process == NULL)
        return GetLastError() == ERROR_INVALID_PARAMETER ? FASTPROC_DEAD : FASTPROC_UNKNOWN;
    if (GetExitCodeProcess(process, &status) && status != STILL_ACTIVE)
        birth = FASTPROC_DEAD;
    else if (GetProcessTimes(process, &born, &ended, &kernel, &user))
        birth = ((int64_t)born.dwHighDateTime << 32 | born.dwLowDateTime) / 100000 + 1;
    CloseHandle(process);
    return birth;
}

#else

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static inline int64_t fastproc_this_pid(void) { return getpid(); }

#if defined(__linux__)

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From /proc/<pid>/stat: the third field is the state (Z and X: dead), the 20th the number of threads
   (a killed process is a zombie before the last of them has left the kernel, where it may still be
   changing memory), the 22nd the time of birth in clock ticks since the system began.  The second is
   the program's name in parentheses, which may have spaces and parentheses of its own. */
static inline int64_t fastproc_birth(int64_t pid) {
    char text[1024];
    char *field;
    ssize_t n;
    int fd, i, is_zombie;
    snprintf(text, sizeof text, "/proc/%lld/stat", (long long)pid);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, sizeof text - 1);
        close(fd);
        if (n <= 0)
            return FASTPROC_DEAD;           /* it ended between the two steps */
        text[n] = 0;
        field = strrchr(text, ')');
        if (field != NULL && field[1] == ' ') {
            field += 2;
            is_zombie = *field == 'Z' || *field == 'X' || *field == 'x';
            for (i = 3; i < 22 && field != NULL; i++) {
                if (i == 20 && is_zombie && strtoll(field, NULL, 10) <= 1)
                    return FASTPROC_DEAD;
                field = strchr(field, ' ');
                if (field != NULL)
                    field++;
            }
            if (field != NULL)
                return strtoll(field, NULL, 10) + 1;
        }
    }
    /* No descriptor to be had, or no /proc. */
    return kill((pid_t)pid, 0) == -1 && errno == ESRCH ? FASTPROC_DEAD : FASTPROC_UNKNOWN;
}

#else

static inline int64_t fastproc_birth(int64_t pid) {
    return kill((pid_t)pid, 0) == -1 && errno == ESRCH ? FASTPROC_DEAD : FASTPROC_UNKNOWN;
}

#endif

#endif

#endif
