# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Registration."""

from __future__ import annotations

import errno
import mmap
import sys
from typing import TYPE_CHECKING, NamedTuple

from pyverbs.cmid import CMID
from pyverbs.mr import MR as PyverbsMR
from pyverbs.pd import PD
from pyverbs.pyverbs_error import PyverbsError

try:
    # of rdma-core 60 and later; MR does not take an iova
    from pyverbs.mr import MREx as _Base
except ImportError:
    from pyverbs.mr import MR as _Base

from . import _core
from ._memory import alloc
from ._sizes import PageSizes, page_sizes as parse_sizes
from ._types import Access, Flags, HugeOdpError, Pages, Source, State
from ._verbs import (
    check_flags,
    check_number,
    context_of,
    modify,
    page_shift,
    put_in_force,
    query,
    query_device,
    query_pages,
)

if TYPE_CHECKING:
    from ._memory import BufferLike

#: the length of an implicit MR: SIZE_MAX
_ALL = (sys.maxsize << 1) + 1
_WRITES = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC


class _Request(NamedTuple):
    """What to register. An implicit MR has length 0."""

    #: None for an implicit MR, and for memory that pyverbs allocates
    address: int | None
    length: int
    access: int
    page_sizes: int
    flags: int
    iova: int | None
    #: 0: any number
    max_entries: int

    def refusal(self, code: int, entries: int | None = None) -> HugeOdpError:
        """The error of a request that is not met."""
        doing = f"register MR, page sizes {self.page_sizes:#x}, flags {self.flags:#x}"
        if self.access & Access.ON_DEMAND:
            return HugeOdpError(code, doing)
        if self.max_entries:
            doing += f", at most {self.max_entries} entries"
        return HugeOdpError(
            code, f"{doing}, pinned", "hugeodp explain --pinned reports the pages", entries)


def _check_iova(iova: int, address: int | None, length: int) -> None:
    """Refuse what ibv_reg_mr_ex() refuses, also where pyverbs registers the MR."""
    if (
        address is None
        or not 0 <= iova <= (1 << 64) - length
        or (iova ^ address) & (mmap.PAGESIZE - 1)
    ):
        raise HugeOdpError(errno.EINVAL, f"register MR of {length} bytes, iova {iova:#x}")


def _pd_of(creator: PD | CMID) -> PD:
    return creator.pd if isinstance(creator, CMID) else creator


def _check_kind(request: _Request) -> None:
    """Refuse what belongs to only one of ODP and pinned MRs."""
    if request.access & Access.ON_DEMAND:
        wrong = request.max_entries != 0
    else:
        # no length: an implicit MR
        wrong = bool(request.flags & ~Flags.MIXED) or not request.length
    if wrong or not 0 <= request.max_entries < 1 << 64:
        raise request.refusal(errno.EINVAL)


def _check_pages(request: _Request, pages: Pages) -> None:
    """Compare the pages of a pinned MR, which the driver chose by itself, with the request.

    Several sizes also accept larger pages.
    """
    sizes, size = request.page_sizes, pages.page_size
    if sizes and not sizes & (size | size - 1):
        raise request.refusal(errno.ERANGE)
    if 0 < sizes < size and not sizes & (sizes - 1):
        raise request.refusal(errno.EOPNOTSUPP)
    if request.max_entries and pages.entries > request.max_entries:
        raise request.refusal(errno.E2BIG, pages.entries)


def _without_series(page_sizes: int, flags: int) -> State:
    """State of a plain ODP MR, which has base pages, on a kernel that does not report it."""
    if flags or (page_sizes and not page_sizes & mmap.PAGESIZE):
        raise HugeOdpError(
            errno.EOPNOTSUPP, f"register MR, page sizes {page_sizes:#x}, flags {flags:#x}")
    shift = mmap.PAGESIZE.bit_length() - 1
    return State(mmap.PAGESIZE, shift, Flags(0), 0, 0, 0, 0, 0, Source.LIBRARY)


def _error_of(e: PyverbsError, creator: PD | CMID | None) -> int:
    """The errno of a registration that failed; the creator is that of an ODP MR."""
    code: int = getattr(e, "error_code", -1)
    if code == errno.EINVAL and creator is not None:
        # what some kernels return for a device without on-demand paging
        try:
            query_device(creator)
        except HugeOdpError as device:
            code = device.errno or code
    return code if code > 0 else errno.ENOMEM


class MR(_Base):  # type: ignore[misc]  # pyverbs has no types
    """An MR with a page size request; in all other respects an MR of pyverbs.

    ``buffer`` is an object with the buffer protocol (mmap, bytearray, memoryview, a NumPy
    array ...), which stays exported until the MR is closed. Instead of it, ``address`` and
    ``length`` give memory that the caller manages; with ``length`` alone, the MR has memory of its
    own.

    ``page_sizes`` is a bit mask in bytes or text such as "2M|base", where "base" is the base page
    size: one size is a strict request, several are negotiated, 0 or "any" means any. ``flags`` are
    those of ``Flags``. Unless the MR is ``pinned``, it is one of on-demand paging (ODP), and
    ``Access.ON_DEMAND`` is added to ``access``.

    A ``pinned`` MR has the largest accepted size that its memory has when it is registered.
    ``max_entries`` bounds the entries of the device's tables; the error is E2BIG with the number
    needed in ``entries`` if that is not sufficient. Of the flags, ``Flags.MIXED`` is possible where
    the device supports it, without ``Access.MW_BIND``.

    ``iova`` is the address of the first byte as work requests use it, instead of that of the
    memory, from which it may differ by a multiple of the base page size. Only page sizes that
    divide the difference fit. The error is EOPNOTSUPP if neither pyverbs can register with it
    (rdma-core 60, on rxe 64) nor the provider can import an MR.

    ``implicit`` registers the whole address space; then there is no memory to give, and no iova.

    On a kernel without page size requests, a request that accepts base pages gets these, and
    ``odp.source`` is ``Source.LIBRARY``; other requests fail with EOPNOTSUPP. A request for a
    pinned MR is compared with an estimate there; see ibv_reg_mr_ex(3hugeodp).

    >>> memory = hugeodp.alloc(64 << 20)
    >>> with hugeodp.MR(pd, memory, access=hugeodp.Access.LOCAL_WRITE,
    ...                 page_sizes="2M|base") as mr:
    ...     print(mr.page_shift)
    21
    """

    def __init__(
        self,
        pd: PD,
        buffer: BufferLike | None = None,
        *,
        length: int = 0,
        access: int = 0,
        address: int | None = None,
        page_sizes: PageSizes = 0,
        flags: int = 0,
        implicit: bool = False,
        iova: int | None = None,
        pinned: bool = False,
        max_entries: int = 0,
    ) -> None:
        """Register memory with a page size request; the class describes the arguments."""
        if not isinstance(pd, (PD, CMID)):
            raise TypeError(f"a PD of pyverbs is needed, not {type(pd).__name__}")
        sizes = parse_sizes(page_sizes)
        check_number(access, 1 << 31, "register MR, access")
        if not pinned:
            access |= Access.ON_DEMAND
        elif access & Access.ON_DEMAND:
            raise TypeError("either pinned or on demand")
        if access & Access.HUGETLB or check_flags(flags) & ~sum(Flags):
            raise HugeOdpError(errno.EINVAL, f"register MR, access {access:#x}, flags {flags:#x}")
        self._held: _core.Buffer | None = None
        # file descriptor and handle of an MR that pyverbs imported
        self._created: tuple[int, int] | None = None
        self._iova = None if iova is None else check_number(iova, 1 << 64, "register MR, iova")
        #: whether the memory stays where it is
        self.pinned = pinned
        most = check_number(max_entries, 1 << 64, "register MR, max_entries")
        address, length = self._hold(buffer, address, length, access, implicit)
        try:
            if address is None and length and (pinned or self._iova is not None):
                address = self._allocate(length)
            if self._iova is not None:
                _check_iova(self._iova, address, length)
            request = _Request(address, length, access, sizes, flags, self._iova, most)
            _check_kind(request)
            if pinned:
                self._pin(pd, request)
            else:
                self._register(pd, request)
        except BaseException as e:
            self.close()
            if isinstance(e, PyverbsError):
                code = _error_of(e, None if pinned else pd)
                raise HugeOdpError(code, f"register MR of {length} bytes") from e
            raise

    def _hold(
        self,
        buffer: BufferLike | None,
        address: int | None,
        length: int,
        access: int,
        implicit: bool,
    ) -> tuple[int | None, int]:
        """The memory to register; a buffer is held until close()."""
        given = length != 0 or address is not None
        if (buffer is not None) + given + implicit > 1:
            raise TypeError("either a buffer, or address and length, or implicit")
        if implicit:
            return None, 0
        if buffer is not None:
            held = _core.Buffer(buffer, bool(access & _WRITES))
            address, length = held.address, held.length
            if length:
                self._held = held
        fits = address is None or 0 < address < (1 << 64) - length
        if not 0 < length < 1 << 64 or not fits:
            raise HugeOdpError(errno.EINVAL, "register MR, no memory")
        return address, length

    def _allocate(self, length: int) -> int:
        """Memory that is released with the MR, where that of pyverbs would not do."""
        self._held = _core.Buffer(alloc(length), True)
        return self._held.address

    def _register(self, creator: PD | CMID, request: _Request) -> None:
        """Register by pyverbs, then change the page sizes, or else in one call."""
        try:
            self._register_plainly(creator, request)
        except HugeOdpError as e:
            self._create(e, creator, request)
            return
        try:
            put_in_force(self, request.page_sizes, request.flags, "register MR")
        except HugeOdpError as e:
            if e.errno != errno.EOPNOTSUPP:
                raise
            self._request_at_once(e, creator, request)

    def _pin(self, creator: PD | CMID, request: _Request) -> None:
        """Register with the request in one call, or else compare it with the pages of the MR."""
        pd = _pd_of(creator)
        try:
            self._create(request.refusal(errno.EOPNOTSUPP), pd, request)
            return
        except HugeOdpError as e:
            if e.errno != errno.EOPNOTSUPP:
                raise
            # a device that has pages of two sizes has them in one call only
            if request.flags and (
                request.access & Access.MW_BIND or request.flags & ~query_device(pd).flags
            ):
                raise
        self._register_plainly(pd, request)
        if request.page_sizes or request.max_entries:
            _check_pages(request, query_pages(self))

    def _register_plainly(self, creator: PD | CMID, request: _Request) -> None:
        """Register by pyverbs. HugeOdpError, EOPNOTSUPP, only if it does not take the iova."""
        address, length, access = request.address, request.length, request.access
        if request.iova is None:
            PyverbsMR.__init__(
                self, creator, length, access, address=address, implicit=not length)
            return
        if _Base is not PyverbsMR:
            try:
                _Base.__init__(
                    self, _pd_of(creator), length, access, address=address, iova=request.iova)
                return
            except PyverbsError as e:
                if getattr(e, "error_code", -1) != errno.EOPNOTSUPP:
                    raise
        raise HugeOdpError(
            errno.EOPNOTSUPP, "register MR with an iova, which pyverbs cannot do on the device")

    def _request_at_once(
        self, refusal: HugeOdpError, creator: PD | CMID, request: _Request
    ) -> None:
        """Register again, with the request, on a kernel with page size requests."""
        try:
            query(self)
        except HugeOdpError:
            if not request.length:
                raise refusal from None
            self.odp_without_series = _without_series(request.page_sizes, request.flags)
            return
        self._create(refusal, creator, request)

    def _create(self, refusal: HugeOdpError, creator: PD | CMID, request: _Request) -> None:
        """Register with the request in one call of the kernel. pyverbs imports the MR.

        Some devices can only do that, for instance for mixed MRs.
        """
        address, length, access, sizes, flags, iova, max_entries = request
        pd = _pd_of(creator)
        if length and address is None:
            # the memory of pyverbs goes with its MR
            address = self._allocate(length)
        cmd_fd: int = context_of(pd).cmd_fd
        err, handle, needed = _core.create_mr(cmd_fd, pd.handle, address or 0, length or _ALL,
                                              access, sizes, flags, iova, max_entries)
        if err == errno.EOPNOTSUPP:
            raise refusal
        if err:
            raise request.refusal(err, needed if err == errno.E2BIG else None)
        try:
            super().close()
            PyverbsMR.__init__(self, pd, length, access, address=address, handle=handle)
        except BaseException:
            _core.destroy_mr(cmd_fd, handle)
            raise
        self._created = cmd_fd, handle

    def close(self) -> None:
        """Deregister the MR, then release its buffer. May be called more than once."""
        created = getattr(self, "_created", None)
        if created is not None:
            err = _core.destroy_mr(*created)
            # the device may be gone, or the MR with a process that shares it
            if err not in (0, errno.ENOENT, errno.EIO):
                raise HugeOdpError(err, "deregister MR")
            self._created = None
            # frees the struct that pyverbs imported, and calls close()
            super().unimport()
            return
        super().close()
        held = getattr(self, "_held", None)
        if held is not None:
            self._held = None
            held.release()

    def __del__(self) -> None:
        # before the buffer is freed
        self.close()

    @property
    def iova(self) -> int:
        """Address of the first byte as work requests use it: ``buf``, if no iova was given."""
        address: int = self.buf if self._iova is None else self._iova
        return address

    @property
    def page_shift(self) -> int:
        """log2 of the current page size in bytes."""
        return page_shift(self)

    @property
    def pages(self) -> Pages:
        """What the device translates the MR with."""
        return query_pages(self)

    @property
    def odp(self) -> State:
        """The current state of the MR."""
        return query(self)

    def modify(self, page_sizes: int = 0, flags: int = 0) -> State:
        """Change the page sizes of the live MR; see hugeodp.modify()."""
        return modify(self, page_sizes, flags)
