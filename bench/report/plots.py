# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The plots."""

from __future__ import annotations

from collections.abc import Iterator

import words
from figures import Figures
from subjects import GIGA, HUGE, MIXED, NO_MR, ODP, PINNED, STOCK, Peer
from svg import Line, Plot, render

# Colours that colour-blind readers can distinguish; a peer has the same one in all plots.
STYLES: dict[Peer, tuple[str, str, bool]] = {
    NO_MR: ("#8c959f", "circle", True),
    PINNED: ("#1f2328", "square", False),
    STOCK: ("#d55e00", "triangle", True),
    ODP: ("#e69f00", "circle", False),
    HUGE: ("#0072b2", "circle", False),
    MIXED: ("#56b4e9", "diamond", True),
    GIGA: ("#009e73", "diamond", False),
}


def _line(
    figures: Figures, peer: Peer, name: str, state: str, unit: str | None, title: str | None = None
) -> Line:
    colour, marker, dashed = STYLES[peer]
    points = [
        (float(figure.length), figure.median)
        for figure in figures.select(peer.subject, name, state, unit)
        if figure.count == 1 and figure.median > 0
    ]
    return Line(title or peer.title, points, colour, marker, dashed)


def _cost(
    figures: Figures, title: str, subtitle: str, name: str, state: str, peers: list[Peer]
) -> Plot:
    return Plot(
        title,
        subtitle,
        "length of the MR",
        "instructions",
        words.size,
        words.tick,
        [_line(figures, peer, name, state, None) for peer in peers],
    )


def plots(figures: Figures) -> Iterator[tuple[str, Plot]]:
    odp = [STOCK, ODP, HUGE, MIXED, GIGA]
    prefetch = _cost(
        figures,
        "Prefetch of memory that is there",
        "instructions of one ibv_advise_mr() against the length, rxe, 2 MiB pages",
        "prefetch",
        "populated",
        odp,
    )
    yield "prefetch", prefetch
    registered = _cost(
        figures,
        "From memory to an MR with all translations",
        "registration and prefetch, or pinning, of populated memory of 2 MiB pages, rxe",
        "register+prefetch",
        "populated",
        odp,
    )
    registered.lines.insert(0, _line(figures, PINNED, "register", "populated", None))
    yield "register-prefetch", registered
    yield "register-cold", _cost(
        figures,
        "Registration and deregistration of untouched memory",
        "instructions of ibv_reg_mr() and ibv_dereg_mr() against the length, rxe",
        "register+deregister",
        "cold",
        [PINNED, *odp],
    )
    yield "invalidation", _cost(
        figures,
        "MADV_DONTNEED of all memory under an MR",
        "instructions of the call, with all translations in place, rxe, 2 MiB pages",
        "dontneed",
        "all",
        [NO_MR, *odp],
    )
    yield "faults", Plot(
        "Fault events, memory touched page by page",
        "one RDMA WRITE of 8 bytes to each 4 KiB of populated memory, rxe",
        "bytes touched",
        "fault events",
        words.size,
        words.tick,
        [
            _line(figures, peer, "fault-events", "populated", "fault events")
            for peer in (ODP, HUGE, MIXED)
        ],
    )


def render_all(figures: Figures) -> dict[str, str]:
    return {f"{name}.svg": render(plot) for name, plot in plots(figures)}
