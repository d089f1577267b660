#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Maps memory of several kinds at fixed addresses, and files with strange names, until it is killed.

usage: memory.py DIRECTORY
"""
import ctypes
import mmap
import os
import signal
import sys

MIB = 1 << 20
START = 0x10000000000
MAP_FIXED_NOREPLACE, MAP_NORESERVE = 0x100000, 0x4000
MADV_HUGEPAGE, MADV_NOHUGEPAGE = 14, 15

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.vmsplice.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint]


class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


def check(done: bool, what: str) -> None:
    if not done:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


def memory(offset: int, size: int, prot: int = mmap.PROT_READ | mmap.PROT_WRITE) -> int:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE
    check(libc.mmap(START + offset, size, prot, flags, -1, 0) == START + offset, "mmap")
    return START + offset


def advise(addr: int, size: int, advice: int) -> None:
    # a kernel without transparent huge pages does not know the advice
    libc.madvise(addr, size, advice)


def touch(addr: int) -> None:
    ctypes.c_char.from_address(addr).value = b"x"


def hold(addr: int) -> None:
    """Touch a page that khugepaged must not make part of a huge one: a pipe has it."""
    touch(addr)
    done = libc.vmsplice(os.pipe()[1], ctypes.byref(IoVec(addr, 1)), 1, 0)
    check(done == 1, "vmsplice")


# two blocks present, six missing
advised = memory(0, 16 * MIB)
advise(advised, 16 * MIB, MADV_HUGEPAGE)
touch(advised)
touch(advised + 2 * MIB)
# one block with a small page between others
refused = memory(32 * MIB, 16 * MIB)
advise(refused, 16 * MIB, MADV_NOHUGEPAGE)
hold(refused + 4 * MIB)
memory(64 * MIB, 8 * MIB)
# two blocks with a megabyte before and after them
advise(memory(97 * MIB, 6 * MIB), 6 * MIB, MADV_HUGEPAGE)
# two small pages that were there before the advice
small = memory(128 * MIB, 8 * MIB)
hold(small + 2 * MIB)
hold(small + 6 * MIB)
advise(small, 8 * MIB, MADV_HUGEPAGE)
# twelve mappings with one obstacle each
many = memory(160 * MIB, 48 * MIB)
advise(many, 48 * MIB, MADV_HUGEPAGE)
for block in range(0, 48, 4):
    advise(many + block * MIB, 2 * MIB, MADV_NOHUGEPAGE)
memory(256 * MIB, 64 << 30, 0)
# a gibibyte with a small page
large = memory(66 << 30, 1 << 30)
hold(large + 2 * MIB)
advise(large, 1 << 30, MADV_HUGEPAGE)

files = []
for name in (b"\xc3\xa4\xf0\x9f\x98\x80", b"\xed\xa0\x80x\xff", b"red\x1b[31m"):
    with open(sys.argv[1].encode() + b"/" + name, "wb+") as file:
        file.truncate(4 * MIB)
        files.append(mmap.mmap(file.fileno(), 4 * MIB))
with open("/proc/self/comm", "wb") as comm:
    comm.write(b"na\x1b[31m\xc3\xa4")
print("ready", flush=True)
signal.pause()
