# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Types of arguments and results."""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class HugeOdpError(OSError):
    """An error of the kernel, the device or the library.

    This package raises no other exception for such errors. ``errno`` has the values of
    ibv_reg_mr_ex(3hugeodp): EOPNOTSUPP (not supported by the kernel or the device), ERANGE (no
    accepted page size fits), E2BIG (more than ``max_entries``), EINVAL (wrong arguments), EFAULT,
    ENOMEM. ``entries`` is the number of entries needed if the error is E2BIG, otherwise None.

    >>> try:
    ...     hugeodp.MR(pd, buf, access=access, page_sizes=2 << 20)
    ... except hugeodp.HugeOdpError as e:
    ...     if e.errno != errno.ERANGE:
    ...         raise
    """

    def __init__(
        self,
        code: int,
        doing: str,
        if_none_fits: str = "probe() reports the obstacle",
        entries: int | None = None,
    ) -> None:
        hint = f"; {if_none_fits}" if code == errno.ERANGE else ""
        if entries is not None:
            hint = f"; {entries} entries needed"
        super().__init__(code, f"{doing}: {os.strerror(code)}{hint}")
        self.entries = entries
        self._arguments = code, doing, if_none_fits, entries

    def __reduce__(self) -> tuple[type[HugeOdpError], tuple[int, str, str, int | None]]:
        # the arguments of this class, not those of OSError
        return type(self), self._arguments


class Access(enum.IntFlag):
    """enum ibv_access_flags; releases of pyverbs differ in the module that has it."""

    LOCAL_WRITE = 1 << 0
    REMOTE_WRITE = 1 << 1
    REMOTE_READ = 1 << 2
    REMOTE_ATOMIC = 1 << 3
    MW_BIND = 1 << 4
    ON_DEMAND = 1 << 6
    HUGETLB = 1 << 7
    RELAXED_ORDERING = 1 << 20


class Flags(enum.IntFlag):
    """Flags of a request: enum ibv_odp_flags."""

    #: each block takes the largest accepted size that fits it
    MIXED = 1
    #: map the whole MR at once, or fail
    POPULATE = 2


class Source(enum.IntEnum):
    """Source of an answer: enum ibv_odp_source."""

    UNKNOWN = 0
    KERNEL = 1
    LIBRARY = 2
    ESTIMATE = 3


class Kind(enum.IntEnum):
    """Kind of an MR: enum ibv_mr_kind."""

    UNKNOWN = 0
    PINNED = 1
    ODP = 2
    IMPLICIT = 3
    DMABUF = 4


class MemoryKind(enum.IntEnum):
    """Source of the pages of memory: enum hugeodp_memory_kind."""

    BASE = 1
    THP = 2
    HUGETLB = 3


class Reason(enum.IntEnum):
    """Why a larger page size is not possible: enum ibv_odp_reason."""

    NONE = 0
    DEVICE = 1
    LENGTH = 2
    IOVA = 3
    START = 4
    END = 5
    HOLE = 6
    SMALL_PAGES = 7
    NO_THP = 8
    READ_ONLY = 9
    BOUNDARY = 10
    NO_ACCESS = 11
    THP_OFF = 12
    THP_NOT_ADVISED = 13
    THP_REFUSED = 14
    THP_PROCESS = 15
    THP_SHMEM = 16
    THP_MOUNT = 17


class RangeFlags(enum.IntFlag):
    """Properties of a whole range, independent of the page size: enum ibv_odp_range_flags."""

    #: some of it cannot be written
    READ_ONLY = 1
    #: some of it is not mapped or cannot be accessed
    HOLE = 2


class DeviceCaps(NamedTuple):
    """Capabilities of a device."""

    page_sizes: int
    flags: Flags
    source: Source


class State(NamedTuple):
    """Current state of an ODP MR; see ibv_query_mr_odp(3hugeodp) for the members."""

    page_sizes: int
    page_shift: int
    flags: Flags
    blocks_mapped: int
    table_bytes: int
    faults: int
    pages_invalidated: int
    renegotiations: int
    source: Source
    renegotiations_down: int = 0
    #: mapped blocks by size in bytes
    blocks: Mapping[int, int] = MappingProxyType({})
    faults_refused: int = 0

    @property
    def page_size(self) -> int:
        """Page size in bytes."""
        return 1 << self.page_shift


class Pages(NamedTuple):
    """What a device translates an MR with; see ibv_query_mr_pages(3hugeodp) for the members."""

    page_shift: int
    kind: Kind | int
    source: Source
    entries: int
    device_bytes: int
    base_pages: int

    @property
    def page_size(self) -> int:
        """Page size in bytes."""
        return 1 << self.page_shift


class Report(NamedTuple):
    """Page sizes that a range could get; see ibv_probe_odp_range(3hugeodp) for the members."""

    page_sizes: int
    address: int
    page_shift: int
    blocked_shift: int
    reason: Reason | int
    flags: RangeFlags
    source: Source
    #: description of the reason
    text: str
    #: the command or call that removes the reason, or an empty string
    hint: str = ""
