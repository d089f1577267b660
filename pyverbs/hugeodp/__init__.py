# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Huge-page on-demand paging (ODP) for objects of pyverbs.

    import mmap
    import hugeodp
    from pyverbs.device import Context
    from pyverbs.pd import PD

    # without flags it would be shared memory, which rarely has huge pages
    memory = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    with Context(name="rxe0") as ctx, PD(ctx) as pd:
        with hugeodp.MR(pd, memory, access=hugeodp.Access.LOCAL_WRITE,
                        page_sizes=2 << 20 | 4 << 10) as mr:
            print(mr.page_shift, mr.odp)

Page sizes are a bit mask in bytes: 2 << 20 is 2 MiB. See hugeodp(7) for an overview.
"""

from ._mr import MR
from ._types import (
    Access,
    DeviceCaps,
    Flags,
    HugeOdpError,
    RangeFlags,
    Reason,
    Report,
    Source,
    State,
)
from ._verbs import modify, page_shift, probe, query, query_device

__all__ = [
    "MR",
    "Access",
    "DeviceCaps",
    "Flags",
    "HugeOdpError",
    "RangeFlags",
    "Reason",
    "Report",
    "Source",
    "State",
    "modify",
    "page_shift",
    "probe",
    "query",
    "query_device",
]
