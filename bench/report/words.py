# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Numbers for readers."""

from __future__ import annotations

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def size(value: float) -> str:
    """Bytes, as a length of memory."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if value >= unit:
            text = f"{value / unit:.1f}".removesuffix(".0")
            return f"{text} {name}"
    return f"{value:.0f} B"


def number(value: float) -> str:
    """Three significant digits, with a prefix for thousands."""
    for unit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            scaled = value / unit
            digits = 2 if scaled < 10 else 1 if scaled < 100 else 0
            return f"{scaled:.{digits}f}{letter}"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def tick(value: float) -> str:
    """A power of ten at an axis."""
    return number(value).replace(".00", "").replace(".0", "")


def ratio(value: float) -> str:
    digits = 3 if value < 2 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}×"
