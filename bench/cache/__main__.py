# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""
What a card's translation cache would gain from huge entries: cache.json, cache.md and plots.

    python3 bench/cache --output DIR [--trace FILE] [--parameters NAME=VALUE:...] -- mlx5-model-replay
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "report"))

import report  # noqa: E402
from replays import BadReplay, Point, Source, recorded, replay, synthetic  # noqa: E402


def write(output: Path, points: list[Point], sources: list[Source], quick: bool, given: str) -> None:
    output.mkdir(parents=True, exist_ok=True)
    # one point a line, so that two runs can be compared by eye
    body = ",\n".join(" " + json.dumps(dataclasses.asdict(point)) for point in points)
    (output / "cache.json").write_text(f"[\n{body}\n]\n", encoding="utf-8")
    (output / "cache.md").write_text(report.markdown(points, sources, quick, given), encoding="utf-8")
    for source in sources:
        for name, text in report.plots(points, source).items():
            (output / name).write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="cache", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="DIR", required=True)
    parser.add_argument("--trace", type=Path, metavar="FILE", help="a recorded trace, beside the synthetic ones")
    parser.add_argument("--parameters", default="", metavar="LIST", help="of the caches, but for mtt")
    parser.add_argument("--quick", action="store_true", help="with little memory and few messages")
    parser.add_argument("program", nargs="+", help="mlx5-model-replay, or a command that runs it")
    arguments = parser.parse_args()
    sources = synthetic(arguments.quick) + ([recorded(arguments.trace)] if arguments.trace else [])
    try:
        points = [point for source in sources
                  for point in replay(arguments.program, source, arguments.parameters)]
    except (BadReplay, OSError) as error:
        print(f"cache: {error}", file=sys.stderr)
        return 1
    write(arguments.output, points, sources, arguments.quick, arguments.parameters)
    sys.stdout.write(report.summary(points, sources))
    return 0


if __name__ == "__main__":
    sys.exit(main())
