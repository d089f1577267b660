# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Memory that can have huge pages."""

from __future__ import annotations

import errno
import mmap
import operator

from . import _core
from ._types import HugeOdpError

_HUGE = 2 << 20


def alloc(length: int, *, page_size: int = _HUGE) -> memoryview:
    """Zeroed private memory that can have huge pages, whatever the length.

    The memory starts at a multiple of ``page_size``, is part of whole pages of that size, and has
    MADV_HUGEPAGE. It is released with the last object that refers to it.

    >>> memory = hugeodp.alloc(32_000_000)
    >>> hugeodp.probe(ctx, memory, page_sizes="2M|base").page_shift
    21
    """
    if not 0 < operator.index(length) < 1 << 62:
        raise HugeOdpError(errno.EINVAL, f"allocate {length} bytes")
    if not mmap.PAGESIZE <= operator.index(page_size) < 1 << 48 or page_size & (page_size - 1):
        raise HugeOdpError(errno.EINVAL, f"allocate pages of {page_size} bytes")
    whole = -(-length // page_size) * page_size
    try:
        area = mmap.mmap(-1, whole + page_size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as e:
        raise HugeOdpError(e.errno or errno.ENOMEM, f"allocate {length} bytes") from e
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            area.madvise(mmap.MADV_HUGEPAGE)
        except OSError as e:
            # a kernel without transparent huge pages
            if e.errno != errno.EINVAL:
                raise HugeOdpError(e.errno or errno.ENOMEM, f"allocate {length} bytes") from e
    held = _core.Buffer(area, True)
    start = -held.address % page_size
    held.release()
    return memoryview(area)[start : start + length]
