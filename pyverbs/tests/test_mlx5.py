#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests on mlx5, which makes mixed MRs only at registration."""

from __future__ import annotations

import errno
import gc
import os
import unittest

import hugeodp
from hugeodp import Access, Flags, HugeOdpError, Source
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD

DEVICE = os.environ.get("HUGEODP_LAB_DEVICE", "mlx5_0")
K4, M2 = 4 << 10, 2 << 20
LENGTH = 8 * M2
RW = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ
MIXED = Flags.MIXED | Flags.POPULATE


class Mlx5(unittest.TestCase):
    def setUp(self) -> None:
        self.ctx = self.enterContext(Context(name=DEVICE))
        self.pd = self.enterContext(PD(self.ctx))

    def refused(self, code: int, call, *args, **kwargs) -> None:
        with self.assertRaises(HugeOdpError) as caught:
            call(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code])

    def test_capabilities(self) -> None:
        caps = hugeodp.query_device(self.ctx)
        self.assertEqual(caps.source, Source.KERNEL)
        self.assertTrue(caps.flags & Flags.MIXED)

    def test_mixed(self) -> None:
        area = hugeodp.alloc(LENGTH)
        mr = hugeodp.MR(self.pd, area, access=RW, page_sizes=M2 | K4, flags=MIXED)
        state = mr.odp
        self.assertEqual((state.source, state.flags & Flags.MIXED), (Source.KERNEL, Flags.MIXED))
        self.assertEqual(sum(size * blocks for size, blocks in state.blocks.items()), LENGTH)
        self.assertGreater(state.blocks.get(M2, 0), 0)
        # the attributes and the memory of pyverbs' MR
        self.assertEqual(mr.length, LENGTH)
        self.assertNotEqual(mr.lkey, 0)
        mr.write(b"abc", 3)
        self.assertEqual((bytes(area[:3]), mr.read(3, 0)), (b"abc", b"abc"))
        mr.close()
        mr.close()
        self.refused(errno.EINVAL, hugeodp.query, mr)

    def test_mixed_memory_of_pyverbs(self) -> None:
        with hugeodp.MR(self.pd, length=LENGTH, access=RW, page_sizes=M2 | K4, flags=MIXED) as mr:
            mr.write(b"abc", 3, LENGTH - 3)
            self.assertEqual(mr.read(3, LENGTH - 3), b"abc")
            self.assertTrue(mr.odp.flags & Flags.MIXED)

    def test_buffer_is_released(self) -> None:
        data = bytearray(K4 * 4)
        pd = PD(self.ctx)
        mr = hugeodp.MR(pd, data, access=RW, page_sizes=M2 | K4, flags=Flags.MIXED)
        self.assertRaises(BufferError, data.clear)
        handle = mr.handle
        # pyverbs closes the MRs of a PD
        pd.close()
        data.clear()
        self.assertEqual(hugeodp._core.query_mr(self.ctx.cmd_fd, handle)[0], errno.ENOENT)

    def test_collected(self) -> None:
        data = bytearray(K4 * 4)
        mr = hugeodp.MR(self.pd, data, access=RW, page_sizes=M2 | K4, flags=Flags.MIXED)
        handle = mr.handle
        del mr
        gc.collect()
        data.clear()
        self.assertEqual(hugeodp._core.query_mr(self.ctx.cmd_fd, handle)[0], errno.ENOENT)

    def test_refused(self) -> None:
        """A failed registration leaves nothing registered."""
        data = bytearray(K4 * 4)
        self.refused(errno.EOPNOTSUPP, hugeodp.MR, self.pd, data, access=RW | Access.MW_BIND,
                     page_sizes=M2 | K4, flags=Flags.MIXED)
        self.refused(errno.EOPNOTSUPP, hugeodp.MR, self.pd, data, access=RW, page_sizes=1 << 40)
        data.clear()

    def test_plain(self) -> None:
        """An MR of pyverbs cannot become a mixed one."""
        with MR(self.pd, LENGTH, RW | Access.ON_DEMAND) as mr:
            self.assertEqual(hugeodp.query(mr).page_shift, 12)
            self.refused(errno.EOPNOTSUPP, hugeodp.modify, mr, M2 | K4, Flags.MIXED)

    def test_implicit(self) -> None:
        with hugeodp.MR(self.pd, implicit=True, access=RW, page_sizes=M2 | K4) as mr:
            self.assertEqual(mr.odp.page_sizes, M2 | K4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
