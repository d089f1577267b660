# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Report which lines and branches of kernel files ran, from the counts of one or more machines.

usage: coverage.py --files LIST --floor FILE --output DIR NOTES COUNTS...
NOTES is a folder with the .gcno files of a kernel, COUNTS one with .gcda files of a machine that ran
it. Writes coverage.md, a table, and missed.txt, the lines that never ran. A file whose lines or
branches are covered less than a line "FILE LINES BRANCHES" of the floor says, in percent, is an
error, and so is a file of the list without any counts.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Counts:
    """How often each line, and each branch of a line, of a file ran."""

    lines: Counter[int] = field(default_factory=Counter)
    branches: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, line: dict[str, object]) -> None:
        number, count, branches = line["line_number"], line["count"], line["branches"]
        assert isinstance(number, int) and isinstance(count, int) and isinstance(branches, list)
        self.lines[number] += count
        for index, branch in enumerate(branches):
            self.branches[number, index] += branch["count"]


def percent(counts: Counter[int] | Counter[tuple[int, int]]) -> float:
    """Of a counter that has keys with the count 0, too."""
    return 100 * sum(value > 0 for value in counts.values()) / len(counts) if counts else 100


def gcov(notes: Path, counts: Path) -> Iterator[dict[str, object]]:
    """What gcov says about each source file of each object."""
    with tempfile.TemporaryDirectory() as work:
        for data in sorted(counts.rglob("*.gcda")):
            note = notes / data.relative_to(counts).with_suffix(".gcno")
            for file in (note, data):
                shutil.copy(file, work)
            done = subprocess.run(
                ["gcov", "--branch-probabilities", "--json-format", "--stdout", data.name],
                cwd=work, text=True, capture_output=True, check=True,
            )  # fmt: skip
            for text in done.stdout.splitlines():
                yield from json.loads(text)["files"]


def read(notes: Path, machines: list[Path], wanted: set[str]) -> dict[str, Counts]:
    """Sums over all machines."""
    found: defaultdict[str, Counts] = defaultdict(Counts)
    for machine in machines:
        for file in gcov(notes, machine):
            name = str(file["file"]).removeprefix("../")
            lines = file["lines"]
            assert isinstance(lines, list)
            if name in wanted:
                for line in lines:
                    found[name].add(line)
    return found


def ranges(lines: list[int]) -> str:
    """Ascending numbers as "1-3, 7"."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def table(found: dict[str, Counts]) -> str:
    rows = ["| file | lines | run | branches | taken |", "| --- | ---: | ---: | ---: | ---: |"]
    total = Counts()
    for name, counts in sorted(found.items()):
        rows.append(row(name, counts))
        for index, value in enumerate(counts.lines.values()):
            total.lines[len(total.lines)] = value
        for index, value in enumerate(counts.branches.values()):
            total.branches[len(total.branches), index] = value
    return "\n".join([*rows, row("all", total)]) + "\n"


def row(name: str, counts: Counts) -> str:
    return (
        f"| {name.removeprefix('drivers/infiniband/')} | {len(counts.lines)} |"
        f" {percent(counts.lines):.1f} % | {len(counts.branches)} | {percent(counts.branches):.1f} % |"
    )


def missed(found: dict[str, Counts]) -> Iterator[str]:
    for name, counts in sorted(found.items()):
        lines = sorted(line for line, count in counts.lines.items() if not count)
        if lines:
            yield f"{name}: {ranges(lines)}"


def problems(found: dict[str, Counts], wanted: set[str], floor: Path) -> Iterator[str]:
    for name in sorted(wanted - found.keys()):
        yield f"{name}: no counts"
    for text in floor.read_text(encoding="utf-8").splitlines() if floor.exists() else []:
        if not text or text.startswith("#"):
            continue
        name, lines, branches = text.split()
        if name not in found:
            yield f"{name}: has a floor and no counts"
            continue
        for what, least, got in (
            ("lines", float(lines), percent(found[name].lines)),
            ("branches", float(branches), percent(found[name].branches)),
        ):
            if got < least:
                yield f"{name}: {got:.1f} % of the {what}, and the floor is {least} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, required=True)
    parser.add_argument("--floor", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("notes", type=Path)
    parser.add_argument("counts", type=Path, nargs="+")
    arguments = parser.parse_args()
    wanted = set(arguments.files.read_text(encoding="utf-8").split())
    found = read(arguments.notes, arguments.counts, wanted)
    (arguments.output / "coverage.md").write_text(table(found), encoding="utf-8")
    (arguments.output / "missed.txt").write_text(
        "".join(line + "\n" for line in missed(found)), encoding="utf-8"
    )
    bad = list(problems(found, wanted, arguments.floor))
    print("".join(line + "\n" for line in bad), end="")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
