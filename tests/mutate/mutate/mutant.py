# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""A mutant: one change of one file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


def on_one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True)
class Edit:
    """The replacement of text[start:end] by new, made by an operator."""

    operator: str
    start: int
    end: int
    new: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


@dataclass(frozen=True)
class Mutant:
    """An edit of a file, with the whole lines that it changes."""

    file: str
    line: int
    edit: Edit
    before: str
    after: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it in another version of the file: its content, not its place."""
        return (self.file, on_one_line(self.before), on_one_line(self.after))

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    def describe(self) -> str:
        return f"{self.where} ({self.edit.operator})\n{self.diff()}"

    def diff(self) -> str:
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), lineterm="", n=0
        )
        # without the header, which would repeat the file's name
        return "\n".join(line for line in list(lines)[3:])


def mutant_of(file: str, text: str, edit: Edit) -> Mutant:
    first = text.rfind("\n", 0, edit.start) + 1
    last = text.find("\n", max(edit.end - 1, edit.start))
    if last < 0:
        last = len(text)
    line = text.count("\n", 0, edit.start) + 1
    changed = text[first : edit.start] + edit.new + text[edit.end : last]
    return Mutant(file, line, edit, text[first:last], changed)
