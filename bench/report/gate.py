# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Counts that do not depend on the machine: none may be larger than in results that are kept."""

from __future__ import annotations

from figures import Figure, Figures

UNITS = ("system calls", "fault events", "translation bytes", "UMR posts", "table entries")


def is_count(figure: Figure) -> bool:
    """A count that is the same in each run. The decrease of free memory is in bytes, too."""
    return figure.unit in UNITS or (figure.unit == "bytes" and figure.name.startswith("table"))


def grown(base: Figures, new: Figures) -> tuple[int, list[str]]:
    """The number of counts in both, and those that are larger in the new results."""
    known = {figure.key: figure for figure in base if is_count(figure)}
    pairs = [(known[figure.key], figure) for figure in new if figure.key in known]
    return len(pairs), [
        f"{b.subject.kernel} {b.subject.device} {b.subject.mode} {b.subject.memory} {b.name} "
        f"{b.state} {b.length} ×{b.count} {b.unit}: {a.median:g}, now {b.median:g}"
        for a, b in pairs
        if b.median > a.median
    ]
