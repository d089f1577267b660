# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""
The targets, and a check whether a run meets them: of instructions and exact counts alone. Seconds are
those of an emulator on a shared host, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import words
from figures import Figures
from subjects import (
    DEVICE_HUGE,
    DEVICE_MIXED,
    DEVICE_ODP,
    HUGE,
    MIXED,
    NEGOTIATED,
    NEGOTIATED_BASE,
    NO_MR,
    ODP,
    ODP_BASE,
    ODP_CACHE,
    ON_DEVICE,
    PINNED,
    PINNED_BASE,
    PINNED_STOCK,
    PINNED_STOCK_BASE,
    STOCK,
    STOCK_BASE,
    Peer,
)


@dataclass(frozen=True)
class Target:
    """A ratio of two figures, and its limit."""

    title: str
    peers: str
    dear: float | None  # the two figures
    cheap: float | None
    limit: float
    at_least: bool = True

    @property
    def ratio(self) -> float | None:
        if self.dear is None or self.cheap is None or not self.cheap:
            return None
        return self.dear / self.cheap

    @property
    def reached(self) -> bool | None:
        """None: it was not measured."""
        if self.ratio is None:
            return None
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit

    @property
    def verdict(self) -> str:
        return {None: "not measured", True: "reached", False: "**missed**"}[self.reached]

    @property
    def limit_text(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}×"


def _median(
    figures: Figures, peer: Peer, name: str, state: str, unit: str | None = None
) -> float | None:
    figure = figures.find(peer.subject, name, state, count=None, unit=unit)
    return None if figure is None else figure.median


def _speed(figures: Figures, peer: Peer) -> float | None:
    """MiB of a stream in a thousand million instructions."""
    figure = figures.find(peer.subject, "stream-write", "mapped")
    return None if figure is None else 1e9 * figure.count / figure.median


def _against_odp(figures: Figures) -> Iterator[Target]:
    def pair(
        title: str, peer: Peer, limit: float, name: str, state: str, unit: str | None = None
    ) -> Target:
        dear, cheap = (_median(figures, one, name, state, unit) for one in (peer, HUGE))
        return Target(title, f"{peer.title} : ODP 2 MiB", dear, cheap, limit)

    # what a user has today: the kernel with the series stores the pages of a huge page as one entry
    yield pair("prefetch, instructions", STOCK, 50, "prefetch", "populated")
    yield pair(
        "invalidation by MADV_DONTNEED, instructions that the MR adds", STOCK, 50, "dontneed-added", "all"
    )
    yield pair("invalidation by mprotect, instructions of the call", STOCK, 50, "mprotect", "all")
    yield pair(
        "registration + deregistration, instructions", STOCK, 50, "register+deregister", "populated"
    )
    # the stock kernel does not report its table
    yield pair("table memory, bytes", ODP_CACHE, 500, "table", "mapped")
    yield pair("fault events, page by page", ODP, 500, "fault-events", "populated", "fault events")
    yield from _device(figures)


def _both(
    figures: Figures, one: Peer, other: Peer, name: str, state: str
) -> tuple[float, float] | tuple[None, None]:
    """Medians at the longest length that both have."""
    ours, theirs = (
        {figure.length: figure.median for figure in figures.select(peer.subject, name, state, "instructions")}
        for peer in (one, other)
    )
    length = max(ours.keys() & theirs.keys(), default=None)
    return (None, None) if length is None else (ours[length], theirs[length])


# what a program does that does not know of page sizes
PLAIN = (
    ("registration of untouched memory", "register", "cold"),
    ("registration of populated memory", "register", "populated"),
    ("prefetch of untouched memory", "prefetch", "cold"),
    ("prefetch of populated memory", "prefetch", "populated"),
    ("deregistration of what is mapped", "deregister", "mapped"),
    ("munmap of everything", "munmap", "all"),
    ("munmap of a page", "munmap", "page"),
    ("mprotect of everything", "mprotect", "all"),
    ("MADV_DONTNEED of everything", "dontneed", "all"),
    ("fault of a cold block", "block-fault", "cold"),
    ("fault of a populated block", "block-fault", "populated"),
)


def _plain(figures: Figures) -> Iterator[Target]:
    """A program without a request pays nothing. The stock kernel does not mark pages dirty."""
    for memory, ours, stock in (("huge", ODP, STOCK), ("base", ODP_BASE, STOCK_BASE)):
        for what, name, state in PLAIN:
            yield Target(
                f"{what}, instructions",
                f"ODP 4 KiB : ODP, stock kernel, {memory} pages",
                *_both(figures, ours, stock, name, state),
                limit=1.1,
                at_least=False,
            )


def _dirty(figures: Figures) -> Iterator[Target]:
    """Without what marking pages dirty costs: the device cannot have written to this MR."""
    for memory, ours, stock in (("huge", ODP, STOCK), ("base", ODP_BASE, STOCK_BASE)):
        yield Target(
            "deregistration without marking pages dirty, instructions",
            f"ODP 4 KiB, read only : ODP, stock kernel, {memory} pages",
            _median(figures, ours, "deregister-read-only", "mapped"),
            _median(figures, stock, "deregister", "mapped"),
            1.1,
            at_least=False,
        )


def _strict(figures: Figures) -> Iterator[Target]:
    """What each block of 2 MiB costs."""
    for what, name, state, limit in (
        ("registration", "register", "populated", 150),
        ("prefetch", "prefetch", "populated", 120),
        ("invalidation, which the MR adds to MADV_DONTNEED", "dontneed-added", "all", 80),
        ("deregistration", "deregister", "mapped", 80),
    ):
        figure = figures.find(HUGE.subject, name, state)
        yield Target(
            f"{what}, instructions",
            "ODP 2 MiB : its blocks",
            None if figure is None else figure.median,
            None if figure is None else figure.length >> 21,
            limit,
            at_least=False,
        )


def _mixed(figures: Figures) -> Iterator[Target]:
    for what, name in (("registration", "register"), ("registration and prefetch", "register+prefetch")):
        yield Target(
            f"{what}, instructions",
            "mixed : ODP 2 MiB, huge pages",
            *_both(figures, MIXED, HUGE, name, "populated"),
            limit=1.2,
            at_least=False,
        )
    posts = figures.find(DEVICE_MIXED.subject, "device-prefetch", "populated", unit="UMR posts")
    yield Target(
        "UMR posts of a prefetch",
        "mixed, mlx5 model : GiB",
        None if posts is None else posts.median,
        None if posts is None else posts.length / words.GIB,
        4,
        at_least=False,
    )


def _pinned(figures: Figures) -> Iterator[Target]:
    for memory, ours, stock, limit in (
        ("huge", PINNED, PINNED_STOCK, 0.25), ("base", PINNED_BASE, PINNED_STOCK_BASE, 1.0),
    ):
        yield Target(
            "pinned registration + deregistration, instructions",
            f"with the series : stock kernel, {memory} pages",
            *_both(figures, ours, stock, "register+deregister", "populated"),
            limit=limit,
            at_least=False,
        )


def _device(figures: Figures) -> Iterator[Target]:
    for title, name, unit in (
        ("device translations, bytes written", "device-prefetch", "translation bytes"),
        ("device fault events, page by page", "device-touch", "fault events"),
    ):
        dear, cheap = (
            _median(figures, peer, name, "populated", unit) for peer in (DEVICE_ODP, DEVICE_HUGE)
        )
        yield Target(title, "ODP 4 KiB : ODP 2 MiB, mlx5 model", dear, cheap, 500)


def _against_pinned(figures: Figures) -> Iterator[Target]:
    yield Target(
        "registration + prefetch, instructions",
        "ODP 2 MiB : pinned",
        _median(figures, HUGE, "register+prefetch", "populated"),
        _median(figures, PINNED, "register", "populated"),
        1,
        at_least=False,
    )
    # the more instructions, the fewer bytes in the same time
    yield Target(
        "bandwidth of WRITEs of 1 MiB, from instructions",
        "ODP 2 MiB : pinned",
        _speed(figures, HUGE),
        _speed(figures, PINNED),
        0.98,
    )


def _library(figures: Figures) -> Iterator[Target]:
    def calls(device: str, mode: str) -> float | None:
        figure = figures.find(ON_DEVICE[device](mode, "huge"), "library", unit="system calls")
        return None if figure is None else figure.median

    for device, path in (("rxe", "register and modify"), ("mlx5", "create and import")):
        yield Target(
            "system calls of a registration",
            f"ibv_reg_mr_ex : ibv_reg_mr, {device}, {path}",
            calls(device, "ibv_reg_mr_ex 2M"),
            calls(device, "ibv_reg_mr"),
            1,
            at_least=False,
        )


def _probe(figures: Figures) -> Iterator[Target]:
    for memory, peer in (("base pages", NEGOTIATED_BASE), ("huge pages", NEGOTIATED)):
        for state in ("cold", "populated"):
            plain, probed = (
                _median(figures, peer, name, state)
                for name in ("among-mappings", "among-mappings-probed")
            )
            yield Target(
                f"registration + deregistration among 10,000 mappings, instructions, {state} memory of {memory}",
                "with a probe before it : without",
                probed,
                plain,
                1.3,
                at_least=False,
            )


def _block(figures: Figures) -> Iterator[Target]:
    def fault(peer: Peer, state: str) -> float | None:
        return _median(figures, peer, "block-fault", state)

    yield Target("fault of a cold block of 2 MiB, instructions", "ODP 2 MiB : the CPU",
                 fault(HUGE, "cold"), fault(NO_MR, "cold"), 1.1, at_least=False)
    yield Target("fault of a populated block, instructions", "ODP 2 MiB : ODP 4 KiB",
                 fault(HUGE, "populated"), fault(ODP, "populated"), 1, at_least=False)


def _waiting(figures: Figures) -> Iterator[Target]:
    """A wait depends on what is mapped, not on the length of the MR."""
    for what, state in (("one page", "page"), ("everything", "all")):
        for title, peer in (("ODP 4 KiB", ODP), ("ODP 2 MiB", HUGE), ("mixed", MIXED)):
            long, short = (
                figures.find(peer.subject, "waiting", state, length)
                for length in (1 << 40, 1 << 30)
            )
            yield Target(
                f"longest wait for an invalidation of {what}, instructions",
                f"{title}, an MR of 1 TiB : of 1 GiB, as much mapped",
                None if long is None else long.median,
                None if short is None else short.median,
                2,
                at_least=False,
            )


def _parallel(figures: Figures) -> Iterator[Target]:
    def fault(state: str) -> float | None:
        figure = figures.find(HUGE.subject, "parallel", state, unit="instructions")
        return None if figure is None else figure.median / figure.count

    for mrs in ("one MR", "an MR each"):
        yield Target("fault of a populated block, instructions", f"ODP 2 MiB, 4 QPs, {mrs} : 1 QP",
                     fault(f"4 QPs, {mrs}"), fault("1 QP"), 1.1, at_least=False)


def _cache(figures: Figures) -> Iterator[Target]:
    for title, unit, limit in (
        ("instructions", "instructions", 1.0), ("fault events", "fault events", 0.02),
        ("bytes of the table", "bytes", 0.02),
    ):
        name = "table-cache" if unit == "bytes" else "cache"
        huge, plain = (
            _median(figures, peer, name, "cold", unit) for peer in (HUGE, ODP)
        )
        yield Target(f"a key-value cache, {title}", "ODP 2 MiB : ODP 4 KiB", huge, plain, limit,
                     at_least=False)


def targets(figures: Figures) -> list[Target]:
    found = list(_against_odp(figures))
    found.extend(_against_pinned(figures))
    call, added = (_median(figures, HUGE, name, "all") for name in ("dontneed", "dontneed-added"))
    found.append(
        Target(
            "MADV_DONTNEED of populated memory, instructions",
            "under ODP 2 MiB : without an MR",
            call,
            None if call is None or added is None else call - added,
            1.1,
            at_least=False,
        )
    )
    found.extend(_plain(figures))
    found.extend(_dirty(figures))
    found.extend(_strict(figures))
    found.extend(_mixed(figures))
    found.extend(_pinned(figures))
    found.extend(_block(figures))
    found.extend(_waiting(figures))
    found.extend(_parallel(figures))
    found.extend(_cache(figures))
    found.extend(_library(figures))
    found.extend(_probe(figures))
    return found


def as_json(target: Target) -> dict[str, object]:
    return {
        "title": target.title,
        "peers": target.peers,
        "values": [target.dear, target.cheap],
        "ratio": target.ratio,
        "limit": target.limit,
        "at_least": target.at_least,
        "reached": target.reached,
    }


def table(found: list[Target]) -> str:
    rows = ["| what | peers | measured | ratio | to reach | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    show: Callable[[float | None], str] = lambda value: "–" if value is None else words.number(value)
    for target in found:
        rows.append(
            f"| {target.title} | {target.peers} | {show(target.dear)} : {show(target.cheap)} "
            f"| {'–' if target.ratio is None else words.ratio(target.ratio)} "
            f"| {target.limit_text} | {target.verdict} |"
        )
    return "\n".join(rows) + "\n"
