# cython: language_level=3, annotation_typing=False
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The C side: calls libhugeodp.

pyverbs does not expose the pointers of its objects, or damages the struct when it does
(Context.context before rdma-core 61). File descriptors, handles and names of devices are sufficient.
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer)
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EIO, ENODEV, errno
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memset, strcmp

from hugeodp.libhugeodp cimport (
    HUGEODP_MEMORY_DONTFORK, HUGEODP_MEMORY_NODE, HUGEODP_MEMORY_POPULATE,
    HUGEODP_VERSION_STRING, IBV_ADVISE_MR_ADVICE_PREFETCH,
    IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
    IBV_REG_MR_MASK_IOVA,
    hugeodp_alloc_memory, hugeodp_create_mr_fd, hugeodp_destroy_mr_fd,
    hugeodp_estimate_mr_pages_fd, hugeodp_free_memory,
    hugeodp_memory, hugeodp_memory_attr, hugeodp_modify_mr_fd, hugeodp_prefetch_mr_fd,
    hugeodp_query_mr_fd, hugeodp_query_mr_pages_fd, hugeodp_watch_mr_fd, ibv_advise_mr_advice,
    ibv_close_device, ibv_context, ibv_device, ibv_device_odp_attr, ibv_free_device_list, ibv_get_device_list,
    ibv_get_device_name, ibv_mr_init_attr_odp, ibv_mr_odp_attr, ibv_mr_pages,
    ibv_odp_reason_hint, ibv_odp_reason_str, ibv_odp_report, ibv_open_device,
    ibv_probe_odp_range, ibv_query_device_odp)

VERSION = HUGEODP_VERSION_STRING.decode()


cdef int open_device(const char *name, ibv_context **context) nogil:
    """Open the device with this name. Returns 0 or an errno value."""
    cdef ibv_device **devices = ibv_get_device_list(NULL)
    cdef ibv_device **device = devices
    cdef int err = ENODEV

    context[0] = NULL
    if devices == NULL:
        return errno if errno else EIO
    while device[0] != NULL and strcmp(ibv_get_device_name(device[0]), name):
        device += 1
    if device[0] != NULL:
        context[0] = ibv_open_device(device[0])
        err = 0 if context[0] != NULL else errno if errno else EIO
    ibv_free_device_list(devices)
    return err


def query_device(name: bytes) -> tuple:
    """(errno, page_sizes, flags, source)"""
    cdef const char *text = name
    cdef ibv_context *context
    cdef ibv_device_odp_attr attr
    cdef int err

    with nogil:
        err = open_device(text, &context)
        if not err:
            err = ibv_query_device_odp(context, &attr, sizeof(attr))
            ibv_close_device(context)
    if err:
        return (err,)
    return (0, attr.page_sizes, attr.flags, attr.source)


def create_mr(cmd_fd: int, pd_handle: int, address: int, length: int, access: int,
              page_sizes: int, flags: int, iova, max_entries: int) -> tuple:
    """(errno, handle, entries needed if the errno is E2BIG)"""
    cdef int fd = cmd_fd
    cdef uint32_t pd = pd_handle
    cdef uint32_t handle = 0
    cdef uint64_t needed = 0
    cdef ibv_mr_init_attr_odp attr
    cdef int err

    memset(&attr, 0, sizeof(attr))
    attr.base.addr = <void *><uintptr_t>address
    attr.base.length = length
    attr.base.access = access
    if iova is not None:
        attr.base.comp_mask = IBV_REG_MR_MASK_IOVA
        attr.base.iova = iova
    attr.page_sizes = page_sizes
    attr.flags = flags
    attr.max_entries = max_entries
    attr.entries_needed = &needed
    with nogil:
        err = hugeodp_create_mr_fd(fd, pd, &attr, sizeof(attr), &handle)
    return (err, handle, needed)


def destroy_mr(cmd_fd: int, handle: int) -> int:
    """0 or an errno value."""
    cdef int fd = cmd_fd
    cdef uint32_t number = handle
    cdef int err

    with nogil:
        err = hugeodp_destroy_mr_fd(fd, number)
    return err


def query_mr(cmd_fd: int, handle: int) -> tuple:
    """(errno, page_sizes, page_shift, flags, blocks_mapped, ... as in the struct)"""
    cdef int fd = cmd_fd
    cdef uint32_t number = handle
    cdef ibv_mr_odp_attr attr
    cdef int err

    with nogil:
        err = hugeodp_query_mr_fd(fd, number, &attr, sizeof(attr))
    if err:
        return (err,)
    return (0, attr.page_sizes, attr.page_shift, attr.flags, attr.blocks_mapped, attr.table_bytes,
            attr.faults, attr.pages_invalidated, attr.renegotiations, attr.source,
            attr.renegotiations_down, {1 << i: attr.blocks[i] for i in range(64) if attr.blocks[i]},
            attr.faults_refused)


def query_pages(cmd_fd: int, handle: int, address: int, length: int) -> tuple:
    """(errno, page_shift, kind, source, entries, device_bytes, base_pages); with length 0, only if
    the kernel reports them."""
    cdef int fd = cmd_fd
    cdef uint32_t number = handle
    cdef uintptr_t start = address
    cdef size_t size = length
    cdef ibv_mr_pages pages
    cdef int err

    with nogil:
        if size:
            err = hugeodp_estimate_mr_pages_fd(
                fd, number, <void *>start, size, &pages, sizeof(pages))
        else:
            err = hugeodp_query_mr_pages_fd(fd, number, &pages, sizeof(pages))
    if err:
        return (err,)
    return (0, pages.page_shift, pages.kind, pages.source, pages.entries, pages.device_bytes,
            pages.base_pages)


def modify_mr(cmd_fd: int, handle: int, page_sizes: int, flags: int) -> int:
    """0 or an errno value."""
    cdef int fd = cmd_fd
    cdef uint32_t number = handle
    cdef uint64_t sizes = page_sizes
    cdef uint32_t bits = flags
    cdef int err

    with nogil:
        err = hugeodp_modify_mr_fd(fd, number, sizes, bits)
    return err


def watch_mr(cmd_fd: int, handle: int, event_fd: int) -> int:
    """0 or an errno value."""
    cdef int fd = cmd_fd
    cdef uint32_t number = handle
    cdef int event = event_fd
    cdef int err

    with nogil:
        err = hugeodp_watch_mr_fd(fd, number, event)
    return err


cdef class _Progress:
    """What happens between the pieces of a prefetch."""
    cdef object function
    cdef object raised
    cdef uint64_t done
    cdef bint ended

    def __cinit__(self, function):
        self.function = function

    cdef int step(self, uint64_t done) except -1:
        self.done = done
        PyErr_CheckSignals()
        self.ended = self.function is not None and bool(self.function(done))
        return self.ended


cdef int progress_step(void *arg, uint64_t done) noexcept with gil:
    """Returns 0 to continue. Keeps an exception, as it cannot pass through the library."""
    progress = <_Progress>arg
    try:
        return progress.step(done)
    except BaseException as e:
        progress.raised = e
        return 1


def prefetch_mr(cmd_fd: int, pd_handle: int, lkey: int, address: int, length: int, bint write,
                bint no_fault, progress) -> tuple:
    """(errno, bytes that are done); raises what the progress function raises."""
    cdef int fd = cmd_fd
    cdef uint32_t pd = pd_handle
    cdef uint32_t key = lkey
    cdef uint64_t start = address
    cdef uint64_t size = length
    cdef ibv_advise_mr_advice advice = IBV_ADVISE_MR_ADVICE_PREFETCH
    cdef _Progress steps = _Progress(progress)
    cdef void *arg = <void *>steps
    cdef int err

    if write:
        advice = IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE
    elif no_fault:
        advice = IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT
    with nogil:
        err = hugeodp_prefetch_mr_fd(fd, pd, key, start, size, advice, progress_step, arg)
    if steps.raised is not None:
        raise steps.raised
    return (0 if steps.ended else err, steps.done)


def probe(name: bytes, address: int, length: int, page_sizes: int) -> tuple:
    """(errno, page_sizes, address, ... as in the struct)"""
    cdef const char *text = name
    cdef ibv_context *context
    cdef uintptr_t start = address
    cdef size_t size = length
    cdef uint64_t sizes = page_sizes
    cdef ibv_odp_report report
    cdef int err

    with nogil:
        err = open_device(text, &context)
        if not err:
            err = ibv_probe_odp_range(context, <void *>start, size, sizes, &report,
                                      sizeof(report))
            ibv_close_device(context)
    if err:
        return (err,)
    return (0, report.page_sizes, report.address, report.page_shift, report.blocked_shift,
            report.reason, report.flags, report.source)


def reason_str(reason: int) -> str:
    return ibv_odp_reason_str(reason).decode()


def reason_hint(reason: int) -> str:
    return ibv_odp_reason_hint(reason).decode()


cdef class Buffer:
    """The memory of an object with the buffer protocol, held until release()."""
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, obj, bint writable):
        PyObject_GetBuffer(obj, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.held = True

    def __dealloc__(self):
        self.release()

    cdef int check_held(self) except -1:
        if not self.held:
            raise ValueError("the buffer has been released")
        return 0

    @property
    def address(self) -> int:
        self.check_held()
        return <uintptr_t>self.view.buf

    @property
    def length(self) -> int:
        self.check_held()
        return self.view.len

    def release(self) -> None:
        """Release the memory. May be called more than once."""
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)


cdef class Memory:
    """Memory of libhugeodp, with the buffer protocol.

    Each buffer over the memory holds a reference, so the memory is released after the last one.
    """
    cdef hugeodp_memory *memory

    def __cinit__(self, length, page_sizes, bint populate, bint dontfork, node):
        cdef hugeodp_memory_attr attr
        cdef int err = 0

        memset(&attr, 0, sizeof(attr))
        attr.length = length
        attr.page_sizes = page_sizes
        attr.flags = ((HUGEODP_MEMORY_POPULATE if populate else 0)
                      | (HUGEODP_MEMORY_DONTFORK if dontfork else 0)
                      | (HUGEODP_MEMORY_NODE if node is not None else 0))
        attr.node = 0 if node is None else node
        with nogil:
            self.memory = hugeodp_alloc_memory(&attr, sizeof(attr))
            if self.memory == NULL:
                err = errno
        if err:
            raise OSError(err, "hugeodp_alloc_memory")

    def __dealloc__(self):
        cdef hugeodp_memory *memory = self.memory

        with nogil:
            hugeodp_free_memory(memory)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.memory.addr, self.memory.length, 0, flags)

    def __len__(self) -> int:
        return self.memory.length

    def __getitem__(self, key):
        return memoryview(self)[key]

    def __setitem__(self, key, value):
        memoryview(self)[key] = value

    @property
    def address(self) -> int:
        return <uintptr_t>self.memory.addr

    @property
    def page_size(self) -> int:
        return self.memory.page_size

    @property
    def kind_number(self) -> int:
        return self.memory.kind
