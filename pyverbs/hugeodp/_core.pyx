# cython: language_level=3, annotation_typing=False
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The C side: calls libhugeodp, and finds the C structs of pyverbs' Python objects.

pyverbs exposes handles, keys and file descriptors, but some releases do not expose the pointers,
and its private headers are not installed. Search the Python object itself for the pointer: the word
that points to a struct whose members equal all public attributes. The search writes nothing, and
reads through the kernel, so that a word that is not a pointer causes an error and not a crash.
"""

from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer)
from cpython.object cimport PyObject
from libc.errno cimport errno
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from posix.unistd cimport close, read, write

from hugeodp.libhugeodp cimport (
    ibv_context, ibv_device, ibv_device_odp_attr, ibv_modify_mr_odp, ibv_mr, ibv_mr_odp_attr,
    ibv_mr_page_shift, ibv_odp_reason_str, ibv_odp_report, ibv_probe_odp_range,
    ibv_query_device_odp, ibv_query_mr_odp)

cdef extern from "<fcntl.h>" nogil:
    int O_CLOEXEC
    int O_NONBLOCK

cdef extern from "<unistd.h>" nogil:
    int pipe2(int *fds, int flags)


cdef class Reader:
    """Copies memory that may not be mapped. A pipe works on every kernel and in every sandbox."""
    cdef int fds[2]

    def __cinit__(self):
        self.fds[0] = self.fds[1] = -1
        if pipe2(self.fds, O_CLOEXEC | O_NONBLOCK):
            raise OSError(errno, "pipe")

    def __dealloc__(self):
        if self.fds[0] >= 0:
            close(self.fds[0])
            close(self.fds[1])

    cdef bint read(self, uintptr_t at, void *to, size_t size):
        cdef ssize_t there = write(self.fds[1], <void *>at, size)

        return there > 0 and read(self.fds[0], to, there) == <ssize_t>size


cdef bint is_context(Reader reader, uintptr_t at, bytes name):
    cdef ibv_context context
    cdef ibv_device device

    return (reader.read(at, &context, sizeof(context))
            and reader.read(<uintptr_t>context.device, &device, sizeof(device))
            and device.name[:len(name) + 1] == name + b"\0")


cdef list pointers(object obj):
    """The words of an object that could be pointers."""
    cdef uintptr_t start = <uintptr_t><PyObject *>obj
    cdef size_t size = type(obj).__basicsize__
    cdef size_t offset
    cdef uintptr_t word
    cdef list found = []

    for offset in range(sizeof(PyObject), size - sizeof(word) + 1, sizeof(word)):
        word = (<uintptr_t *>(start + offset))[0]
        if word >= 4096 and word % sizeof(word) == 0:
            found.append(word)
    return found


def find_context(context) -> int:
    """Address of the struct ibv_context of a pyverbs Context; 0 if it is closed."""
    name = context.name.encode()
    if len(name) >= sizeof((<ibv_device *>NULL).name):
        return 0
    reader = Reader()
    for word in pointers(context):
        # the attributes may be read only while the context is open
        if (is_context(reader, word, name)
                and (<ibv_context *><uintptr_t>word).cmd_fd == context.cmd_fd):
            return word
    return 0


def find_mr(mr, context: int) -> int:
    """Address of the struct ibv_mr of an open pyverbs MR on a device; 0 if there is none."""
    cdef ibv_mr attr
    cdef uintptr_t want = context

    reader = Reader()
    for word in pointers(mr):
        if (reader.read(word, &attr, sizeof(attr)) and <uintptr_t>attr.context == want
                and attr.handle == mr.handle and attr.lkey == mr.lkey and attr.rkey == mr.rkey
                and attr.length == mr.length):
            return word
    return 0


def query_device(context: int) -> tuple:
    """(errno, page_sizes, flags, source)"""
    cdef ibv_context *ctx = <ibv_context *><uintptr_t>context
    cdef ibv_device_odp_attr attr
    cdef int err

    with nogil:
        err = ibv_query_device_odp(ctx, &attr, sizeof(attr))
    if err:
        return (err,)
    return (0, attr.page_sizes, attr.flags, attr.source)


def query_mr(mr: int) -> tuple:
    """(errno, page_sizes, page_shift, flags, blocks_mapped, ... as in the struct)"""
    cdef ibv_mr *cmr = <ibv_mr *><uintptr_t>mr
    cdef ibv_mr_odp_attr attr
    cdef int err

    with nogil:
        err = ibv_query_mr_odp(cmr, &attr, sizeof(attr))
    if err:
        return (err,)
    return (0, attr.page_sizes, attr.page_shift, attr.flags, attr.blocks_mapped, attr.table_bytes,
            attr.faults, attr.pages_invalidated, attr.renegotiations, attr.source,
            attr.renegotiations_down, {1 << i: attr.blocks[i] for i in range(64) if attr.blocks[i]})


def page_shift(mr: int) -> int:
    """The page shift, or a negative errno value."""
    cdef ibv_mr *cmr = <ibv_mr *><uintptr_t>mr
    cdef int shift

    with nogil:
        shift = ibv_mr_page_shift(cmr)
    return shift


def modify_mr(mr: int, page_sizes: int, flags: int) -> int:
    """0 or an errno value."""
    cdef ibv_mr *cmr = <ibv_mr *><uintptr_t>mr
    cdef uint64_t sizes = page_sizes
    cdef uint32_t bits = flags
    cdef int err

    with nogil:
        err = ibv_modify_mr_odp(cmr, sizes, bits)
    return err


def probe(context: int, address: int, length: int, page_sizes: int) -> tuple:
    """(errno, page_sizes, address, ... as in the struct)"""
    cdef ibv_context *ctx = <ibv_context *><uintptr_t>context
    cdef uintptr_t start = address
    cdef size_t size = length
    cdef uint64_t sizes = page_sizes
    cdef ibv_odp_report report
    cdef int err

    with nogil:
        err = ibv_probe_odp_range(ctx, <void *>start, size, sizes, &report, sizeof(report))
    if err:
        return (err,)
    return (0, report.page_sizes, report.address, report.page_shift, report.blocked_shift,
            report.reason, report.flags, report.source)


def reason_str(reason: int) -> str:
    return ibv_odp_reason_str(reason).decode()


cdef class Buffer:
    """The memory of an object with the buffer protocol, held until release()."""
    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, obj, bint writable):
        PyObject_GetBuffer(obj, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.held = True

    def __dealloc__(self):
        self.release()

    @property
    def address(self) -> int:
        return <uintptr_t>self.view.buf

    @property
    def length(self) -> int:
        return self.view.len

    def release(self) -> None:
        """Release the memory. May be called more than once."""
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)
