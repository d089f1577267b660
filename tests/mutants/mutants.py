#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Deliberate defects in the kernel side.

usage: mutants.py names | tests NAME | file NAME | apply NAME WORK

names prints the name of each defect, tests the device of one and the lab tests that must find it,
file its file in the tree in which the modules are built, and apply puts it into such a tree. An old
text that is not found exactly once is an error.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

LIST = Path(__file__).resolve().parent / "kernel.txt"
# folders of the drivers, and of the build of the modules
FOLDERS = {"sw/rxe/": "rxe/", "hw/mlx5/": "mlx5/", "core/": "core/"}


class BadList(Exception):
    """The list of defects is wrong."""


@dataclass
class Mutant:
    name: str
    fields: dict[str, str] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def path(self, work: Path) -> Path:
        file = self.fields["file"]
        for folder, place in FOLDERS.items():
            if file.startswith(folder):
                return work / (place + file.removeprefix(folder))
        raise BadList(f"{self.name}: {file} is in none of {', '.join(FOLDERS)}")

    def apply(self, work: Path) -> None:
        path = self.path(work)
        text = path.read_text(encoding="utf-8")
        before = "\n".join(self.old)
        if text.count(before) != 1:
            raise BadList(f"{self.name}: {path} has {text.count(before)} times:\n{before}")
        path.write_text(text.replace(before, "\n".join(self.new)), encoding="utf-8")


def read_list(text: str) -> dict[str, Mutant]:
    mutants: dict[str, Mutant] = {}
    mutant = None
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            mutant = Mutant(line[1:-1])
            if mutant.name in mutants:
                raise BadList(f"{mutant.name} is there twice")
            mutants[mutant.name] = mutant
        elif not line or line.startswith("#"):
            continue
        elif not mutant:
            raise BadList(f"no [NAME] before: {line}")
        elif line[0] == "-":
            mutant.old.append(line[1:])
        elif line[0] == "+":
            mutant.new.append(line[1:])
        else:
            key, _, value = line.partition(": ")
            mutant.fields[key] = value
    for mutant in mutants.values():
        if set(mutant.fields) != {"file", "tests", "defect"} or not mutant.old:
            raise BadList(f"{mutant.name}: incomplete")
    return mutants


def main(arguments: list[str]) -> None:
    mutants = read_list(LIST.read_text(encoding="utf-8"))
    match arguments:
        case ["names"]:
            print("\n".join(mutants))
        case ["tests", name] if name in mutants:
            print(mutants[name].fields["tests"].replace(":", ""))
        case ["file", name] if name in mutants:
            print(mutants[name].path(Path()))
        case ["apply", name, work] if name in mutants:
            mutants[name].apply(Path(work))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BadList as error:
        raise SystemExit(f"mutants.py: {error}") from error
