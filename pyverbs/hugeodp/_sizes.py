# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Sets of page sizes."""

from __future__ import annotations

import errno
import mmap
import operator
import re
from typing import Union

from ._types import HugeOdpError

#: a bit mask in bytes, or text such as "2M|base"
PageSizes = Union[int, str]

_SIZE = re.compile(r"([0-9]{1,20})([BKMGTPE]?)", re.ASCII | re.IGNORECASE)
_UNITS = "BKMGTPE"


def _parse_one(text: str) -> int:
    if text.lower() == "base":
        return mmap.PAGESIZE
    match = _SIZE.fullmatch(text)
    size = int(match[1]) << 10 * _UNITS.index((match[2] or "B").upper()) if match else 0
    return size if size & (size - 1) == 0 else 0


def page_sizes(sizes: PageSizes) -> int:
    """The bit mask of a set of page sizes, which is checked: 0 means any size.

    >>> hex(hugeodp.page_sizes("2M|64K"))
    '0x210000'
    """
    if isinstance(sizes, str):
        parsed = []
        if sizes not in ("", "any"):
            parsed = [_parse_one(part) for part in re.split(r"[|,]", sizes)]
        mask = 0
        for size in parsed:
            mask |= size
        valid = all(parsed)
    else:
        mask = operator.index(sizes)
        valid = True
    # the same limits as in libhugeodp
    if not valid or mask < 0 or mask & (mmap.PAGESIZE - 1) or mask >> 48:
        shown = repr(sizes) if isinstance(sizes, str) else hex(mask)
        raise HugeOdpError(errno.EINVAL, f"page sizes {shown}")
    return mask
