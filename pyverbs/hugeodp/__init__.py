# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Huge-page on-demand paging (ODP) for objects of pyverbs, and page sizes of pinned memory.

    import hugeodp
    from pyverbs.device import Context
    from pyverbs.pd import PD

    memory = hugeodp.alloc(64 << 20)
    with Context(name="rxe0") as ctx, PD(ctx) as pd:
        with hugeodp.MR(pd, memory, access=hugeodp.Access.LOCAL_WRITE,
                        page_sizes="2M|base") as mr:
            print(mr.page_shift, mr.odp)

Page sizes are text such as "2M|base", or a bit mask in bytes: 2 << 20 is 2 MiB. See hugeodp(7) for
an overview.
"""

from ._core import VERSION as __version__
from ._memory import Memory, alloc
from ._mr import MR
from ._sizes import page_sizes
from ._types import (
    Access,
    DeviceCaps,
    Flags,
    HugeOdpError,
    Kind,
    MemoryKind,
    Pages,
    RangeFlags,
    Reason,
    Report,
    Source,
    State,
)
from ._verbs import modify, page_shift, prefetch, probe, query, query_device, query_pages, watch

__all__ = [
    "MR",
    "Access",
    "DeviceCaps",
    "Flags",
    "HugeOdpError",
    "Kind",
    "Memory",
    "MemoryKind",
    "Pages",
    "RangeFlags",
    "Reason",
    "Report",
    "Source",
    "State",
    "__version__",
    "alloc",
    "modify",
    "page_shift",
    "page_sizes",
    "prefetch",
    "probe",
    "query",
    "query_device",
    "query_pages",
    "watch",
]
