# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Memory that can have huge pages."""

from __future__ import annotations

import errno
import operator
from typing import TYPE_CHECKING, Union

from . import _core
from ._sizes import PageSizes, page_sizes as parse_sizes
from ._types import HugeOdpError, MemoryKind

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    #: the type checkers of older Pythons do not know that other classes can have the buffer protocol
    BufferLike = Union[ReadableBuffer, "Memory"]


class Memory(_core.Memory):
    """Memory of ``alloc()``: an object with the buffer protocol, which can be written.

    It is released with the last reference to it. Each buffer over it holds one: a memoryview, an
    MR, a NumPy array. Its elements are those of ``memoryview(memory)``.
    """

    __slots__ = ()

    @property
    def kind(self) -> MemoryKind | int:
        """Source of the pages."""
        try:
            return MemoryKind(self.kind_number)
        except ValueError:
            # of a later release of the library
            return self.kind_number

    def __repr__(self) -> str:
        kind = getattr(self.kind, "name", self.kind)
        return (f"<hugeodp.Memory of {len(self)} bytes at {self.address:#x}, "
                f"{kind} pages of {self.page_size:#x}>")


def alloc(
    length: int,
    page_sizes: PageSizes = 0,
    *,
    populate: bool = False,
    dontfork: bool = False,
    node: int | None = None,
) -> Memory:
    """Zeroed private memory with the largest accepted pages that the system has left.

    ``page_sizes`` are those that the memory may have: 0 or "any" means any, and without "base" the
    call fails with ERANGE if there are no huge pages. Sizes above ``length`` are left out, unless
    there is no other. Each size is taken from the hugetlb pool, or else as transparent huge pages.

    ``populate`` allocates all pages at once. With ``dontfork``, child processes do not have the
    memory, and its huge pages stay huge after a fork. ``node`` is the number of the only NUMA node
    to take pages from.

    >>> memory = hugeodp.alloc(64 << 20, "2M|base")
    >>> memory.kind, memory.page_size, len(memory)
    (<MemoryKind.THP: 2>, 2097152, 67108864)
    """
    sizes = parse_sizes(page_sizes)
    length = operator.index(length)
    doing = f"allocate {length} bytes, page sizes {sizes:#x}"
    if not 0 < length < 1 << 62:
        raise HugeOdpError(errno.EINVAL, doing)
    if node is not None and not 0 <= operator.index(node) < 1 << 32:
        raise HugeOdpError(errno.EINVAL, f"{doing}, node {node}")
    try:
        return Memory(length, sizes, populate, dontfork, node)
    except OSError as e:
        raise HugeOdpError(
            e.errno or errno.ENOMEM, doing, "hugeodp check reports what is missing") from None
