# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Registration."""

from __future__ import annotations

import errno
import mmap
from typing import TYPE_CHECKING

from pyverbs.cmid import CMID
from pyverbs.device import Context
from pyverbs.mr import MR as PyverbsMR
from pyverbs.pd import PD
from pyverbs.pyverbs_error import PyverbsError

from . import _core
from ._types import Access, DeviceCaps, Flags, HugeOdpError, Source, State
from ._verbs import _check_request, _put_in_force, modify, page_shift, query, query_device

if TYPE_CHECKING:
    from typing_extensions import Buffer

_WRITES = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC


def check(obj: Context | PD, access: int, page_sizes: int, flags: int) -> DeviceCaps:
    """Check the request before the registration, as ibv_reg_mr_ex() does."""
    _check_request(page_sizes, flags)
    if not access & Access.ON_DEMAND or access & Access.HUGETLB or flags & ~sum(Flags):
        raise HugeOdpError(errno.EINVAL, f"register MR, access {access:#x}, flags {flags:#x}")
    caps = query_device(obj)
    if (page_sizes and not page_sizes & caps.page_sizes) or flags & ~caps.flags:
        raise HugeOdpError(
            errno.EOPNOTSUPP,
            f"register MR, page sizes {page_sizes:#x} of {caps.page_sizes:#x}, "
            f"flags {flags:#x} of {int(caps.flags):#x}",
        )
    return caps


def without_series(caps: DeviceCaps, page_sizes: int) -> State:
    """State of a plain ODP MR, which has base pages, on a kernel that does not report it."""
    if page_sizes and not page_sizes & mmap.PAGESIZE:
        raise HugeOdpError(errno.EOPNOTSUPP, f"register MR, page sizes {page_sizes:#x}")
    sizes = (page_sizes or caps.page_sizes) & caps.page_sizes
    return State(sizes, mmap.PAGESIZE.bit_length() - 1, Flags(0), 0, 0, 0, 0, 0, caps.source)


class MR(PyverbsMR):
    """An ODP MR with a page size request; in all other respects an MR of pyverbs.

    ``buffer`` is an object with the buffer protocol (mmap, bytearray, memoryview, a NumPy
    array ...), which stays exported until the MR is closed. Instead of it, ``address`` and
    ``length`` give memory that the caller manages; with ``length`` alone, pyverbs allocates the
    memory.

    ``page_sizes`` is a bit mask in bytes: one size is a strict request, several are negotiated, 0
    means any. ``Access.ON_DEMAND`` is added to ``access``.

    On a kernel without page size requests, a request that accepts base pages gets these, and
    ``odp.source`` is ``Source.LIBRARY``; other requests fail with EOPNOTSUPP.

    >>> memory = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    >>> memory.madvise(mmap.MADV_HUGEPAGE)
    >>> with hugeodp.MR(pd, memory, access=hugeodp.Access.LOCAL_WRITE,
    ...                 page_sizes=2 << 20 | 4 << 10) as mr:
    ...     print(mr.page_shift)
    21
    """

    def __init__(
        self,
        pd: PD,
        buffer: Buffer | None = None,
        *,
        length: int = 0,
        access: int = 0,
        address: int | None = None,
        page_sizes: int = 0,
        flags: int = 0,
    ) -> None:
        if not isinstance(pd, (PD, CMID)):
            raise TypeError(f"a PD of pyverbs is needed, not {type(pd).__name__}")
        access |= Access.ON_DEMAND
        caps = check(pd, access, page_sizes, flags)
        plain = None if caps.source == Source.KERNEL else without_series(caps, page_sizes)
        held = None
        if buffer is not None:
            if length or address is not None:
                raise TypeError("either a buffer or address and length")
            held = _core.Buffer(buffer, bool(access & _WRITES))
            address, length = held.address, held.length
        if not 0 < length < 1 << 64 or (address is not None and not 0 < address < (1 << 64) - length):
            raise HugeOdpError(errno.EINVAL, "register MR, no memory")
        self._held = held
        try:
            super().__init__(pd, length, access, address=address)
            if plain is None:
                _put_in_force(self, page_sizes, flags, "register MR")
            else:
                self.odp_without_series = plain
        except BaseException as e:
            self.close()
            if isinstance(e, PyverbsError):
                code = getattr(e, "error_code", -1)
                code = code if code > 0 else errno.ENOMEM
                raise HugeOdpError(code, f"register MR of {length} bytes") from e
            raise

    def close(self) -> None:
        """Deregister the MR, then release its buffer. May be called more than once."""
        super().close()
        held = getattr(self, "_held", None)
        if held is not None:
            self._held = None
            held.release()

    def __del__(self) -> None:
        # before the buffer is freed
        self.close()

    @property
    def page_shift(self) -> int:
        """log2 of the current page size in bytes."""
        return page_shift(self)

    @property
    def odp(self) -> State:
        """The current state of the MR."""
        return query(self)

    def modify(self, page_sizes: int = 0, flags: int = 0) -> State:
        """Change the page sizes of the live MR; see hugeodp.modify()."""
        return modify(self, page_sizes, flags)
