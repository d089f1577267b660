# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""
Make results from the machine's figures: JSON, Markdown, SVG.

    python3 bench/report --output DIR FILE...     FILEs have the machine's output
    python3 bench/report --agree A.json B.json    how far two runs differ
    python3 bench/report --gate OLD.json NEW.json has an exact count grown?
    python3 bench/report --into README.md A.json  replace the short table there
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import agree
import expected
import gate
import plots
import short
import tables
import targets
from figures import BadFigure, Figures, Note, read_lines

AGREEMENT = 0.02


def markdown(figures: Figures, found: list[targets.Target], quick: bool) -> str:
    parts = ["# Benchmarks\n"]
    if quick:
        parts.append("A quick run, which shows that everything can be measured: its lengths are "
                     "shorter than stated here, and its figures mean little.\n")
    parts.append("Populated memory of 2 MiB pages, 1 GiB of it; rxe, translations on the mlx5 model.\n")
    parts.append(short.table(figures))
    parts.append("## To be reached\n")
    parts.append(targets.table(found))
    parts.append("## Side by side\n")
    parts.append("Memory has pages of 2 MiB where nothing else is said (1 GiB for “ODP 1 GiB”), the "
                 "device is rxe. “Populated”: the CPU has written to it. “Cold”: untouched.\n")
    parts.append(tables.render_all(figures))
    if figures.about:
        parts.append("## The run\n")
        parts.append(about(figures))
    parts.append("## Plots\n")
    parts.extend(f"![{plot.title}]({name}.svg)\n" for name, plot in plots.plots(figures))
    return "\n".join(parts)


def about(figures: Figures) -> str:
    rows = [f"| {name} | {value} |" for name, value in sorted(figures.about.items())]
    return "\n".join(["| | |", "| --- | --- |", *rows]) + "\n"


def write(output: Path, figures: Figures, quick: bool) -> None:
    found = targets.targets(figures)
    output.mkdir(parents=True, exist_ok=True)
    head = json.dumps(
        {
            "quick": quick,
            "about": dict(sorted(figures.about.items())),
            "targets": [targets.as_json(target) for target in found],
        },
        indent=1,
        ensure_ascii=False,
    )
    # one figure per line, so that two runs can be compared by eye
    body = ",\n".join("  " + json.dumps(figure.as_json()) for figure in figures)
    text = head.removesuffix("\n}") + ',\n "figures": [\n' + body + "\n ]\n}\n"
    (output / "results.json").write_text(text, encoding="utf-8")
    (output / "results.md").write_text(markdown(figures, found, quick), encoding="utf-8")
    for name, svg in plots.render_all(figures).items():
        (output / name).write_text(svg, encoding="utf-8")
    sys.stdout.write(targets.table(found))


def report(arguments: argparse.Namespace) -> int:
    try:
        figures = Figures([*notes(arguments.about), *read_lines(arguments.files)])
    except BadFigure as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    absent = expected.missing(figures)
    if absent:
        print("report: not measured:", *absent, sep="\n  ", file=sys.stderr)
        return 1
    write(arguments.output, figures, arguments.quick)
    return 0


def agreement(paths: list[Path]) -> int:
    first, second = (agree.read_results(path) for path in paths)
    count, far = agree.compare(first, second, AGREEMENT)
    print(f"{count} figures in both, {count - len(far)} within {AGREEMENT:.0%}", *far, sep="\n")
    return 0 if count and not far else 1


def counts(paths: list[Path]) -> int:
    old, new = (agree.read_results(path) for path in paths)
    number, larger = gate.grown(old, new)
    print(f"{number} exact counts in both, {len(larger)} larger", *larger, sep="\n")
    return 0 if number and not larger else 1


def put_into(readme: Path, results: Path) -> int:
    text = readme.read_text(encoding="utf-8")
    try:
        readme.write_text(short.into(text, agree.read_results(results)), encoding="utf-8")
    except ValueError as error:
        print(f"report: {readme}: {error}", file=sys.stderr)
        return 1
    return 0


def notes(pairs: list[str]) -> list[Note]:
    """NAME=VALUE of the command line."""
    split = [pair.partition("=") for pair in pairs]
    if any(not name or not equals for name, equals, _ in split):
        raise BadFigure(f"{' '.join(pairs)}: not NAME=VALUE")
    return [Note(name, value) for name, _, value in split]


def main() -> int:
    parser = argparse.ArgumentParser(prog="report", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="note in the results that the run was a quick one")
    parser.add_argument("--output", type=Path, metavar="DIR")
    parser.add_argument("--about", action="append", default=[], metavar="NAME=VALUE",
                        help="note a fact about the run in the results")
    parser.add_argument("--agree", action="store_true", help="compare two files of results")
    parser.add_argument("--gate", action="store_true",
                        help="fail if a count that does not depend on the machine is larger in the second file")
    parser.add_argument("--into", type=Path, metavar="README",
                        help="replace the short table in a text by that of a file of results")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.agree or arguments.gate:
        if len(arguments.files) != 2:
            parser.error("two files of results are needed")
        return (agreement if arguments.agree else counts)(arguments.files)
    if arguments.into is not None:
        if len(arguments.files) != 1:
            parser.error("one file of results is needed")
        return put_into(arguments.into, arguments.files[0])
    if arguments.output is None:
        parser.error("--output is missing")
    return report(arguments)


if __name__ == "__main__":
    sys.exit(main())
