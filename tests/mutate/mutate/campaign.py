# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Samples of mutants, tried one after the other."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .c_operators import c_edits
from .coverage import Coverage
from .engine import Engine, Result
from .equivalent import Key
from .mutant import Mutant, mutant_of
from .python_operators import python_edits
from .targets import Target


def mutants_of(source: Path, file: str) -> list[Mutant]:
    text = (source / file).read_text()
    edits = python_edits(text) if file.endswith(".py") else c_edits(text)
    return [mutant_of(file, text, edit) for edit in edits]


def all_mutants(source: Path, target: Target, files: Iterable[str]) -> list[Mutant]:
    found: list[Mutant] = []
    for file in sorted(files):
        if target.has(file):
            found += mutants_of(source, file)
    return found


def sample(mutants: list[Mutant], target: str, seed: int, size: int | None) -> list[Mutant]:
    """The same for the same seed and files; a larger sample begins with the smaller one."""
    shuffled = list(mutants)
    random.Random(f"{seed}:{target}").shuffle(shuffled)
    return shuffled if size is None else shuffled[:size]


@dataclass
class Campaign:
    """The tries of one target; TELL gets each result."""

    engine: Engine
    coverage: Coverage | None
    equivalent: dict[Key, str]
    report: Callable[[Result], None]
    results: list[Result] = field(default_factory=list)

    def reached_by(self, mutant: Mutant) -> set[str]:
        if self.coverage is None:
            return set(self.engine.tests)
        last = mutant.line + mutant.before.count("\n")
        return self.coverage.of(mutant.file, mutant.line, last) & set(self.engine.tests)

    def run(self, mutants: list[Mutant], deadline: float | None) -> None:
        for result in self._tries(mutants, deadline):
            self.results.append(result)
            self.report(result)

    def _tries(self, mutants: list[Mutant], deadline: float | None) -> Iterator[Result]:
        for mutant in mutants:
            if deadline is not None and time.monotonic() > deadline:
                return
            if mutant.key in self.equivalent:
                yield Result(mutant, "equivalent", self.equivalent[mutant.key])
                continue
            names = self.reached_by(mutant)
            if not names:
                yield Result(mutant, "unreached")
                continue
            self.engine.measure(names)
            yield self.engine.try_mutant(mutant, names)

    def again(self, make: Callable[[], Engine]) -> None:
        """Try the survivors with other builds of the tests, as those with sanitizers."""
        left = [result for result in self.results if result.state == "survived"]
        if not left:
            return
        self.engine = make()
        for result in left:
            names = self.reached_by(result.mutant)
            self.engine.measure(names)
            second = self.engine.try_mutant(result.mutant, names)
            if second.state == "killed":
                self.results[self.results.index(result)] = second
                self.report(second)
