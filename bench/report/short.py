# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The few figures that matter most, for one gibibyte of populated memory."""

from __future__ import annotations

from dataclasses import dataclass

import words
from figures import Figures
from subjects import (
    DEVICE_HUGE,
    DEVICE_ODP,
    DEVICE_PINNED,
    DEVICE_STOCK,
    HUGE,
    ODP,
    PINNED,
    STOCK,
    Peer,
)


@dataclass(frozen=True)
class Line:
    title: str
    name: str
    state: str
    unit: str | None = None
    pinned: str | None = None  # what the pinned peer does instead; None: nothing
    device: bool = False
    each: bool = False  # divided by the count


PEERS = (PINNED, STOCK, ODP, HUGE)
DEVICE_PEERS = (DEVICE_PINNED, DEVICE_STOCK, DEVICE_ODP, DEVICE_HUGE)

LINES = [
    Line("registration and prefetch, instructions", "register+prefetch", "populated",
         pinned="register"),
    Line("prefetch alone, instructions", "prefetch", "populated"),
    Line("deregistration, instructions", "deregister", "populated", pinned="deregister"),
    Line("what the MR adds to `MADV_DONTNEED`, instructions", "dontneed-added", "all"),
    Line("fault events, touched page by page", "fault-events", "populated", unit="fault events"),
    Line("table in the kernel, bytes", "table", "mapped"),
    Line("translations written to the device, bytes", "device-prefetch", "populated",
         unit="translation bytes", pinned="device-register", device=True),
    Line("a WRITE of 1 MiB, all translations in place, instructions", "stream-write", "mapped",
         pinned="stream-write", each=True),
    Line("a WRITE of 8 bytes, all translations in place, instructions", "message-write", "mapped",
         pinned="message-write", each=True),
    Line("a WRITE of 8 bytes to each untouched page, instructions", "fault-page", "cold",
         unit="instructions", pinned="fault-page", each=True),
]


def _value(figures: Figures, line: Line, peer: Peer, name: str | None) -> float | None:
    if name is None:
        return None
    found = figures.find(peer.subject, name, line.state, unit=line.unit)
    if found is None:
        return None
    return found.median / found.count if line.each else found.median


def _cells(figures: Figures, line: Line) -> list[str]:
    peers = DEVICE_PEERS if line.device else PEERS
    values = [
        _value(figures, line, peer, line.pinned if peer in (PINNED, DEVICE_PINNED) else line.name)
        for peer in peers
    ]
    *others, huge = ("–" if value is None else words.number(value) for value in values)
    times = ["" if not value or not values[-1] else f" ({words.ratio(value / values[-1])})"
             for value in values[:-1]]
    return [text + ratio for text, ratio in zip(others, times, strict=True)] + [huge]


BEGIN, END = "<!-- short: begin (from bench/results/results.md) -->\n", "<!-- short: end -->"


def into(text: str, figures: Figures) -> str:
    """The text with this table between the two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the table, from {BEGIN.strip()} to {END}")
    return before + begin + table(figures) + end + after


def table(figures: Figures) -> str:
    rows = [
        "| | " + " | ".join(peer.title for peer in PEERS) + " |",
        "| --- |" + " ---: |" * len(PEERS),
    ]
    rows += [f"| {line.title} | " + " | ".join(_cells(figures, line)) + " |" for line in LINES]
    return "\n".join(rows) + "\n"
