# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Figures side by side: a row for what was measured, a column for each peer."""

from __future__ import annotations

from dataclasses import dataclass

import words
from expected import CALLS, PARALLEL
from figures import Figure, Figures
from subjects import (
    DEVICE_GIGA,
    DEVICE_HUGE,
    DEVICE_MIXED,
    DEVICE_ODP,
    DEVICE_PINNED,
    DEVICE_STOCK,
    GIGA,
    HUGE,
    MIXED,
    NEGOTIATED,
    NO_MR,
    ODP,
    ODP_BASE,
    ODP_CACHE,
    ON_DEVICE,
    PINNED,
    PINNED_BASE,
    STOCK,
    STOCK_BASE,
    WITHOUT_MM_PEERS,
    Peer,
    rxe,
)


@dataclass(frozen=True)
class Row:
    title: str
    name: str
    state: str
    unit: str | None = None
    length: int | None = None  # None: the longest that all peers but GIGA have
    count: int | None = None
    each: bool = False  # divided by the count
    pinned: str | None = None  # the name for pinned peers, which need no prefetch
    pinned_state: str | None = None


@dataclass(frozen=True)
class Table:
    title: str
    note: str
    unit: str
    peers: list[Peer]
    reference: Peer
    rows: list[Row]


COUNTS_OF_MRS = (1, 10, 100, 1000, 10000, 100000)
LONG = tuple(words.GIB << shift for shift in (0, 4, 8, 10))

ALL = [PINNED, STOCK, ODP, HUGE, MIXED, GIGA]
BASE = [PINNED_BASE, STOCK_BASE, ODP_BASE]

REGISTRATION = [
    Row("registration, cold", "register", "cold"),
    Row("deregistration, cold", "deregister", "cold"),
    Row("registration, cold", "register", "cold", length=64 << 30),
    Row("deregistration, cold", "deregister", "cold", length=64 << 30),
    Row("registration, populated", "register", "populated"),
    Row("deregistration, populated", "deregister", "populated"),
    Row("deregistration, mapped", "deregister", "mapped", pinned_state="populated"),
    Row("deregistration, mapped, read only", "deregister-read-only", "mapped"),
]
COUNTS = [
    Row(f"{count:,} MR{'s' if count > 1 else ''} of 2 MiB, each", "many", "populated", count=count, each=True)
    for count in COUNTS_OF_MRS
]
COUNTS_MEMORY = [
    Row(f"{count:,} MRs of 2 MiB, each", "many-memory", "populated", count=count, each=True)
    for count in COUNTS_OF_MRS
    if count >= 1000
]
PREFETCH = [
    Row("prefetch, populated", "prefetch", "populated"),
    Row("registration + prefetch, populated", "register+prefetch", "populated", pinned="register"),
    Row("prefetch, cold", "prefetch", "cold"),
    Row("registration + prefetch, cold", "register+prefetch", "cold", pinned="register"),
]
INVALIDATION = [
    Row(f"{call}, {what}", name, state)
    for call, name in (
        ("MADV_DONTNEED", "dontneed"),
        ("munmap", "munmap"),
        ("mprotect", "mprotect"),
    )
    for what, state in (("all", "all"), ("4 KiB", "page"))
]
ADDED = [
    Row(f"{call}, all", f"{name}-added", "all")
    for call, name in (
        ("MADV_DONTNEED", "dontneed"),
        ("munmap", "munmap"),
        ("mprotect", "mprotect"),
    )
]
FAULTS = [
    Row(f"{what}, {state}", name, state, unit="instructions", each=True,
        pinned_state="cold" if state == "cold" else None)
    for name, what in (
        ("fault-page", "8 bytes to each page"),
        ("fault-page-read", "8 bytes from each page"),
        ("fault-random", "8 bytes to each page, random order"),
        ("fault-sequential", "messages of 1 MiB"),
        ("fault-sparse", "8 bytes to each 2 MiB"),
    )
    for state in ("cold", "cold+prefetch", "populated")
]
EVENTS = [
    Row("8 bytes to each page", "fault-page", "cold", unit="fault events"),
    Row("messages of 1 MiB", "fault-sequential", "cold", unit="fault events"),
    Row("8 bytes to each 2 MiB", "fault-sparse", "cold", unit="fault events"),
]
STREAM = [
    Row("WRITE of 1 MiB", "stream-write", "mapped", each=True),
    Row("READ of 1 MiB", "stream-read", "mapped", each=True),
    Row("WRITE of 8 bytes", "message-write", "mapped", each=True),
    Row("READ of 8 bytes", "message-read", "mapped", each=True),
]
PERFTEST = [
    Row("ib_write_bw, MiB/s", "perftest-bandwidth", "mapped"),
    Row("ib_write_lat, µs", "perftest-latency", "mapped"),
]
MEMORY = [
    Row("table, mapped", "table", "mapped"),
    Row("table, registered only", "table", "registered", length=1 << 30),
    Row("table, registered only", "table", "registered", length=64 << 30),
    Row("memory less free, mapped", "kernel-memory", "mapped"),
    Row("memory less free, registered only", "kernel-memory", "registered", length=1 << 30),
    Row("memory less free, registered only", "kernel-memory", "registered", length=64 << 30),
]
WAITING = [
    Row(what, "waiting", state, length=length)
    for what, state in (("one page of 4 KiB", "page"), ("everything", "all"))
    for length in LONG
]
SPARSE = [
    Row(f"{state} of the blocks are small: {what}", "table-sparse", state, unit=unit, length=length)
    for what, unit in (("bytes", "bytes"), ("entries", "table entries"))
    for state in ("0 %", "1 %", "10 %")
    for length in LONG
]
PARALLEL_FAULTS = [
    Row(f"{setup}: {unit}", "parallel", setup, unit=unit, each=True)
    for unit in ("instructions", "context switches")
    for setup in PARALLEL
]
CACHE = [
    Row("instructions for each message", "cache", "cold", unit="instructions", each=True),
    Row("fault events", "cache", "cold", unit="fault events"),
    Row("table in the kernel, bytes", "table-cache", "cold"),
]
DEVICE = [
    Row(f"{what}: {title}", name, "populated", unit=unit)
    for name, what in (
        ("device-register", "registration"),
        ("device-prefetch", "prefetch"),
        ("device-deregister", "deregistration"),
        ("device-touch", "8 bytes to each page"),
    )
    for title, unit in (
        ("translation bytes", "translation bytes"),
        ("UMR posts", "UMR posts"),
        ("fault events", "fault events"),
    )
]

TABLES = [
    Table("Registration", "On demand, rxe of the stock kernel registers 2 GiB at most.",
          "instructions", ALL, HUGE, REGISTRATION),
    Table("Number of MRs", "Registration and deregistration, for each MR.", "instructions", [PINNED, STOCK, ODP, HUGE, MIXED], HUGE, COUNTS),
    Table("Memory of many MRs", "By how much less memory is free, for each MR.", "bytes",
          [PINNED, STOCK, ODP, HUGE, MIXED], HUGE, COUNTS_MEMORY),
    Table("Registration, memory of base pages", "", "instructions", BASE, ODP_BASE, REGISTRATION),
    Table("Prefetch", "Pinned: registration alone, which includes it.", "instructions", ALL, HUGE,
          PREFETCH),
    Table("Prefetch, memory of base pages", "", "instructions", BASE, ODP_BASE, PREFETCH),
    Table("Invalidation", "The whole call, with all translations in place.", "instructions",
          [NO_MR, STOCK, ODP, HUGE, MIXED], NO_MR, INVALIDATION),
    Table("Invalidation, one page of 1 GiB", "", "instructions",
          [Peer("no MR", rxe("none", "giga")), GIGA], Peer("no MR", rxe("none", "giga")),
          INVALIDATION),
    Table("What an MR adds to these calls", "", "instructions", [STOCK, ODP, HUGE, MIXED], HUGE, ADDED),
    Table("Invalidation, memory of base pages", "", "instructions",
          [Peer("no MR", rxe("none", "base")), STOCK_BASE, ODP_BASE],
          Peer("no MR", rxe("none", "base")), INVALIDATION),
    Table("The longest wait for an invalidation",
          "What an MR adds to `MADV_DONTNEED` at most, against the length of the MR. 64 MiB of it are "
          "mapped, spread over the length, for each length.", "instructions",
          [STOCK, ODP, HUGE, MIXED], HUGE, WAITING),
    Table("The longest wait for an invalidation, memory of base pages", "", "instructions",
          [STOCK_BASE, ODP_BASE], ODP_BASE, WAITING),
    Table("Renegotiation", "From 2 MiB to 4 KiB and back, all translations in place before.",
          "instructions", [NEGOTIATED], NEGOTIATED, [
              Row("down", "renegotiate-down", "mapped"),
              Row("down, and translations for all", "renegotiate-down", "populate"),
              Row("up", "renegotiate-up", "mapped"),
              Row("up, and translations for all", "renegotiate-up", "populate"),
              Row("down by a fault", "renegotiate-fault", "mapped"),
          ]),
    Table("Faults", "Instructions for each message, the message itself included; from registration "
          "on, but where memory is populated: from the first message on.", "instructions", ALL,
          HUGE, FAULTS),
    Table("Faults, memory of base pages", "", "instructions", BASE, ODP_BASE, FAULTS),
    Table("Fault events", "", "events", [ODP, HUGE, MIXED, GIGA], HUGE, EVENTS),
    Table("Faults of several QPs at a time", "For each fault of a populated block, without the message. One "
          "processor: work that faults do for each other, locks held by threads that sleep and superfluous "
          "wakeups appear here; time lost on locks by several processors does not.", "as said",
          [STOCK, ODP, HUGE, MIXED], HUGE, PARALLEL_FAULTS),
    Table("A key-value cache", "Random messages of 64 KiB to 2 MiB, read and written, in 512 slots of 2 MiB "
          "that are scattered over 64 GiB; from the registration of untouched memory on.", "as said",
          [ODP_CACHE, ODP, HUGE, MIXED], HUGE, CACHE),
    Table("Messages when all translations are there", "For each message.", "instructions", ALL,
          PINNED, STREAM),
    Table("perftest", "In the emulator's seconds, which depend on the load of the host; medians.", "as said", [PINNED, ODP, HUGE], PINNED, PERFTEST),
    Table("Memory", "The table as the kernel counts it, and how much less memory is free, which "
          "counts whole pages only.", "bytes", ALL, HUGE, MEMORY),
    Table("The table of a long MR", "A hundred blocks of 2 MiB, spread over the length, are populated and "
          "mapped; some of them have base pages.", "as said", [ODP, NEGOTIATED, HUGE, MIXED], HUGE, SPARSE),
    Table("The mlx5 device (model)", "", "counts",
          [DEVICE_PINNED, DEVICE_STOCK, DEVICE_ODP, DEVICE_HUGE, DEVICE_MIXED, DEVICE_GIGA], DEVICE_HUGE, DEVICE),
]

WITHOUT_MM = [
    Row("registration, populated", "register", "populated"),
    Row("prefetch, populated", "prefetch", "populated"),
    Row("prefetch, cold", "prefetch", "cold"),
    Row("deregistration, mapped", "deregister", "mapped", pinned_state="populated"),
    *INVALIDATION,
]
WITHOUT_MM_TABLES = [
    Table(f"What the patches of mm save: {title}",
          "The modules on Debian's kernel, which look at memory through the functions that it exports, against "
          "the series. The kernels differ in their configuration, too: “pinned” shows by how much.",
          "instructions", [modules, series], series, WITHOUT_MM)
    for title, modules, series in WITHOUT_MM_PEERS
]


def _name(row: Row, peer: Peer) -> tuple[str, str]:
    if peer.subject.mode == "pinned":
        return row.pinned or row.name, row.pinned_state or row.state
    return row.name, row.state


def _lengths(figures: Figures, row: Row, peer: Peer) -> set[int]:
    name, state = _name(row, peer)
    return {
        figure.length
        for figure in figures.select(peer.subject, name, state, row.unit)
        if row.count in (None, figure.count)
    }


def _length(figures: Figures, table: Table, row: Row) -> int | None:
    """The longest length that all peers with figures have; there is only one page of 1 GiB."""
    if row.length is not None:
        return row.length
    common: set[int] | None = None
    for peer in table.peers:
        lengths = _lengths(figures, row, peer)
        if peer in (GIGA, DEVICE_GIGA) or not lengths:
            continue
        common = lengths if common is None else common & lengths
    return max(common) if common else None


def _value(figures: Figures, row: Row, peer: Peer, length: int) -> float | None:
    name, state = _name(row, peer)
    figure: Figure | None = figures.find(peer.subject, name, state, length, row.count, row.unit)
    if figure is None:
        return None
    return figure.median / figure.count if row.each else figure.median


def _cell(value: float | None, reference: float | None, is_reference: bool) -> str:
    if value is None:
        return "–"
    if is_reference or not reference:
        return words.number(value)
    return f"{words.number(value)} ({words.ratio(value / reference)})"


def _row(figures: Figures, table: Table, row: Row) -> str | None:
    length = _length(figures, table, row)
    if length is None:
        return None
    values = {peer: _value(figures, row, peer, length) for peer in table.peers}
    if all(value is None for value in values.values()):
        return None
    reference = values[table.reference]
    cells = [_cell(values[peer], reference, peer == table.reference) for peer in table.peers]
    return f"| {row.title} | {words.size(length)} | " + " | ".join(cells) + " |"


def render(figures: Figures, table: Table) -> str | None:
    rows = [text for row in table.rows if (text := _row(figures, table, row)) is not None]
    if not rows:
        return None
    head = [f"### {table.title}", ""]
    about = [f"Unit: {table.unit}."]
    if table.note:
        about.insert(0, table.note)
    if len(table.peers) > 1:
        about.append(f"In brackets the ratio to “{table.reference.title}”.")
    head += [" ".join(about), "", "| | length | " + " | ".join(p.title for p in table.peers) + " |"]
    head.append("| --- | ---: |" + " ---: |" * len(table.peers))
    return "\n".join(head + rows) + "\n"


def library(figures: Figures) -> str | None:
    """A table with calls, not peers, as rows."""
    units = ("system calls", "user instructions", "instructions")
    rows = []
    for device, make in ON_DEVICE.items():
        for call in CALLS:
            found = [figures.find(make(call, "huge"), "library", unit=unit) for unit in units]
            if any(found):
                cells = ["–" if one is None else words.number(one.median) for one in found]
                rows.append(f"| {call}, {device} | " + " | ".join(cells) + " |")
    if not rows:
        return None
    return "\n".join([
        "### The library", "", "One registration of 2 MiB of populated memory.", "",
        "| call | system calls | instructions in user space | in all |",
        "| --- | ---: | ---: | ---: |", *rows,
    ]) + "\n"


def zeroing(figures: Figures) -> str | None:
    rows = []
    for memory, title in (("base", "4 KiB"), ("huge", "2 MiB"), ("giga", "1 GiB")):
        figure = figures.find(rxe("none", memory), "cpu-touch", "cold")
        if figure is not None:
            per_gib = figure.median * words.GIB / figure.length
            rows.append(f"| {title} | {words.number(per_gib)} |")
    if not rows:
        return None
    return "\n".join([
        "### Fresh memory", "", "What a CPU pays for 1 GiB of it, touched once a page; most is zeroing. It is a part of "
        "everything above that is “cold” and touches memory.", "",
        "| pages | instructions |", "| --- | ---: |", *rows,
    ]) + "\n"


BLOCKS = (
    ("ODP, stock kernel, base pages", STOCK_BASE),
    ("ODP 4 KiB, base pages", ODP_BASE),
    ("ODP, stock kernel, huge pages", STOCK),
    ("ODP 4 KiB, huge pages", ODP),
    ("ODP 2 MiB", HUGE),
    ("mixed", MIXED),
    ("ODP 1 GiB", GIGA),
)


def blocks(figures: Figures) -> str | None:
    """A table with peers as rows, and the CPU's fault beside them."""
    rows = []
    for title, peer in BLOCKS:
        cpu = figures.find(rxe("none", peer.subject.memory, peer.subject.kernel), "block-fault", "cold")
        cold, populated = (
            figures.find(peer.subject, "block-fault", state) for state in ("cold", "populated")
        )
        if cpu is None or cold is None or populated is None:
            continue
        cells = (cpu.median, cold.median, max(cold.median - cpu.median, 0), populated.median)
        rows.append(f"| {title} | " + " | ".join(words.number(cell) for cell in cells) + " |")
    if not rows:
        return None
    return "\n".join([
        "### The fault of one block", "",
        "A message of 8 bytes into a block without a translation, less the same message again: from the "
        "packet that faults until the responder goes on. Beside it the CPU's fault of the same memory, "
        "most of which is zeroing. Unit: instructions.", "",
        "| | the CPU's fault | the device's, cold | beside the CPU's | the device's, populated |",
        "| --- | ---: | ---: | ---: | ---: |", *rows,
    ]) + "\n"


def render_all(figures: Figures) -> str:
    parts = [render(figures, table) for table in TABLES]
    there = {figure.subject for figure in figures}
    parts += [render(figures, table) for table in WITHOUT_MM_TABLES if table.peers[0].subject in there]
    parts += [blocks(figures), library(figures), zeroing(figures)]
    return "\n".join(part for part in parts if part)
