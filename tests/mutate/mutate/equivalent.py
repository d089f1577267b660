# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The list of mutants that no test can notice, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .mutant import Mutant, on_one_line

Key = tuple[str, str, str]


class BadList(Exception):
    """The list is malformed, or one of its entries is out of date."""


@dataclass(frozen=True)
class Entry:
    key: Key
    reason: str
    line: int


def parse(text: str, name: str) -> list[Entry]:
    """Blocks of lines "FILE", "- BEFORE", "+ AFTER" and a reason, with blank lines in between."""
    entries: list[Entry] = []
    block: list[str] = []
    first = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        if line.strip():
            first = first if block else number
            block.append(line.strip())
        elif block:
            entries.append(_entry(block, f"{name}:{first}", first))
            block = []
    keys = {entry.key for entry in entries}
    if len(keys) != len(entries):
        raise BadList(f"{name}: an entry is there twice")
    return entries


def _entry(block: list[str], where: str, line: int) -> Entry:
    if len(block) < 4 or not block[1].startswith("- ") or not block[2].startswith("+ "):
        raise BadList(f"{where}: an entry has a file, '- BEFORE', '+ AFTER' and a reason")
    key = (block[0], on_one_line(block[1][2:]), on_one_line(block[2][2:]))
    return Entry(key, " ".join(block[3:]), line)


def read(path: Path) -> list[Entry]:
    return parse(path.read_text(), path.name) if path.exists() else []


def check(entries: Iterable[Entry], mutants: Iterable[Mutant], name: str) -> dict[Key, str]:
    """The reasons by mutant; an entry that is no mutant of today's files is an error."""
    keys = {mutant.key for mutant in mutants}
    stale = [entry for entry in entries if entry.key not in keys]
    if stale:
        lines = "\n".join(f"{name}:{entry.line}: {entry.key[0]}: {entry.key[2]}" for entry in stale)
        raise BadList(f"no longer mutants of these files:\n{lines}")
    return {entry.key: entry.reason for entry in entries}
