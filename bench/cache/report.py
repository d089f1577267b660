# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Markdown and plots of replays."""

from __future__ import annotations

import svg
import words
from replays import GIB, KIB, MIB, PAGES, Point, Source, select

NEARLY = 0.01

# the colours of the other plots, which colour-blind readers can distinguish
STYLES = {
    4 * KIB: ("#e69f00", "circle"),
    64 * KIB: ("#56b4e9", "triangle"),
    2 * MIB: ("#0072b2", "square"),
    GIB: ("#009e73", "diamond"),
}

ASSUMPTIONS = """\
**Shapes, not numbers.** No vendor publishes the caches of a card. The capacities below are what is varied;
everything else of the cache is assumed, by these parameters of the
[model](../../mlx5-model/README.md#translation-caches):

    {parameters}

{shape} `line=8` means that each entry is
fetched by itself; with longer lines neighbours are hit. `deep` is a guess: the entries of longer tables take
two fetches. Hit rates are exact for the parameters. Latency is `base`, the bytes at the rate of `link`, and
`miss` for each round of fetches, without queueing, prefetching, or traffic of others. The recorded trace has
pages of 4 KiB and is replayed as if the same memory had larger ones. Look for the row in which *your*
memory stops to fit, not for your latency.
"""

DEFAULTS = """\
They are the defaults, which have the shape of published measurements: LMCache's step at 4 GiB, uRDMA's doubled
latency and 40 % less throughput. A unit test checks that; no card was measured."""
OTHERS = "They are not the defaults of the model, and no card was measured."


def entries(value: float) -> str:
    return f"{value / MIB:.0f} M" if value >= MIB else f"{value / KIB:.0f} k"


def percent(value: float) -> str:
    return f"{value * 100:.1f} %"


def _table(points: list[Point], source: str, cell: str) -> list[str]:
    columns = {pages: select(points, source, pages) for pages in PAGES}
    rows = [
        "| entries | " + " | ".join(words.size(pages) for pages in PAGES) + " |",
        "| ---: |" + " ---: |" * len(PAGES),
    ]
    for row in range(len(columns[PAGES[0]])):
        found = [columns[pages][row] for pages in PAGES]
        texts = [percent(point.hit_rate) if cell == "hits" else f"{point.latency_ns:,.0f}" for point in found]
        rows.append(f"| {entries(found[0].entries)} | " + " | ".join(texts) + " |")
    return rows


def fits(points: list[Point], source: str, pages: int) -> int | None:
    """The least capacity that hits nearly as often as the largest one, if it is another one."""
    *others, largest = select(points, source, pages)
    for point in others:
        if point.hit_rate >= largest.hit_rate - NEARLY:
            return point.entries
    return None


def summary(points: list[Point], sources: list[Source]) -> str:
    rows = [
        "| | " + " | ".join(words.size(pages) for pages in PAGES) + " |",
        "| --- |" + " ---: |" * len(PAGES),
    ]
    capacities = sorted({point.entries for point in points})
    least, most = capacities[0], capacities[-2]
    for source in sources:
        found = [fits(points, source.name, pages) for pages in PAGES]
        cells = [f"more than {entries(most)}" if capacity is None else
                 f"{entries(capacity)} or less" if capacity == least else entries(capacity)
                 for capacity in found]
        rows.append(f"| {source.title} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def plots(points: list[Point], source: Source) -> dict[str, str]:
    """Names of files and what is in them."""
    def lines(value: str) -> list[svg.Line]:
        return [
            svg.Line(words.size(pages), [(float(point.entries), getattr(point, value))
                                         for point in select(points, source.name, pages)], *STYLES[pages])
            for pages in PAGES
        ]

    def plot(title: str, y_title: str, label, value: str) -> str:
        return svg.render(svg.Plot(f"{source.title}: {title}", f"{source.subtitle}; assumed caches",
                                   "entries that the MTT cache holds", y_title, entries, label,
                                   lines(value), y_linear=True))

    return {
        f"cache-{source.name}-hits.svg": plot("hit rate by page size", "hits",
                                              lambda value: f"{value * 100:.0f} %", "hit_rate"),
        f"cache-{source.name}-latency.svg": plot("modelled latency by page size", "ns",
                                                 lambda value: f"{value:,.0f}", "latency_ns"),
    }


def markdown(points: list[Point], sources: list[Source], quick: bool, given: str) -> str:
    """given: parameters that are not the defaults"""
    # the parameters of all, but for the capacity
    parameters = ":".join(part for part in points[0].cache.split(":") if not part.startswith("mtt="))
    parts = ["# What a card's translation cache would gain from huge entries\n"]
    if quick:
        parts.append("A quick run: memory and messages are fewer than usual.\n")
    parts += [ASSUMPTIONS.format(parameters=parameters, shape=OTHERS if given else DEFAULTS), "## Capacity from which on the accesses fit\n",
              "The least number of entries that hits as often as 4 M entries do, but for one lookup in a hundred.\n",
              summary(points, sources)]
    for source in sources:
        parts += [f"## {source.title}\n", f"{source.subtitle[0].upper()}{source.subtitle[1:]}.\n", "Hits among lookups of entries:\n",
                  "\n".join(_table(points, source.name, "hits")) + "\n",
                  "Modelled latency of a message, ns:\n",
                  "\n".join(_table(points, source.name, "latency")) + "\n",
                  f"![Hit rate](cache-{source.name}-hits.svg)\n",
                  f"![Latency](cache-{source.name}-latency.svg)\n"]
    return "\n".join(parts)
