#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests of the package on a kernel without the series, which must report base pages only."""

from __future__ import annotations

import errno
import mmap
import unittest

import hugeodp
import rig as r
from hugeodp import Access, Flags, HugeOdpError, Source
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

    def refused(self, code: int, call, *args, **kwargs) -> None:
        with self.assertRaises(HugeOdpError) as caught:
            call(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code])

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
