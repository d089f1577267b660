# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Scores, and results as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from .engine import Result

COUNTED = ("killed", "survived", "unreached")
ALIVE = ("survived", "unreached")


@dataclass(frozen=True)
class Score:
    killed: int
    counted: int
    equivalent: int
    invalid: int

    @property
    def percent(self) -> float:
        return 100 * self.killed / self.counted if self.counted else 0.0

    def __str__(self) -> str:
        return (f"{self.killed} of {self.counted} killed ({self.percent:.1f} %),"
                f" {self.equivalent} equivalent, {self.invalid} not compiled")


def score(results: Iterable[Result]) -> Score:
    states = [result.state for result in results]
    return Score(states.count("killed"), sum(state in COUNTED for state in states),
                 states.count("equivalent"), states.count("invalid"))


def as_json(target: str, result: Result) -> str:
    mutant = result.mutant
    return json.dumps({
        "target": target, "file": mutant.file, "line": mutant.line,
        "operator": mutant.edit.operator, "before": mutant.before, "after": mutant.after,
        "state": result.state, "detail": result.detail,
    })


def survivors(text: str) -> set[tuple[str, str, str]]:
    """The keys of the mutants that survived, from lines of as_json()."""
    found: set[tuple[str, str, str]] = set()
    for line in text.splitlines():
        fields = json.loads(line)
        if fields["state"] in ALIVE:
            before, after = (" ".join(fields[name].split()) for name in ("before", "after"))
            found.add((fields["file"], before, after))
    return found
