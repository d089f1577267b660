# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs rdma-core's own tests with a page size request for every ODP MR.

usage: rdma_core.py RUN_TESTS ARGUMENT...

Implicit MRs, which have no page sizes, are registered as before. Exits with status 3 if no MR was
registered with a request, or if no device used one.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import importlib
import mmap
import pathlib
import sys

import hugeodp
import patient
import pyverbs.mr
from hugeodp import Access, Source

K4, M2 = 4 << 10, 2 << 20
MAP_HUGETLB = 0x40000
shifts: collections.Counter[int] = collections.Counter()
faults = 0


def hugetlb(length: int) -> tuple[mmap.mmap, int]:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB
    area = mmap.mmap(-1, -(-length // M2) * M2, flags=flags)
    return area, ctypes.addressof(ctypes.c_char.from_buffer(area))


def adapted(base: type) -> type:
    """A subclass that replaces pyverbs' MR or MREx."""

    class Adapted(base):
        def __init__(self, creator, length=0, access=0, address=None, implicit=False, **kwargs):
            self.counted = bool(access & Access.ON_DEMAND) and not implicit
            self.area = None
            sizes = M2 | K4
            if self.counted and access & Access.HUGETLB:
                access &= ~Access.HUGETLB
                sizes = M2
                if not address:
                    self.area, address = hugetlb(length)
            super().__init__(
                creator, length, access, address=address, implicit=implicit, **kwargs
            )
            if self.counted:
                state = hugeodp.modify(self, sizes)
                assert (state.page_sizes, state.source) == (sizes, Source.KERNEL), state
                shifts[state.page_shift] += 1

        def close(self):
            global faults
            if getattr(self, "counted", False):
                self.counted = False
                faults += hugeodp.query(self).faults
            super().close()

    Adapted.__name__ = base.__name__
    return Adapted


def import_all() -> None:
    """Import the compiled modules, which look up the original classes when they are imported."""
    top = pathlib.Path(pyverbs.__path__[0])
    for file in top.rglob("*.so"):
        name = ".".join(file.relative_to(top.parent).with_name(file.name.split(".")[0]).parts)
        with contextlib.suppress(ImportError):  # of a provider that is not installed
            importlib.import_module(name)


def main() -> None:
    import_all()
    for name in ("MR", "MREx"):
        if hasattr(pyverbs.mr, name):
            setattr(pyverbs.mr, name, adapted(getattr(pyverbs.mr, name)))
    try:
        patient.run(sys.argv[1:])
    except SystemExit as end:
        print(f"MRs with a request, by page shift: {dict(shifts)}; faults: {faults}")
        sys.exit(end.code or (0 if shifts and faults else 3))


main()
