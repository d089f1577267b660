#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests on mlx5, which makes mixed MRs only at registration."""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import random
import types
import unittest
from unittest import mock

import hugeodp
import rig as r
from hugeodp import Access, Flags, HugeOdpError, Kind, Source
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD

K4, K64, M2 = 4 << 10, 64 << 10, 2 << 20
LENGTH = 8 * M2
RW = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ
MIXED = Flags.MIXED | Flags.POPULATE
MAP_HUGETLB = 0x40000


def hugetlb() -> mmap.mmap:
    return mmap.mmap(-1, LENGTH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB)


def with_a_block_of_base_pages() -> memoryview:
    """Transparent huge pages, and at the end one block of base pages that are not neighbours."""
    area = mmap.mmap(-1, 2 * LENGTH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(area)) % M2
    area.madvise(mmap.MADV_HUGEPAGE, start, LENGTH - M2)
    area.madvise(mmap.MADV_NOHUGEPAGE, start + LENGTH - M2, M2)
    view = memoryview(area)[start : start + LENGTH]
    for at in (*range(0, LENGTH - M2, M2), *range(LENGTH - M2, LENGTH, 2 * K4),
               *range(LENGTH - M2 + K4, LENGTH, 2 * K4)):
        view[at] = 1
    return view


class Mlx5(unittest.TestCase):
    def setUp(self) -> None:
        self.ctx = self.enterContext(Context(name=r.DEVICE))
        self.pd = self.enterContext(PD(self.ctx))

    def refused(self, code: int, call, *args, **kwargs) -> HugeOdpError:
        with self.assertRaises(HugeOdpError) as caught:
            call(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code])
        return caught.exception

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

    def transfer(self, **kwargs) -> list[hugeodp.MR]:
        """Transfer between MRs with iovas, whose first MR has the arguments."""
        rig = self.enterContext(r.Rig())
        areas = hugeodp.alloc(LENGTH), hugeodp.alloc(LENGTH)
        areas[0][:], areas[1][:] = (random.Random(seed).randbytes(LENGTH) for seed in (1, 2))
        mrs = [hugeodp.MR(rig.pd, areas[0], access=RW, iova=1 << 40, **kwargs),
               hugeodp.MR(rig.pd, areas[1], access=RW, iova=M2)]
        self.assertEqual([mr.iova for mr in mrs], [1 << 40, M2])
        self.assertEqual([mr.buf for mr in mrs], [area.address for area in areas])
        for mr in mrs:
            rig.callback(mr.close)
        ends = [types.SimpleNamespace(buf=mr.iova, lkey=mr.lkey, rkey=mr.rkey) for mr in mrs]
        want = bytearray(areas[1][:])
        want[5 : M2 + 5] = areas[0][5 : M2 + 5]
        self.assertEqual(set(rig.transfer(r.WRITE, *ends, 5, M2)), {0})
        self.assertTrue(areas[1][:] == bytes(want), "wrong bytes")
        self.assertEqual(set(rig.transfer(r.READ, *ends, 0, LENGTH)), {0})
        self.assertTrue(areas[0][:] == areas[1][:] == bytes(want), "wrong bytes")
        return mrs

    def test_iova(self) -> None:
        self.assertEqual(self.transfer(page_sizes=M2 | K4)[0].page_shift, 21)

    def test_iova_mixed(self) -> None:
        self.assertTrue(self.transfer(page_sizes=M2 | K4, flags=MIXED)[0].odp.flags & Flags.MIXED)

    def test_iova_by_import(self) -> None:
        """As with a release of pyverbs that takes no iova."""
        with mock.patch.object(hugeodp._mr, "_Base", MR):
            mr = self.transfer(page_sizes=M2 | K4)[0]
        self.assertEqual((mr.length, mr.page_shift), (LENGTH, 21))

    def pinned(self, area: mmap.mmap | memoryview, access: int = RW, **kwargs) -> hugeodp.MR:
        return hugeodp.MR(self.pd, area, access=access, pinned=True, **kwargs)

    def test_pinned(self) -> None:
        area = hugetlb()
        for sizes, shift in ((K4, 12), (K64, 16), (M2, 21), (M2 | K4, 21), (K64 | K4, 16)):
            with self.subTest(sizes=sizes), self.pinned(area, page_sizes=sizes) as mr:
                self.assertEqual((mr.page_shift, mr.pages.entries), (shift, LENGTH >> shift))
                self.assertEqual((mr.pages.kind, mr.pages.source), (Kind.PINNED, Source.KERNEL))
                self.assertEqual((mr.iova, mr.length), (mr.buf, LENGTH))
                self.refused(errno.EINVAL, hugeodp.query, mr)
                self.refused(errno.EINVAL, mr.modify, K4)
        self.refused(errno.ERANGE, self.pinned, area, page_sizes=1 << 30)
        self.refused(errno.EINVAL, self.pinned, area, flags=Flags.POPULATE)
        self.refused(errno.ERANGE, self.pinned, area, page_sizes=M2, iova=K4)
        area.close()

    def test_pinned_max_entries(self) -> None:
        area = hugetlb()
        for sizes, shift in ((K4, 12), (M2 | K4, 21)):
            needed = LENGTH >> shift
            with self.pinned(area, page_sizes=sizes, max_entries=needed) as mr:
                self.assertEqual(mr.pages.entries, needed)
            refusal = self.refused(
                errno.E2BIG, self.pinned, area, page_sizes=sizes, max_entries=needed - 1)
            self.assertEqual(refusal.entries, needed)
        area.close()

    def test_pinned_mixed(self) -> None:
        area = with_a_block_of_base_pages()
        with self.pinned(area, page_sizes=M2 | K4) as mr:
            self.assertEqual((mr.page_shift, mr.pages.entries), (12, LENGTH // K4))
        with self.pinned(area, page_sizes=M2 | K4, flags=Flags.MIXED) as mr:
            self.assertEqual(mr.page_shift, 21)
            self.assertLess(mr.pages.entries, LENGTH // K4 // 2)
            needed = mr.pages.entries
        refusal = self.refused(errno.E2BIG, self.pinned, area, page_sizes=M2 | K4,
                               flags=Flags.MIXED, max_entries=needed - 1)
        self.assertEqual(refusal.entries, needed)
        area.release()

    def test_pinned_memory_window(self) -> None:
        """The provider does not import such an MR, so the driver chooses the pages."""
        area = hugetlb()
        access = RW | Access.MW_BIND
        with self.pinned(area, access, page_sizes=M2 | K4) as mr:
            self.assertGreaterEqual(mr.page_shift, 21)
            self.assertEqual(mr.pages.source, Source.KERNEL)
        self.refused(errno.EOPNOTSUPP, self.pinned, area, access, page_sizes=K4)
        self.refused(errno.ERANGE, self.pinned, area, access, page_sizes=1 << 30)
        self.refused(errno.EOPNOTSUPP, self.pinned, area, access, flags=Flags.MIXED)
        area.close()
        view = with_a_block_of_base_pages()
        refusal = self.refused(errno.E2BIG, self.pinned, view, access, max_entries=LENGTH // K4 - 1)
        self.assertEqual(refusal.entries, LENGTH // K4)
        view.release()

    def test_pinned_iova(self) -> None:
        mr = self.transfer(page_sizes=M2 | K4, pinned=True)[0]
        self.assertEqual(mr.length, LENGTH)

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
