#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests that need no device. usage: test_package.py VERSION"""

from __future__ import annotations

import errno
import gc
import mmap
import pickle
import pydoc
import struct
import sys
import unittest

import hugeodp
from hugeodp import HugeOdpError, MemoryKind, _core

BASE = mmap.PAGESIZE
M2 = 2 << 20


class Package(unittest.TestCase):
    def refused(self, code: int, call, *args, **kwargs) -> HugeOdpError:
        with self.assertRaises(HugeOdpError) as caught:
            call(*args, **kwargs)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[code])
        return caught.exception

    def test_version(self) -> None:
        self.assertEqual(hugeodp.__version__, VERSION)

    def test_help(self) -> None:
        text = pydoc.plain(pydoc.render_doc(hugeodp.MR))
        self.assertIn("page_sizes", text)
        self.assertIn("Register memory with a page size request", text)
        # of pyverbs' constructor
        self.assertNotIn("creator", hugeodp.MR.__init__.__doc__)
        for name in hugeodp.__all__:
            if name != "__version__":
                self.assertTrue(getattr(hugeodp, name).__doc__, name)

    def test_sizes(self) -> None:
        for sizes, mask in (
            ("2M", M2),
            ("2m|base", M2 | BASE),
            ("1G,2M,BASE", 1 << 30 | M2 | BASE),
            ("2097152", M2),
            ("2097152B", M2),
            ("any", 0),
            ("", 0),
            (0, 0),
            (M2 | BASE, M2 | BASE),
            (1 << 47, 1 << 47),
        ):
            self.assertEqual(hugeodp.page_sizes(sizes), mask, sizes)
        for sizes in ("3M", "2M|", "|2M", "2X", "-2M", "2MiB", "2 M", "1K", "0", "512T", "99999999999E",
                      "2M|any", "\u0662M", BASE >> 1, M2 | 1, -1, -M2, 1 << 48, 1 << 50, 1 << 64):
            self.refused(errno.EINVAL, hugeodp.page_sizes, sizes)
        for sizes in (2e6, None, b"2M"):
            self.assertRaises(TypeError, hugeodp.page_sizes, sizes)

    def test_impossible_size(self) -> None:
        """As in libhugeodp: EINVAL, before anything else is checked."""
        for sizes in (1 << 50, 1 << 48, 21, -1 << 31):
            self.refused(errno.EINVAL, hugeodp.modify, None, sizes)
            self.refused(errno.EINVAL, hugeodp.probe, None, b"abc", page_sizes=sizes)

    def test_pickle(self) -> None:
        for code, *more in ((errno.ERANGE,), (errno.ERANGE, "look"), (errno.EINVAL,),
                            (errno.E2BIG, "look", 1 << 40)):
            error = HugeOdpError(code, "register MR", *more)
            copy = pickle.loads(pickle.dumps(error))
            self.assertIs(type(copy), HugeOdpError)
            self.assertEqual((copy.errno, str(copy), copy.args), (code, str(error), error.args))
            entries = more[1] if len(more) > 1 else None
            self.assertEqual((copy.entries, error.entries), (entries, entries))
        self.assertIn(f"{1 << 40} entries needed", str(copy))

    def test_alloc(self) -> None:
        for sizes in (0, "any", "2M|base", BASE):
            for length in (1, BASE, M2, M2 + 1, 32_000_000):
                memory = hugeodp.alloc(length, sizes)
                self.assertEqual(memory.address % memory.page_size, 0)
                self.assertEqual(memory.kind == MemoryKind.BASE, memory.page_size == BASE)
                self.assertIn(f"{length} bytes", repr(memory))
                if hugeodp.page_sizes(sizes):
                    self.assertIn(memory.page_size, (M2, BASE))
                if sizes == BASE or length < M2:
                    self.assertEqual(memory.kind, MemoryKind.BASE)
                held = _core.Buffer(memory, True)
                self.assertEqual((held.length, held.address), (length, memory.address))
                held.release()
                self.assertRaises(ValueError, getattr, held, "address")
                self.assertRaises(ValueError, getattr, held, "length")
                self.assertEqual((len(memory), memory[length - 1]), (length, 0))
                memory[0] = 7
                self.assertEqual(memoryview(memory)[0], 7)
        memory[1:4] = b"abc"
        self.assertEqual((memory[2], memory[-length:4]), (ord("b"), b"\x07abc"))
        for wrong in (length, "a"):
            self.assertRaises((IndexError, TypeError), memory.__getitem__, wrong)
        self.assertRaises(TypeError, pickle.dumps, memory)

    def test_alloc_is_released(self) -> None:
        """With the last view, not before."""
        memory = hugeodp.alloc(2 * M2, "2M|base", dontfork=True)
        address = memory.address
        view, part = memoryview(memory), memory[M2:]
        del memory
        gc.collect()
        view[M2] = 1
        del view
        gc.collect()
        self.assertTrue(self.is_not_forked(address))
        self.assertEqual(part[0], 1)
        del part
        gc.collect()
        self.assertFalse(self.is_not_forked(address))
        # one that fails leaves nothing
        before = self.mappings("dc")
        self.refused(errno.ERANGE, hugeodp.alloc, 1, 1 << 47, dontfork=True)
        self.assertEqual(self.mappings("dc"), before)

    def test_alloc_now_or_later(self) -> None:
        for populate in (False, True):
            memory = hugeodp.alloc(8 * BASE, BASE, populate=populate)
            with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
                pagemap.seek(memory.address // BASE * 8)
                pages = struct.unpack("=8Q", pagemap.read(64))
            self.assertEqual({bool(page >> 63) for page in pages}, {populate})

    def test_alloc_on_a_node(self) -> None:
        try:
            self.assertEqual(hugeodp.alloc(M2, node=0)[M2 - 1], 0)
        except HugeOdpError as e:
            # a container may forbid it
            self.assertEqual(e.errno, errno.EPERM)
        for node in (-1, 1024, 1 << 32, 1 << 64):
            self.refused(errno.EINVAL, hugeodp.alloc, M2, node=node)
        self.assertRaises(TypeError, hugeodp.alloc, M2, node="0")

    def test_alloc_refused(self) -> None:
        for length in (0, -1, 1 << 62, 1 << 64):
            self.refused(errno.EINVAL, hugeodp.alloc, length)
        for sizes in ("3M", M2 | 1, BASE >> 1, 1 << 48):
            self.refused(errno.EINVAL, hugeodp.alloc, 1, sizes)
        self.refused(errno.ENOMEM, hugeodp.alloc, 1 << 61, "base")
        refusal = self.refused(errno.ERANGE, hugeodp.alloc, 1, "128T")
        self.assertIn("allocate 1 bytes, page sizes 0x800000000000", str(refusal))
        self.assertIn("hugeodp check", str(refusal))
        self.assertNotIn("probe()", str(refusal))
        for wrong in (2e6, None, "1"):
            self.assertRaises(TypeError, hugeodp.alloc, wrong)

    def is_not_forked(self, address: int) -> bool:
        return any(start <= address < end for start, end in self.mappings("dc"))

    def mappings(self, flag: str) -> list[tuple[int, int]]:
        found, span = [], (0, 0)
        with open("/proc/self/smaps", encoding="utf-8", errors="replace") as smaps:
            for line in smaps:
                first, *rest = line.split()
                if first == "VmFlags:" and flag in rest:
                    found.append(span)
                elif "-" in first and not first.endswith(":"):
                    start, end = first.split("-")
                    span = int(start, 16), int(end, 16)
        return found

    def test_no_device(self) -> None:
        # ENOSYS without RDMA in the kernel
        no_device = (errno.ENODEV, errno.ENOSYS)
        self.assertIn(_core.query_device(b"nowhere")[0], no_device)
        self.assertIn(_core.probe(b"nowhere", BASE, BASE, 0)[0], no_device)
        self.assertEqual(_core.query_mr(-1, 0)[0], errno.EBADF)
        with open("/dev/null", encoding="ascii") as other:
            self.assertEqual(_core.query_mr(other.fileno(), 0)[0], errno.EINVAL)
            self.assertEqual(_core.modify_mr(other.fileno(), 0, BASE, 0), errno.EINVAL)
            for fd, code in ((-1, errno.EBADF), (other.fileno(), errno.EINVAL)):
                self.assertEqual(
                    _core.prefetch_mr(fd, 0, 0, BASE, BASE, False, False, print), (code, 0))

    def test_types(self) -> None:
        self.assertRaises(TypeError, hugeodp.MR, None, b"abc")
        self.assertRaises(TypeError, hugeodp.query_device, "rxe0")
        self.assertRaises(TypeError, hugeodp.query, None)
        self.assertRaises(TypeError, hugeodp.prefetch, None)
        self.assertRaises(TypeError, hugeodp.prefetch, None, progress=17)


if __name__ == "__main__":
    VERSION = sys.argv.pop(1)
    unittest.main()
