# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The verbs, for any object of pyverbs."""

from __future__ import annotations

import errno
import gc
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Union

from pyverbs.cmid import CMID
from pyverbs.device import Context
from pyverbs.mr import MR as PyverbsMR
from pyverbs.pd import PD

from . import _core
from ._sizes import PageSizes, page_sizes as parse_sizes
from ._types import (
    DeviceCaps,
    Flags,
    HugeOdpError,
    Kind,
    Pages,
    RangeFlags,
    Reason,
    Report,
    Source,
    State,
)

if TYPE_CHECKING:
    from _typeshed import HasFileno

    from ._memory import BufferLike

#: objects that belong to a device
OnDevice = Union[Context, PD, PyverbsMR, CMID]


def context_of(obj: OnDevice) -> Context:
    """The Context that an object of pyverbs belongs to.

    pyverbs does not expose it, but the garbage collector does. A closed object has none.
    """
    if isinstance(obj, Context):
        return obj
    if not isinstance(obj, (PD, PyverbsMR, CMID)):
        raise TypeError(f"a Context, PD or MR of pyverbs is needed, not {type(obj).__name__}")
    held = gc.get_referents(obj)
    for kind in (Context, PD, CMID):
        for other in held:
            if isinstance(other, kind):
                return context_of(other)
    raise HugeOdpError(errno.EINVAL, f"{type(obj).__name__} is closed")


def _device_name(obj: OnDevice) -> bytes:
    name: str = context_of(obj).name
    return name.encode()


def _mr_numbers(mr: PyverbsMR) -> tuple[int, int]:
    """File descriptor and handle. An MR that is closed has no context, and no handle to read."""
    if not isinstance(mr, PyverbsMR):
        raise TypeError(f"an MR of pyverbs is needed, not {type(mr).__name__}")
    return context_of(mr).cmd_fd, mr.handle


def _pd_handle(mr: PyverbsMR) -> int:
    """Handle of the PD of an MR that is not closed."""
    held = gc.get_referents(mr)
    pds = [other for other in held if isinstance(other, PD)]
    pds += [other.pd for other in held if isinstance(other, CMID)]
    handle: int = pds[0].handle
    return handle


def check_flags(flags: int) -> int:
    return check_number(flags, 1 << 32, "flags")


def check_number(value: int, limit: int, what: str) -> int:
    """Refuse values that do not fit the C type instead of truncating them."""
    if not 0 <= operator.index(value) < limit:
        raise HugeOdpError(errno.EINVAL, f"{what} {value:#x}")
    return value


def query_device(obj: OnDevice) -> DeviceCaps:
    """Page sizes and flags that a device supports. Opens the device for the time of the call.

    >>> with Context(name="rxe0") as ctx:
    ...     caps = hugeodp.query_device(ctx)
    ...     print("2 MiB" if caps.page_sizes & 2 << 20 else "no 2 MiB")
    2 MiB
    """
    err, *caps = _core.query_device(_device_name(obj))
    if err:
        raise HugeOdpError(err, "query ODP page sizes of the device")
    page_sizes, flags, source = caps
    return DeviceCaps(page_sizes, Flags(flags), Source(source))


def query(mr: PyverbsMR) -> State:
    """The current state of an ODP MR. Works for every MR of pyverbs.

    >>> state = hugeodp.query(mr)
    >>> state.page_size, state.blocks_mapped, state.faults
    (2097152, 80, 80)
    """
    err, *state = _core.query_mr(*_mr_numbers(mr))
    if err == errno.EOPNOTSUPP and hasattr(mr, "odp_without_series"):
        plain: State = mr.odp_without_series
        return plain
    if err:
        raise HugeOdpError(err, "query ODP state of an MR")
    sizes, shift, flags, mapped, table, faults, invalidated, renegotiations, source, *rest = state
    return State(sizes, shift, Flags(flags), mapped, table, faults, invalidated, renegotiations,
                 Source(source), *rest)


def _kind(value: int) -> Kind | int:
    """Later kernels may return kinds that are unknown here."""
    try:
        return Kind(value)
    except ValueError:
        return value


def query_pages(mr: PyverbsMR) -> Pages:
    """What the device translates an MR of any kind with: page size, entries and their bytes.

    Without page size requests in the kernel, the answer for a pinned MR of this package is an
    estimate over the memory as it is now, and for other MRs the error is EOPNOTSUPP.

    >>> pages = hugeodp.query_pages(mr)
    >>> pages.page_size, pages.entries, pages.base_pages
    (2097152, 32, 16384)
    """
    cmd_fd, handle = _mr_numbers(mr)
    # an estimate is that of a pinned MR, and needs its range
    address, length = (mr.buf, mr.length) if getattr(mr, "pinned", False) else (0, 0)
    err, *answer = _core.query_pages(cmd_fd, handle, address, length)
    if err:
        raise HugeOdpError(err, "query the pages of an MR")
    shift, kind, source, entries, device_bytes, base_pages = answer
    return Pages(shift, _kind(kind), Source(source), entries, device_bytes, base_pages)


def page_shift(mr: PyverbsMR) -> int:
    """log2 of the page size of an MR in bytes.

    >>> 1 << hugeodp.page_shift(mr)
    2097152
    """
    if hasattr(mr, "odp_without_series"):
        return query(mr).page_shift
    return query_pages(mr).page_shift


def put_in_force(mr: PyverbsMR, page_sizes: int, flags: int, doing: str) -> None:
    """Change the page sizes of an MR, for a request that has been checked."""
    err = _core.modify_mr(*_mr_numbers(mr), page_sizes, flags)
    if err:
        raise HugeOdpError(err, f"{doing}, page sizes {page_sizes:#x}, flags {flags:#x}")


def modify(mr: PyverbsMR, page_sizes: PageSizes = 0, flags: int = 0) -> State:
    """Change the page sizes that a live ODP MR may have; traffic may be running.

    0 accepts any size. Returns the new state of the MR. If none of the sizes fits (ERANGE), the MR
    is unchanged.

    >>> hugeodp.modify(mr, 4 << 10).page_shift
    12
    >>> hugeodp.modify(mr, "2M|4K").page_shift
    21
    """
    put_in_force(mr, parse_sizes(page_sizes), check_flags(flags), "modify MR")
    return query(mr)


def watch(mr: PyverbsMR, event_fd: int | HasFileno | None) -> None:
    """Report to an eventfd when an ODP MR changes to smaller pages, or refuses accesses.

    The kernel adds 1 to the eventfd each time that ``renegotiations_down`` or ``faults_refused`` of
    :func:`query` grows. An MR has one eventfd: a call replaces that of an earlier one, and None ends
    the notification. The caller may close its descriptor.

    >>> event_fd = os.eventfd(0)
    >>> hugeodp.watch(mr, event_fd)
    >>> os.eventfd_read(event_fd)  # waits
    1
    """
    fd = -1
    if event_fd is not None:
        fd = event_fd if isinstance(event_fd, int) else event_fd.fileno()
        if not 0 <= fd < 1 << 31:
            raise HugeOdpError(errno.EBADF, f"watch an MR with the eventfd {fd}")
    err = _core.watch_mr(*_mr_numbers(mr), fd)
    if err:
        raise HugeOdpError(err, "watch an MR")


def prefetch(
    mr: PyverbsMR,
    *,
    address: int | None = None,
    length: int | None = None,
    write: bool = False,
    no_fault: bool = False,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Map a range of an ODP MR in the device, so that the first accesses do not fault.

    The range is all of the MR, or from ``address`` to its end, or ``length`` bytes; it may be
    larger than 4 GiB. ``address`` is an address as work requests use it. For an implicit MR, or an
    MR that pyverbs registered with an iova, give both. ``write`` prepares for writes; ``no_fault``
    maps only what is in memory.

    ``progress`` is called with the number of bytes that are done, at least after every 256 MiB. If
    it returns a true value or raises an exception, the call ends. So does a signal, by
    KeyboardInterrupt or the exception of its handler. Other threads run in the meantime.

    Returns the number of bytes that are done. What is mapped stays mapped.

    >>> hugeodp.prefetch(mr, write=True, progress=lambda done: print(done >> 20, "MiB"))
    256 MiB
    512 MiB
    536870912
    """
    if write and no_fault:
        raise TypeError("either write or no_fault")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is a function, not {type(progress).__name__}")
    cmd_fd, _ = _mr_numbers(mr)
    # what pyverbs registered with an iova does not show it
    first: int = getattr(mr, "iova", mr.buf)
    start: int = first if address is None else operator.index(address)
    size: int = first + mr.length - start if length is None else operator.index(length)
    doing = f"prefetch {size:#x} bytes at {start:#x}"
    if start < 0 or not 0 < size < 1 << 64 or start + size > 1 << 64:
        raise HugeOdpError(errno.EINVAL, doing)
    err, done = _core.prefetch_mr(
        cmd_fd, _pd_handle(mr), mr.lkey, start, size, write, no_fault, progress)
    if err:
        raise HugeOdpError(err, f"{doing}, {done:#x} done")
    return done


def _reason(value: int) -> Reason | int:
    """Later releases of the library may return reasons that are unknown here."""
    try:
        return Reason(value)
    except ValueError:
        return value


def probe(
    obj: OnDevice,
    buffer: BufferLike | None = None,
    *,
    address: int = 0,
    length: int = 0,
    page_sizes: PageSizes = 0,
) -> Report:
    """The page sizes that memory could get, and the obstacle to larger ones. Registers nothing.

    The memory is that of a buffer, or ``length`` bytes at ``address``. With ``page_sizes`` 0, all
    sizes of the device are considered.

    >>> report = hugeodp.probe(ctx, memory, page_sizes="2M|base")
    >>> report.page_shift, report.text, hex(report.address)
    (12, 'memory of smaller pages', '0x7f2f10600000')
    """
    sizes = parse_sizes(page_sizes)
    held = None
    if buffer is not None:
        if address or length:
            raise TypeError("either a buffer or address and length")
        held = _core.Buffer(buffer, False)
        address, length = held.address, held.length
    try:
        if not 0 <= address < 1 << 64 or not 0 <= length < 1 << 64:
            raise HugeOdpError(errno.EINVAL, f"probe {length:#x} bytes at {address:#x}")
        err, *report = _core.probe(_device_name(obj), address, length, sizes)
    finally:
        if held is not None:
            held.release()
    if err:
        raise HugeOdpError(err, f"probe {length:#x} bytes at {address:#x}")
    possible, at, shift, blocked, reason, flags, source = report
    return Report(possible, at, shift, blocked, _reason(reason), RangeFlags(flags), Source(source),
                  _core.reason_str(reason), _core.reason_hint(reason))
