# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs mlx5-model-replay and reads its lines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGES = (4 * KIB, 64 * KIB, 2 * MIB, GIB)
WAYS = 8
# of the MTT cache: from 8 k to 1 M entries of 8 bytes, and 4 M to compare with
SETS = (*(1 << power for power in range(10, 18)), 1 << 19)


class BadReplay(Exception):
    """The program failed, or its output is not what was asked for."""


@dataclass(frozen=True)
class Source:
    name: str
    title: str
    subtitle: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    source: str
    pages: int
    entries: int
    hit_rate: float
    latency_ns: float
    mb_per_s: float
    cache: str


def synthetic(quick: bool) -> list[Source]:
    """Patterns over 16 GiB; each has warmed the cache before anything is counted."""
    count, memory = (1 << 17, "1G") if quick else (1 << 21, "16G")
    common = ("--memory", memory, "--message", "16K", "--count", str(count), "--warm", str(count // 2),
              "--seed", "1")
    text = f"messages of 16 KiB in {memory.removesuffix('G')} GiB"
    return [
        Source("uniform", "Random places", text, ("--pattern", "uniform", *common)),
        Source("sequential", "One after the other, again and again", text,
               ("--pattern", "sequential", *common)),
        Source("kv", "Blocks of a KV cache in slices", f"{text}: a block of each of 32 layers, a fifth is hot; "
               "regions of 3.5 GiB", ("--pattern", "kv", "--slice", "3584M", *common)),
    ]


def recorded(trace: Path) -> Source:
    return Source("recorded", "Recorded on the mlx5 model", f"{trace.name}, from its start, with other pages",
                  ("--trace", str(trace)))


def _point(source: str, line: str) -> Point:
    try:
        fields = json.loads(line)
        return Point(source, int(fields["pages"]), int(fields["entries"]), float(fields["hit_rate"]),
                     float(fields["latency_ns"]), float(fields["mb_per_s"]), str(fields["cache"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadReplay(f"{source}: not a line of mlx5-model-replay: {line[:100]!r} ({error})") from error


def replay(program: list[str], source: Source, parameters: str = "") -> list[Point]:
    """All capacities and page sizes; parameters go to each cache."""
    command = [*program, *source.arguments]
    for pages in PAGES:
        command += ["--pages", str(pages)]
    for sets in SETS:
        command += ["--cache", ":".join(filter(None, (f"mtt={sets}x{WAYS}", parameters)))]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise BadReplay(f"{source.name}: {result.stderr.strip() or f'status {result.returncode}'}")
    points = [_point(source.name, line) for line in result.stdout.splitlines()]
    if len(points) != len(PAGES) * len(SETS):
        raise BadReplay(f"{source.name}: {len(points)} lines instead of {len(PAGES) * len(SETS)}")
    return points


def select(points: Iterable[Point], source: str, pages: int) -> list[Point]:
    found = [point for point in points if (point.source, point.pages) == (source, pages)]
    return sorted(found, key=lambda point: point.entries)
