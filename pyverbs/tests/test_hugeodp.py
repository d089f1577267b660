#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests of the package on a kernel with the series; every byte is compared."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import io
import mmap
import os
import random
import signal
import sys
import threading
import types
import unittest
from unittest import mock

import hugeodp
import rig as r
from hugeodp import Access, Flags, HugeOdpError, Kind, MemoryKind, Reason, Source
from pyverbs.device import Context
from pyverbs.mr import MR, MW
from pyverbs.pd import PD

K4, K64, M2 = 4 << 10, 64 << 10, 2 << 20
LENGTH = 8 * M2
MAP_HUGETLB = 0x40000
MAP_NORESERVE = 0x4000
# more than 4 GiB, and not more than is done between two calls of a progress function
SPACE, PIECE = 5 << 30, 256 << 20
RW = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ
ODP = RW | Access.ON_DEMAND
REMOTE_ACCESS_ERROR = 10
NO_IOVA = "this release of pyverbs does not register an MR with an iova"

needs_iova = unittest.skipIf(hugeodp._mr._Base is MR, NO_IOVA)


def memory(kind: str, length: int = LENGTH) -> mmap.mmap:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if kind == "hugetlb":
        flags |= MAP_HUGETLB
    area = mmap.mmap(-1, length, flags=flags)
    if kind == "small":
        area.madvise(mmap.MADV_NOHUGEPAGE)
    return area


def pattern(seed: int, length: int = LENGTH) -> bytes:
    return random.Random(seed).randbytes(length)


def by_iova(mr: hugeodp.MR) -> types.SimpleNamespace:
    """What a transfer needs of an MR, with its address as work requests use it."""
    return types.SimpleNamespace(buf=mr.iova, lkey=mr.lkey, rkey=mr.rkey)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.rig = r.Rig()
        self.addCleanup(self.rig.close)

    def refused(self, code: int, call, *args, **kwargs) -> HugeOdpError:
        with self.assertRaises(HugeOdpError) as caught:
            call(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code])
        return caught.exception

    def mr(self, *args, **kwargs) -> hugeodp.MR:
        return self.rig.enter_context(hugeodp.MR(self.rig.pd, *args, **kwargs))


class Data(Case):
    """Transfers change the requested bytes and no others."""

    def pair(self, kind: str, sizes: int, shift: int, flags: int = 0) -> None:
        areas = memory(kind), memory(kind)
        local = self.mr(areas[0], access=RW, page_sizes=sizes, flags=flags)
        remote = self.mr(areas[1], access=RW, page_sizes=sizes, flags=flags)
        self.assertEqual((local.page_shift, remote.page_shift), (shift, shift))
        want = [bytearray(pattern(1)), bytearray(pattern(2))]
        for area, data in zip(areas, want):
            area[:] = bytes(data)
        rng = random.Random(kind + str(sizes))
        before = remote.odp
        for turn in range(8):
            start = rng.randrange(LENGTH - 1)
            length = rng.randint(1, LENGTH - start)
            opcode, source = (r.WRITE, 0) if turn % 2 else (r.READ, 1)
            statuses = self.rig.transfer(opcode, local, remote, start, length)
            self.assertEqual(set(statuses), {0})
            want[1 - source][start : start + length] = want[source][start : start + length]
            for area, data in zip(areas, want):
                self.assertTrue(area[:] == bytes(data), f"turn {turn}: wrong bytes")
            areas[source][:] = want[source][:] = pattern(turn + 3)
        after = remote.odp
        self.assertEqual(after.source, Source.KERNEL)
        self.assertEqual(after.page_size, 1 << shift)
        if flags & Flags.POPULATE:
            self.assertEqual(before.blocks_mapped, LENGTH >> shift)
        else:
            self.assertGreater(after.faults, before.faults)
        self.assertLessEqual(after.blocks_mapped, LENGTH >> shift)
        self.assertGreater(after.blocks_mapped, 0)
        self.assertEqual(after.blocks, {1 << shift: after.blocks_mapped})

    def test_strict_hugetlb(self) -> None:
        self.pair("hugetlb", M2, 21)

    def test_negotiated_hugetlb(self) -> None:
        self.pair("hugetlb", M2 | K4, 21)

    def test_negotiated_small(self) -> None:
        self.pair("small", M2 | K4, 12)

    def test_64k(self) -> None:
        self.pair("hugetlb", K64, 16)

    def test_any_size_populated(self) -> None:
        self.pair("hugetlb", 0, 21, Flags.POPULATE)

    def test_live_change(self) -> None:
        areas = memory("hugetlb"), memory("hugetlb")
        local = self.mr(areas[0], access=RW, page_sizes=M2)
        remote = self.mr(areas[1], access=RW, page_sizes=M2 | K4)
        for turn, (sizes, shift) in enumerate(((K4, 12), (M2, 21), (K64, 16), (0, 21))):
            areas[0][:] = pattern(turn)
            self.assertEqual(remote.modify(sizes).page_shift, shift)
            self.assertEqual(set(self.rig.transfer(r.WRITE, local, remote, 0, LENGTH)), {0})
            self.assertTrue(areas[0][:] == areas[1][:], f"wrong bytes at shift {shift}")
        self.assertEqual((remote.odp.renegotiations, remote.odp.renegotiations_down), (4, 2))

    def iova(self, **kwargs) -> None:
        """Transfer between MRs with iovas; the page sizes are those modulo which they agree."""
        for iova, sizes, shift in ((0, M2 | K4, 21), (1 << 40, M2 | K4, 21), (M2 + K64, 0, 16),
                                   (1 << 63 | 3 * K4, M2 | K4, 12)):
            with self.subTest(iova=iova):
                areas = memory("hugetlb"), memory("hugetlb")
                local, remote = (
                    self.mr(area, access=RW, page_sizes=size, iova=at, **kwargs)
                    for area, size, at in ((areas[0], sizes, iova), (areas[1], 0, iova ^ 1 << 50)))
                self.assertEqual((local.iova, remote.iova), (iova, iova ^ 1 << 50))
                self.assertNotEqual(local.buf, iova)
                if not kwargs:
                    self.assertEqual(local.page_shift, shift)
                want = [bytearray(pattern(1)), bytearray(pattern(2))]
                for area, data in zip(areas, want):
                    area[:] = bytes(data)
                for opcode, source, start, length in (
                        (r.WRITE, 0, 1, M2 + 7), (r.READ, 1, LENGTH - M2 - 3, M2 + 3),
                        (r.WRITE, 0, 0, LENGTH)):
                    statuses = self.rig.transfer(
                        opcode, by_iova(local), by_iova(remote), start, length)
                    self.assertEqual(set(statuses), {0})
                    want[1 - source][start : start + length] = want[source][start : start + length]
                    for area, data in zip(areas, want):
                        self.assertTrue(area[:] == bytes(data), "wrong bytes")

    @needs_iova
    def test_iova(self) -> None:
        self.iova()

    @needs_iova
    def test_iova_pinned(self) -> None:
        self.iova(pinned=True)

    def test_watch(self) -> None:
        areas = memory("hugetlb"), memory("thp")
        local = self.mr(areas[0], access=RW, page_sizes=M2)
        remote = self.mr(areas[1], access=RW, page_sizes=M2 | K4)
        event_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.addCleanup(os.close, event_fd)
        hugeodp.watch(remote, event_fd)
        remote.modify(K4)
        self.assertEqual(os.eventfd_read(event_fd), 1)
        remote.modify(M2 | K4)
        self.assertRaises(BlockingIOError, os.eventfd_read, event_fd)
        hugeodp.watch(remote, None)
        remote.modify(K4)
        self.assertRaises(BlockingIOError, os.eventfd_read, event_fd)
        self.assertEqual(remote.odp.faults_refused, 0)
        self.assertEqual(set(self.rig.transfer(r.WRITE, local, remote, 0, LENGTH)), {0})
        with open(os.devnull) as other:
            for wrong, error in ((other, errno.EINVAL), (-1, errno.EBADF), (1 << 31, errno.EBADF)):
                with self.assertRaises(hugeodp.HugeOdpError) as raised:
                    hugeodp.watch(remote, wrong)
                self.assertEqual(raised.exception.errno, error)

    def test_mixed(self) -> None:
        """A mixed MR uses huge blocks for the half of the memory that allows them."""
        areas = [memory("hugetlb"), memory("thp", 2 * LENGTH)]
        address = ctypes.addressof(ctypes.c_char.from_buffer(areas[1]))
        start = -address % M2
        # with MADV_HUGEPAGE, for which the kernel may compact memory
        areas[1].madvise(mmap.MADV_HUGEPAGE, start, LENGTH // 2)
        areas[1].madvise(mmap.MADV_NOHUGEPAGE, start + LENGTH // 2, LENGTH // 2)
        areas[1] = memoryview(areas[1])[start : start + LENGTH]
        # pages faulted in address order may also be contiguous in physical memory
        for odd in (0, K4):
            for at in range(LENGTH // 2 + odd, LENGTH, 2 * K4):
                areas[1][at] = 1
        local = self.mr(areas[0], access=RW, page_sizes=M2)
        remote = self.mr(areas[1], access=RW, page_sizes=M2 | K4, flags=Flags.MIXED)
        areas[0][:] = pattern(1)
        self.assertEqual(set(self.rig.transfer(r.WRITE, local, remote, 0, LENGTH)), {0})
        self.assertTrue(areas[1] == areas[0][:], "wrong bytes")
        self.assertEqual(remote.odp.flags, Flags.MIXED)
        self.assertEqual(remote.odp.blocks, {M2: LENGTH // 2 // M2, K4: LENGTH // 2 // K4})

    def test_strict_broken(self) -> None:
        """An access to a block that is not huge any more fails, and the counters report it."""
        area = memory("thp")
        start = -ctypes.addressof(ctypes.c_char.from_buffer(area)) % M2
        view = memoryview(area)[start : start + LENGTH - M2]
        local = self.mr(memory("small"), access=RW, page_sizes=K4)
        remote = self.mr(view, access=RW, page_sizes=M2)
        area.madvise(mmap.MADV_NOHUGEPAGE)
        area.madvise(mmap.MADV_DONTNEED)
        statuses = self.rig.transfer(r.WRITE, local, remote, 0, K4)
        self.assertEqual(statuses, [REMOTE_ACCESS_ERROR])
        self.assertEqual(remote.odp.blocks_mapped, 0)


class Objects(Case):
    """MRs that were registered by pyverbs alone."""

    def test_plain_odp(self) -> None:
        with MR(self.rig.pd, M2, ODP) as mr:
            state = hugeodp.query(mr)
            self.assertEqual((state.page_shift, state.page_sizes), (12, K4))
            self.assertEqual(hugeodp.page_shift(mr), 12)
            self.assertEqual(hugeodp.modify(mr, K64 | K4).page_sizes, K64 | K4)

    def test_user_address(self) -> None:
        area = memory("hugetlb")
        address = ctypes.addressof(ctypes.c_char.from_buffer(area))
        with MR(self.rig.pd, LENGTH, ODP, address=address) as mr:
            self.assertEqual(hugeodp.modify(mr, M2).page_shift, 21)
        mr = self.mr(address=address, length=LENGTH, access=RW, page_sizes=M2)
        self.assertEqual((mr.buf, mr.length, mr.page_shift), (address, LENGTH, 21))

    def test_own_memory(self) -> None:
        mr = self.mr(length=K64, access=RW, page_sizes=K4)
        mr.write(b"abc", 3)
        self.assertEqual(mr.read(3, 0), b"abc")

    @needs_iova
    def test_iova(self) -> None:
        """The memory is that of the caller, or else of the MR; a prefetch uses the iova."""
        self.assertEqual(self.mr(length=K64, access=RW).iova % K4, 0)
        mr = self.mr(length=LENGTH, access=RW, page_sizes="2M|base", iova=0)
        self.assertEqual((mr.iova, mr.length, mr.page_shift), (0, LENGTH, 21))
        self.assertEqual(hugeodp.prefetch(mr, write=True), LENGTH)
        self.assertEqual(mr.odp.blocks, {M2: LENGTH // M2})
        self.assertEqual(hugeodp.prefetch(mr, address=LENGTH - K4), K4)
        mr.write(b"abc", 3, LENGTH - 3)
        self.assertEqual(ctypes.string_at(mr.buf + LENGTH - 3, 3), b"abc")
        mr.close()
        self.refused(errno.EINVAL, hugeodp.query, mr)

    def test_many(self) -> None:
        """Each Python object has the state of its own MR."""
        shifts = {12: K4, 16: K64, 21: M2}
        mrs = [
            (self.mr(memory("hugetlb", M2), access=RW, page_sizes=size), shift)
            for _ in range(4)
            for shift, size in shifts.items()
        ]
        self.assertEqual([mr.page_shift for mr, _ in mrs], [shift for _, shift in mrs])

    def test_two_contexts(self) -> None:
        with Context(name=r.DEVICE) as ctx, PD(ctx) as pd:
            with hugeodp.MR(pd, memory("hugetlb"), access=RW, page_sizes=M2) as mr:
                other = self.mr(memory("hugetlb"), access=RW, page_sizes=K4)
                self.assertEqual((mr.page_shift, other.page_shift), (21, 12))

    def test_implicit(self) -> None:
        mr = self.mr(implicit=True, access=RW, page_sizes=M2 | K4)
        self.assertEqual((mr.odp.source, mr.odp.page_sizes), (Source.KERNEL, M2 | K4))
        area, target = memory("hugetlb"), hugeodp.alloc(LENGTH)
        address = ctypes.addressof(ctypes.c_char.from_buffer(area))
        local = types.SimpleNamespace(buf=address, lkey=mr.lkey)
        remote = self.mr(target, access=RW, page_sizes="2M|base")
        area[:] = pattern(1)
        self.assertEqual(set(self.rig.transfer(r.WRITE, local, remote, 0, LENGTH)), {0})
        self.assertTrue(target[:] == area[:], "wrong bytes")
        self.assertGreater(mr.odp.faults, 0)

    def test_alloc(self) -> None:
        """Memory of any length has huge pages."""
        for length in (M2, 32_000_000):
            area = hugeodp.alloc(length)
            self.assertEqual(area.page_size, M2)
            self.assertIn(area.kind, (MemoryKind.THP, MemoryKind.HUGETLB))
            report = hugeodp.probe(self.rig.ctx, area, page_sizes="2M|base")
            self.assertEqual((report.page_shift, report.reason), (21, Reason.NONE))
            mr = self.mr(area, access=RW, page_sizes="2M|base")
            self.assertEqual((mr.page_shift, mr.length), (21, length))
            self.assertEqual(mr.buf, area.address)

    def test_alloc_base(self) -> None:
        """Only the accepted sizes, from an existing node."""
        area = hugeodp.alloc(LENGTH, "base", populate=True, node=0)
        self.assertEqual((area.kind, area.page_size), (MemoryKind.BASE, K4))
        self.refused(errno.EINVAL, hugeodp.alloc, LENGTH, node=1023)

    def test_device(self) -> None:
        caps = hugeodp.query_device(self.rig.ctx)
        self.assertEqual(caps.source, Source.KERNEL)
        self.assertEqual(caps.page_sizes & (M2 | K4), M2 | K4)
        self.assertEqual(hugeodp.query_device(self.rig.pd), caps)

    def test_example(self) -> None:
        """The example in the package's documentation works."""
        self.assertIsNotNone(hugeodp.__doc__)
        code = [line[4:] for line in hugeodp.__doc__.splitlines() if line.startswith("    ")]
        text = "\n".join(code).replace("rxe0", r.DEVICE)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, "example", "exec"), {})
        self.assertTrue(printed.getvalue().startswith("21 State("), printed.getvalue())

    def test_access_values(self) -> None:
        try:
            enums = importlib.import_module("pyverbs.libibverbs_enums")
        except ModuleNotFoundError:
            enums = importlib.import_module("pyverbs.enums")
        for flag in Access:
            self.assertEqual(getattr(enums.ibv_access_flags, "IBV_ACCESS_" + flag.name), flag)


class Pinned(Case):
    """Requests for pinned MRs, which have base pages on rxe."""

    ENTRIES = LENGTH // K4

    def setUp(self) -> None:
        super().setUp()
        self.area = memory("hugetlb")
        self.before = self.pinned_kib()

    def pinned_kib(self) -> int:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmPin:"))

    def refused(self, code: int, *args, **kwargs) -> HugeOdpError:
        """Also, nothing stays registered."""
        refusal = super().refused(code, *args, **kwargs)
        self.assertEqual(self.pinned_kib(), self.before)
        return refusal

    def pinned(self, **kwargs) -> hugeodp.MR:
        return hugeodp.MR(self.rig.pd, self.area, access=RW, pinned=True, **kwargs)

    def test_sizes(self) -> None:
        for sizes in (K4, M2 | K4, 1 << 40 | K4, 0):
            for flags in (0, Flags.MIXED):
                with self.subTest(sizes=sizes, flags=flags):
                    with self.pinned(page_sizes=sizes, flags=flags) as mr:
                        self.assertEqual(self.pinned_kib() - self.before, LENGTH >> 10)
                        self.assertEqual((mr.pages.kind, mr.pages.source),
                                         (Kind.PINNED, Source.KERNEL))
                        self.assertEqual((mr.page_shift, mr.pages.entries), (12, self.ENTRIES))
        for sizes in (M2, M2 | K64):
            refusal = self.refused(errno.ERANGE, self.pinned, page_sizes=sizes)
            self.assertIn("hugeodp explain --pinned", str(refusal))
            self.assertIsNone(refusal.entries)
        self.area.close()

    def test_max_entries(self) -> None:
        for most in (self.ENTRIES, (1 << 64) - 1):
            with self.pinned(max_entries=most) as mr:
                self.assertEqual(mr.pages.entries, self.ENTRIES)
        for most in (1, self.ENTRIES - 1):
            refusal = self.refused(
                errno.E2BIG, self.pinned, page_sizes=M2 | K4, max_entries=most)
            self.assertEqual(refusal.entries, self.ENTRIES)
            self.assertIn(f"{self.ENTRIES} entries needed", str(refusal))
        self.area.close()

    def test_transfer(self) -> None:
        """With each end pinned, and on demand."""
        other = memory("small")
        with self.pinned() as pinned:
            for remote in (self.mr(other, access=RW, pinned=True), self.mr(other, access=RW)):
                self.area[:] = pattern(remote.lkey)
                statuses = self.rig.transfer(r.WRITE, pinned, remote, 0, LENGTH)
                self.assertEqual(set(statuses), {0})
                self.assertTrue(other[:] == self.area[:], "wrong bytes")
                other[:] = pattern(remote.rkey + 1)
                statuses = self.rig.transfer(r.READ, pinned, remote, 0, LENGTH)
                self.assertEqual(set(statuses), {0})
                self.assertTrue(other[:] == self.area[:], "wrong bytes")

    @needs_iova
    def test_own_memory(self) -> None:
        mr = self.mr(length=LENGTH, access=RW, pinned=True, iova=1 << 40)
        mr.write(b"abc", 3, LENGTH - 3)
        self.assertEqual(ctypes.string_at(mr.buf + LENGTH - 3, 3), b"abc")

    def test_not_on_demand(self) -> None:
        with self.pinned() as mr:
            with self.assertRaises(HugeOdpError) as caught:
                mr.odp
            self.assertEqual(caught.exception.errno, errno.EINVAL)
            for call in (lambda: mr.modify(K4), lambda: hugeodp.prefetch(mr),
                         lambda: hugeodp.watch(mr, None)):
                super().refused(errno.EINVAL, call)
            self.assertEqual(mr.page_shift, 12)
        self.refused(errno.EINVAL, hugeodp.query_pages, mr)

    def test_arguments(self) -> None:
        pd = self.rig.pd
        for code, wrong in (
            (errno.EINVAL, {"flags": Flags.POPULATE}),
            (errno.EINVAL, {"flags": Flags.MIXED | Flags.POPULATE}),
            (errno.EINVAL, {"flags": 1 << 7}),
            (errno.EINVAL, {"access": RW | Access.HUGETLB}),
            (errno.EINVAL, {"access": 1 << 31}),
            (errno.EINVAL, {"access": -1}),
            (errno.EINVAL, {"iova": 1 << 64}),
            (errno.EINVAL, {"max_entries": -1}),
            (errno.EINVAL, {"max_entries": 1 << 64}),
            (errno.EINVAL, {"max_entries": 1, "pinned": False}),
            (errno.EINVAL, {"page_sizes": 1 << 50}),
            (errno.EINVAL, {"iova": 1}),
            (errno.EOPNOTSUPP, {"access": RW | Access.MW_BIND, "flags": Flags.MIXED}),
        ):
            with self.subTest(wrong):
                self.refused(
                    code, hugeodp.MR, pd, self.area, **{"access": RW, "pinned": True, **wrong})
        self.refused(errno.EINVAL, hugeodp.MR, pd, implicit=True, access=RW, pinned=True)
        self.refused(
            errno.EFAULT, hugeodp.MR, pd, address=1 << 46, length=K4, access=RW, pinned=True)
        self.assertRaises(TypeError, hugeodp.MR, pd, self.area, access=ODP, pinned=True)
        self.assertRaises(TypeError, self.pinned, max_entries="1")
        self.area.close()


class Probe(Case):
    """probe() reports the page size that a registration gets."""

    def test_agrees(self) -> None:
        for kind, sizes in (("hugetlb", M2 | K4), ("small", M2 | K4), ("hugetlb", K64)):
            with self.subTest(kind=kind, sizes=sizes):
                area = memory(kind)
                report = hugeodp.probe(self.rig.ctx, area, page_sizes=sizes)
                mr = self.mr(area, access=RW, page_sizes=sizes)
                self.assertEqual(report.page_shift, mr.page_shift)
                self.assertEqual(report.source, Source.LIBRARY)

    def test_reason(self) -> None:
        area = memory("small")
        report = hugeodp.probe(self.rig.pd, area, page_sizes=M2)
        self.assertEqual((report.page_sizes, report.page_shift, report.blocked_shift), (0, 0, 21))
        self.assertNotEqual(report.reason, Reason.NONE)
        self.assertTrue(report.text and report.hint)
        address = ctypes.addressof(ctypes.c_char.from_buffer(area))
        self.assertTrue(address <= report.address < address + LENGTH)
        self.refused(errno.ERANGE, hugeodp.MR, self.rig.pd, area, access=RW, page_sizes=M2)

    def test_arguments(self) -> None:
        self.refused(errno.EINVAL, hugeodp.probe, self.rig.ctx)
        self.refused(errno.EINVAL, hugeodp.probe, self.rig.ctx, address=K4, length=-1)
        self.refused(errno.EINVAL, hugeodp.probe, self.rig.ctx, address=-K4, length=K4)
        self.assertRaises(TypeError, hugeodp.probe, self.rig.ctx, b"abc", length=1)


class Prefetch(Case):
    """Ranges of any length; the counters report what is mapped."""

    def space(self, length: int) -> tuple[mmap.mmap, hugeodp.MR]:
        """Address space of which nothing is in memory, and an MR over it."""
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
        area = mmap.mmap(-1, length, flags=flags)
        area.madvise(mmap.MADV_NOHUGEPAGE)
        return area, self.mr(area, access=RW, page_sizes="base")

    def test_write(self) -> None:
        mr = self.mr(memory("hugetlb"), access=RW, page_sizes="2M|base")
        self.assertEqual(mr.odp.blocks_mapped, 0)
        self.assertEqual(hugeodp.prefetch(mr, address=mr.buf + M2, length=1, write=True), 1)
        self.assertEqual(mr.odp.blocks, {M2: 1})
        seen: list[int] = []
        self.assertEqual(hugeodp.prefetch(mr, write=True, progress=seen.append), LENGTH)
        self.assertEqual(seen[-1], LENGTH)
        self.assertEqual(mr.odp.blocks, {M2: LENGTH // M2})
        faults = mr.odp.faults
        mr.write(pattern(1), LENGTH)
        remote = self.mr(hugeodp.alloc(LENGTH), access=RW)
        # from the end of the MR
        start = remote.buf + LENGTH - K4
        self.assertEqual(hugeodp.prefetch(remote, address=start, write=True), K4)
        self.assertEqual(set(self.rig.transfer(r.WRITE, mr, remote, 0, LENGTH)), {0})
        self.assertTrue(remote.read(LENGTH, 0) == pattern(1), "wrong bytes")
        self.assertEqual(mr.odp.faults, faults)

    def test_read(self) -> None:
        """Memory that was written is mapped by a prefetch without write, too."""
        area = memory("small")
        mr = self.mr(area, access=RW, page_sizes="base")
        area[:] = pattern(1)
        self.assertEqual(hugeodp.prefetch(mr), LENGTH)
        self.assertEqual(mr.odp.blocks_mapped, LENGTH // K4)

    def test_more_than_4_gib(self) -> None:
        area, mr = self.space(SPACE)
        for at in range(0, SPACE, PIECE):
            area[at] = 1
        seen: list[int] = []
        self.assertEqual(hugeodp.prefetch(mr, no_fault=True, progress=seen.append), SPACE)
        self.assertEqual((seen, seen[-1]), (sorted(set(seen)), SPACE))
        steps = [after - before for before, after in zip([0, *seen], seen)]
        self.assertLessEqual(max(steps), PIECE)
        # the pages in memory, and no other ones
        self.assertEqual((mr.odp.blocks_mapped, mr.odp.faults), (SPACE // PIECE, 0))

    def test_ended(self) -> None:
        area, mr = self.space(SPACE)
        area[SPACE - 1] = 1
        done = hugeodp.prefetch(mr, no_fault=True, progress=lambda done: done > 2 * PIECE)
        self.assertTrue(2 * PIECE < done <= 3 * PIECE, done)
        self.assertEqual(mr.odp.blocks_mapped, 0)
        # in the last piece, too
        self.assertEqual(hugeodp.prefetch(mr, no_fault=True, progress=lambda done: True,
                                          address=mr.buf + SPACE - K4), K4)
        self.assertEqual(mr.odp.blocks_mapped, 1)

    def test_exception(self) -> None:
        area, mr = self.space(SPACE)
        area[SPACE - 1] = 1
        seen: list[int] = []

        def progress(done: int) -> None:
            seen.append(done)
            raise KeyError("of the caller")

        for address in (mr.buf, mr.buf + SPACE - K4):
            self.assertEqual(mr.odp.blocks_mapped, 0)
            with self.assertRaisesRegex(KeyError, "of the caller"):
                hugeodp.prefetch(mr, address=address, no_fault=True, progress=progress)
        self.assertEqual(len(seen), 2)
        self.assertEqual(mr.odp.blocks_mapped, 1)

    def test_interrupt(self) -> None:
        """Another thread runs during the call, and sends a signal that ends it."""
        length = 50 * SPACE
        area, mr = self.space(length)
        area[length - 1] = 1
        ready = threading.Event()

        def interrupt() -> None:
            ready.wait()
            os.kill(os.getpid(), signal.SIGINT)

        self.addCleanup(signal.signal, signal.SIGINT,
                        signal.signal(signal.SIGINT, signal.default_int_handler))
        # the thread gets the interpreter only when the call gives it away
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        thread = threading.Thread(target=interrupt)
        thread.start()
        self.addCleanup(thread.join)
        sys.setswitchinterval(1000)
        with self.assertRaises(KeyboardInterrupt):
            ready.set()
            hugeodp.prefetch(mr, no_fault=True)
        self.assertEqual(mr.odp.blocks_mapped, 0)
        self.assertEqual(
            hugeodp.prefetch(mr, address=mr.buf + length - K4, no_fault=True), K4)
        self.assertEqual(mr.odp.blocks_mapped, 1)

    def test_implicit(self) -> None:
        mr = self.mr(implicit=True, access=RW, page_sizes="2M|base")
        area = hugeodp.alloc(LENGTH)
        # all addresses, of which the first have no memory
        self.refused(errno.EFAULT, hugeodp.prefetch, mr)
        self.assertEqual(
            hugeodp.prefetch(mr, address=area.address, length=LENGTH, write=True), LENGTH)
        self.assertGreater(mr.odp.blocks_mapped, 0)

    def test_arguments(self) -> None:
        area = memory("small")
        mr = self.mr(area, access=RW)
        for wrong in (
            {"length": 0},
            {"length": -1},
            {"length": 1 << 64},
            {"address": -1},
            {"address": 1 << 64},
            {"address": mr.buf + LENGTH},
            {"address": K4, "length": (1 << 64) - K4 + 1},
        ):
            with self.subTest(wrong):
                self.refused(errno.EINVAL, hugeodp.prefetch, mr, **wrong)
        # the errno is the driver's
        self.assertRaises(HugeOdpError, hugeodp.prefetch, mr, length=LENGTH + 1)
        self.assertRaises(TypeError, hugeodp.prefetch, mr, length=1.5)
        self.assertRaises(TypeError, hugeodp.prefetch, mr, progress=1)
        self.assertRaises(TypeError, hugeodp.prefetch, mr, write=True, no_fault=True)
        self.assertRaises(TypeError, hugeodp.prefetch, self.rig.pd)
        with MR(self.rig.pd, K4, RW) as pinned:
            self.refused(errno.EINVAL, hugeodp.prefetch, pinned)
        mr.close()
        self.refused(errno.EINVAL, hugeodp.prefetch, mr)


class Life(Case):
    """Ownership and lifetime of objects."""

    def test_with_keeps_the_buffer(self) -> None:
        area = memory("thp")
        with hugeodp.MR(self.rig.pd, area, access=RW, page_sizes=K4):
            self.assertRaises(BufferError, area.close)
        area.close()

    def test_with_keeps_allocated_memory(self) -> None:
        area = hugeodp.alloc(LENGTH, "2M")
        address = area.address
        with hugeodp.MR(self.rig.pd, area, access=RW, page_sizes=M2) as mr:
            del area
            gc.collect()
            # another mapping would take its place
            others = [memory("small") for _ in range(4)]
            mr.write(b"abc", 3, LENGTH - 3)
            self.assertEqual(ctypes.string_at(address + LENGTH - 3, 3), b"abc")
            self.assertTrue(all(other[-3:] == bytes(3) for other in others))
            self.assertEqual(mr.page_shift, 21)

    def test_closed_with_its_pd(self) -> None:
        area = memory("thp")
        pd = PD(self.rig.ctx)
        mr = hugeodp.MR(pd, area, access=RW, page_sizes=K4)
        pd.close()
        self.refused(errno.EINVAL, hugeodp.query, mr)
        area.close()
        mr.close()

    def test_collected(self) -> None:
        area = memory("thp")
        hugeodp.MR(self.rig.pd, area, access=RW, page_sizes=K4)
        gc.collect()
        area.close()

    def test_closed_twice(self) -> None:
        mr = hugeodp.MR(self.rig.pd, memory("thp"), access=RW)
        mr.close()
        mr.close()
        self.refused(errno.EINVAL, hugeodp.query, mr)
        self.refused(errno.EINVAL, hugeodp.modify, mr, K4)

    def test_closed_context(self) -> None:
        with Context(name=r.DEVICE) as ctx:
            caps = hugeodp.query_device(ctx)
            pd = PD(ctx)
            mr = hugeodp.MR(pd, memory("thp"), access=RW, page_sizes=K4)
        # the name of the device is sufficient
        self.assertEqual(hugeodp.query_device(ctx), caps)
        for closed in (pd, mr):
            self.assertIn("closed", str(self.refused(errno.EINVAL, hugeodp.query_device, closed)))
        self.assertIn("closed", str(self.refused(errno.EINVAL, hugeodp.query, mr)))

    def test_memory_window(self) -> None:
        with self.assertRaises(TypeError):
            hugeodp.query(MW(self.rig.pd, 1))


class Refusals(Case):
    """Each errno; a failed call leaves nothing registered."""

    def test_nothing_fits(self) -> None:
        area = memory("small")
        refusal = self.refused(
            errno.ERANGE, hugeodp.MR, self.rig.pd, area, access=RW, page_sizes=M2)
        self.assertIn("register MR, page sizes 0x200000", str(refusal))
        self.assertIn("probe()", str(refusal))
        area.close()

    def test_modify_nothing_fits(self) -> None:
        mr = self.mr(memory("small"), access=RW, page_sizes=M2 | K4)
        before = mr.odp
        self.refused(errno.ERANGE, mr.modify, M2)
        self.assertEqual(mr.odp, before)

    def test_pinned(self) -> None:
        with MR(self.rig.pd, K4, RW) as mr:
            self.refused(errno.EINVAL, hugeodp.query, mr)
            pages = hugeodp.query_pages(mr)
            self.assertEqual((pages.kind, pages.source), (Kind.PINNED, Source.KERNEL))
            self.assertEqual(pages.page_shift, hugeodp.page_shift(mr))
            self.assertTrue(0 < pages.entries <= pages.base_pages, pages)
            self.refused(errno.EINVAL, hugeodp.modify, mr, K4)

    def test_arguments(self) -> None:
        pd, area = self.rig.pd, memory("thp")
        for code, wrong in (
            (errno.EINVAL, {"flags": 1 << 7}),
            (errno.EINVAL, {"flags": -1}),
            (errno.EINVAL, {"page_sizes": -1}),
            (errno.EINVAL, {"page_sizes": 1 << 64}),
            (errno.EINVAL, {"access": RW | Access.HUGETLB}),
            (errno.EINVAL, {"page_sizes": 1 << 50}),
            (errno.EINVAL, {"page_sizes": "3M"}),
            (errno.EOPNOTSUPP, {"page_sizes": 1 << 40}),
        ):
            with self.subTest(wrong):
                self.refused(code, hugeodp.MR, pd, area, **{"access": RW, **wrong})
        self.refused(errno.EINVAL, hugeodp.MR, pd, access=RW)
        self.refused(errno.EINVAL, hugeodp.MR, pd, length=-K4, access=RW)
        self.refused(errno.EINVAL, hugeodp.MR, pd, length=1 << 64, access=RW)
        self.refused(errno.EINVAL, hugeodp.MR, pd, address=-1, length=K4, access=RW)
        self.assertRaises(TypeError, hugeodp.MR, pd, area, length=K4, access=RW)
        self.assertRaises(TypeError, hugeodp.MR, pd, 17, access=RW)
        self.assertRaises(TypeError, hugeodp.MR, self.rig.ctx, area, access=RW)
        self.assertRaises(TypeError, hugeodp.MR, None, area, access=RW)
        self.assertRaises(TypeError, hugeodp.MR, pd, area, access=RW, implicit=True)
        self.assertRaises(TypeError, hugeodp.MR, pd, address=K4, access=RW, implicit=True)
        self.assertRaises(TypeError, hugeodp.MR, pd, area, access=RW, page_sizes=2e6)
        self.assertRaises(TypeError, hugeodp.query_device, "rxe0")
        self.assertRaises(TypeError, hugeodp.probe, None, area)
        self.assertRaises(TypeError, hugeodp.query, pd)
        area.close()

    def test_iova(self) -> None:
        area = memory("hugetlb")
        for wrong in (-1, 1, K4 + 8, 1 << 64, (1 << 64) - LENGTH + K4):
            with self.subTest(wrong):
                self.refused(
                    errno.EINVAL, hugeodp.MR, self.rig.pd, area, access=RW, iova=wrong)
        self.refused(errno.EINVAL, hugeodp.MR, self.rig.pd, implicit=True, access=RW, iova=0)
        self.assertRaises(TypeError, hugeodp.MR, self.rig.pd, area, access=RW, iova=1.5)
        # as with a release of pyverbs that takes no iova, and a device that imports no MRs
        with mock.patch.object(hugeodp._mr, "_Base", MR):
            refusal = self.refused(
                errno.EOPNOTSUPP, hugeodp.MR, self.rig.pd, area, access=RW, iova=0)
        self.assertIn("pyverbs", str(refusal))
        area.close()

    @needs_iova
    def test_iova_size(self) -> None:
        """The iova and the address differ modulo the only page size."""
        area = memory("hugetlb")
        self.refused(
            errno.ERANGE, hugeodp.MR, self.rig.pd, area, access=RW, page_sizes=M2, iova=K64)
        area.close()

    def test_read_only_buffer(self) -> None:
        with self.assertRaises((BufferError, TypeError)):
            hugeodp.MR(self.rig.pd, b"constant", access=RW)

    def test_unmapped(self) -> None:
        self.refused(errno.EFAULT, hugeodp.MR, self.rig.pd, address=1 << 46, length=K4, access=RW,
                     page_sizes=K4, flags=Flags.POPULATE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
