# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Compare two runs."""

from __future__ import annotations

import json
from pathlib import Path

import gate
from figures import Figure, Figures, figure_of

# not the seconds, and not the decrease of free memory, which other programs change, too
EXACT = ("instructions", "user instructions", *gate.UNITS)


def read_results(path: Path) -> Figures:
    with path.open(encoding="utf-8") as file:
        return Figures(figure_of(value) for value in json.load(file)["figures"])


def difference(a: Figure, b: Figure) -> float:
    """Relative to the larger one; 0 if both are 0."""
    larger = max(a.median, b.median)
    return abs(a.median - b.median) / larger if larger else 0.0


def compare(first: Figures, second: Figures, limit: float) -> tuple[int, list[str]]:
    """The number of exact figures in both runs, and those that differ by more than the limit."""
    others = {figure.key: figure for figure in second}
    pairs = [
        (figure, others[figure.key])
        for figure in first
        if figure.unit in EXACT and figure.key in others
    ]
    far = [(a, b) for a, b in pairs if difference(a, b) > limit]
    far.sort(key=lambda pair: -difference(*pair))
    return len(pairs), [
        f"{difference(a, b):.1%} {a.subject.kernel} {a.subject.device} {a.subject.mode} "
        f"{a.subject.memory} {a.name} {a.state} {a.length} ×{a.count} {a.unit}: "
        f"{a.median:g} {b.median:g}"
        for a, b in far
    ]
