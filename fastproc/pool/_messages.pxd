"""Layer: pool.  The messages in the rings between the parent and a worker, and a worker's slot.

Every worker has a slot in the pool's shared memory:

======= =========== ================================================================
offset  name        meaning
======= =========== ================================================================
0       bell        int32, at which the worker sleeps
64      started     int64, tasks ever begun; stored by the worker before it begins one
128     since       int64, when it began, in nanoseconds of the monotonic clock
136     ended       int64, tasks ever ended; stored by the worker once the result is published
144     busy        int64, nanoseconds in those
192     room        int32, the bell at which a worker sleeps whose results find no room
256     condemned   int64, the number of the task in which the worker is to be killed, or 0
320     ready       int64, when the worker was ready for its first task, or 0
328     overweight  int64, 1 if it has more memory than it may
384     opened      int64, how many of its parcels the parent has opened
448     pid         int64, the worker's process number, or 0 as long as it has none
456     born        int64, when it was started
464     restarts    int64, how many workers were here before
512     edition     int64, odd while the worker writes the next line
520     function    what it runs, or ran last: UTF-8, filled up with zeros
4096    tasks       the ring from the parent to the worker
...     results     the ring from the worker to the parent
======= =========== ================================================================

The first page of the memory, before all slots, is the parent's:

======= =========== ================================================================
0       bell        int32, at which the parent sleeps
4       core        int32, on which the parent's leader ran when it last looked
8       magic       int64, MAGIC as long as there is a pool here
16      layout      int32, LAYOUT
20      slots       int32, how many slots there are
24      parent      int64, the parent's process number
32      made        int64, when the pool was made
64      flags       int64 words with a bit for each slot: its worker has published results
======= =========== ================================================================

What is not for the two sides is for others who look at them (`_monitor.pyx`): they find the memory
by its magic, and take nothing from anybody's time.

[flag] A worker publishes a result and then looks whether its flag is up; the parent takes the
flags down and then looks into the rings.  With a fence between the two steps on either side, a
worker that finds its flag up has published before the parent looks.  So the parent need only look
into the rings of workers that have something, however many there are.

[condemn] To kill a worker for what it is doing, and not for what it does next, the parent stores
`condemned` and then looks whether the task is still running; the worker stores `started` and then
looks whether it is condemned, and if so does not begin.  With a fence between the two steps on
either side, at least one sees the other.

[opened] The memory of a large result is its worker's until the parent has opened it, and would go
with the worker.  So a worker that has sent some begins no other task before they are opened: its
death costs the task that it was running, and none that it had done.

[edition] The worker makes the edition odd, writes its function's name, and makes the edition even;
who reads the name looks at the edition before and after.  With a fence between the two steps on
either side, an edition that was the same even number both times stands for a name that is whole.

A task message is a TaskHeader and a payload, a result message a ResultHeader and a payload.  What a
payload can be stands in `shm/_plain.pxd`; before a FUNCTION's stands its name, of `chunk` bytes.
"""

from libc.stdint cimport int32_t, int64_t

cdef enum:
    BELL = 0
    CORE = 4
    STARTED = 64
    SINCE = 128
    ENDED = 136
    BUSY = 144
    ROOM = 192
    CONDEMNED = 256
    READY = 320
    OVERWEIGHT = 328
    OPENED = 384
    PID = 448
    BORN = 456
    RESTARTS = 464
    EDITION = 512
    NAME = 520
    NAME_BYTES = 120
    POOL_MAGIC = 8
    POOL_LAYOUT = 16
    POOL_SLOTS = 20
    POOL_PARENT = 24
    POOL_MADE = 32
    FLAGS = 64
    PAGE = 4096
    RING_BYTES = 1 << 18     # of records in each ring

cdef enum:
    MAGIC = 0x6C6F6F7074736166   # "fastpool"
    LAYOUT = 1                   # of what others look at; it grows with each change of that

# What a task message is.
cdef enum:
    FUNCTION = 1             # `function` is the number of the function in the payload
    TASKS = 2                # the payload is a list of items
    STOP = 3                 # nothing comes after it

# How a function is called with an item.
cdef enum:
    CALL = 0                 # an item is (args, kwargs)
    MAP = 1                  # an item is the only argument
    STARMAP = 2              # an item is the arguments

# How a task ended.
cdef enum:
    SUCCESS = 0
    FAILURE = 1              # the payload is a Failure
    UNREADABLE = 2           # its function or arguments could not be unpickled; likewise
    STARTING = 3             # no task's result: the initializer failed; likewise

cdef struct TaskHeader:
    int32_t kind
    int32_t function
    int32_t style
    int32_t payload          # PICKLE, PARCEL, INTEGERS or REALS
    int64_t chunk            # items per task; 0 says that the one item's result is the task's

cdef struct ResultHeader:
    int32_t status
    int32_t payload
    int64_t duration         # nanoseconds


cdef inline Py_ssize_t slot_bytes() noexcept nogil:
    return PAGE + 2 * (2 * 64 + RING_BYTES)
