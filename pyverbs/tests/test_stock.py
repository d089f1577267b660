#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests of the package on a kernel without the series, which must report base pages only."""

from __future__ import annotations

import errno
import mmap
import unittest

import hugeodp
import rig as r
from hugeodp import Access, Flags, HugeOdpError, Kind, Source
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD

K4, M2 = 4 << 10, 2 << 20
RW = Access.LOCAL_WRITE | Access.REMOTE_WRITE


class Stock(unittest.TestCase):
    def setUp(self) -> None:
        ctx = self.enterContext(Context(name=r.DEVICE))
        self.pd = self.enterContext(PD(ctx))
        self.area = mmap.mmap(-1, 4 * M2)

    def refused(self, code: int, call, *args, **kwargs) -> HugeOdpError:
        with self.assertRaises(HugeOdpError) as caught:
            call(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code])
        return caught.exception

    def test_device(self) -> None:
        caps = hugeodp.query_device(self.pd)
        self.assertEqual((caps.page_sizes, caps.source), (K4, Source.LIBRARY))

    def test_negotiated(self) -> None:
        for sizes in (M2 | K4, K4, 0):
            with hugeodp.MR(self.pd, self.area, access=RW, page_sizes=sizes) as mr:
                self.assertEqual((mr.page_shift, mr.odp.page_shift), (12, 12))
                self.assertEqual((mr.odp.page_sizes, mr.odp.source), (K4, Source.LIBRARY))
                self.refused(errno.EOPNOTSUPP, mr.modify, K4)
            self.refused(errno.EINVAL, hugeodp.query, mr)

    def test_iova(self) -> None:
        with hugeodp.MR(self.pd, self.area, access=RW, page_sizes=M2 | K4, iova=1 << 40) as mr:
            self.assertEqual((mr.iova, mr.page_shift), (1 << 40, 12))
            self.assertEqual(mr.odp.source, Source.LIBRARY)

    def pinned(self, **kwargs) -> hugeodp.MR:
        return hugeodp.MR(self.pd, self.area, access=RW, pinned=True, **kwargs)

    def test_pinned(self) -> None:
        """The pages are an estimate, with which the request is compared."""
        entries = len(self.area) // K4
        for request in ({}, {"page_sizes": M2 | K4}, {"page_sizes": K4, "iova": 1 << 40},
                        {"max_entries": entries}):
            with self.subTest(request), self.pinned(**request) as mr:
                self.assertEqual((mr.page_shift, mr.pages.entries), (12, entries))
                self.assertEqual((mr.pages.kind, mr.pages.source), (Kind.UNKNOWN, Source.ESTIMATE))
                self.refused(errno.EOPNOTSUPP, mr.modify, K4)
        self.refused(errno.ERANGE, self.pinned, page_sizes=M2)
        self.refused(errno.EINVAL, self.pinned, flags=Flags.POPULATE)
        self.refused(errno.EOPNOTSUPP, self.pinned, flags=Flags.MIXED)
        refusal = self.refused(errno.E2BIG, self.pinned, max_entries=entries - 1)
        self.assertEqual(refusal.entries, entries)
        self.area.close()

    def test_strict(self) -> None:
        self.refused(errno.EOPNOTSUPP, hugeodp.MR, self.pd, self.area, access=RW, page_sizes=M2)
        self.refused(errno.EOPNOTSUPP, hugeodp.MR, self.pd, self.area, access=RW,
                     page_sizes=K4, flags=Flags.POPULATE)
        self.area.close()

    def test_not_ours(self) -> None:
        with MR(self.pd, K4, RW | Access.ON_DEMAND) as mr:
            self.refused(errno.EOPNOTSUPP, hugeodp.query, mr)
            self.refused(errno.EOPNOTSUPP, hugeodp.page_shift, mr)
            self.refused(errno.EOPNOTSUPP, hugeodp.query_pages, mr)
            self.refused(errno.EOPNOTSUPP, hugeodp.modify, mr, K4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
