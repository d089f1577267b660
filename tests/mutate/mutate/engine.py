# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Make one mutant at a time and run the tests that reach it."""

from __future__ import annotations

import math
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from . import coverage as gcov
from .build import Tree
from .coverage import Coverage
from .mutant import Mutant
from .sandbox import Limits, Outcome, run
from .unit_tests import UnitTest, unit_tests

COMPILE_SECONDS = 300.0


class BadTests(Exception):
    """A test fails without any mutant."""


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu: float

    def limits(self, sanitized: bool) -> Limits:
        """A mutant may be slower than the original, and the machine busier than it was."""
        factor = 4 if sanitized else 1
        return Limits(factor * (15 + 8 * self.seconds), math.ceil(factor * (3 + 5 * self.cpu)))


@dataclass(frozen=True)
class Result:
    """STATE is killed, survived, unreached, equivalent, or invalid: the compiler refuses it."""

    mutant: Mutant
    state: str
    detail: str = ""


FIRST = Cost(60, 60)


def timed(test: UnitTest, tmp: Path, limits: Limits) -> tuple[Outcome, Cost]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    outcome = run(test.command, limits, dict(test.environment), tmp)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return outcome, Cost(time.monotonic() - start, cpu)


def require_passed(test: UnitTest, outcome: Outcome) -> None:
    if not outcome.passed:
        how = "reached a limit" if outcome.status is None else f"ended with status {outcome.status}"
        raise BadTests(f"{test.name} {how} without a mutant:\n{outcome.output[-4000:]}")


class Engine:
    """A tree with its tests; the costs are those of the tests without mutants."""

    def __init__(self, tree: Tree, tests: list[UnitTest], tmp: Path, sanitized: bool) -> None:
        self.tree = tree
        self.tests = {test.name: test for test in tests}
        self.tmp = tmp
        self.sanitized = sanitized
        self.costs: dict[str, Cost] = {}

    def measure(self, names: set[str]) -> None:
        for name in sorted(names & set(self.tests)):
            if name not in self.costs:
                test = self.tests[name]
                outcome, cost = timed(test, self.tmp, FIRST.limits(self.sanitized))
                require_passed(test, outcome)
                self.costs[name] = cost

    def try_mutant(self, mutant: Mutant, names: set[str]) -> Result:
        path = self.tree.source / mutant.file
        text = path.read_text()
        path.write_text(mutant.edit.apply(text))
        try:
            if not self.tree.compile(path, COMPILE_SECONDS):
                return Result(mutant, "invalid")
            return self._tests(mutant, path, names)
        finally:
            path.write_text(text)
            self.tree.restore()

    def _tests(self, mutant: Mutant, path: Path, names: set[str]) -> Result:
        """The tests in the order of their costs, until one fails."""
        affected = self.tree.depends_on(path)
        known = names & set(self.tests)
        for name in sorted(known, key=lambda name: (self.costs[name].cpu, name)):
            test = self.tests[name]
            if not self.tree.link(test.programs(set(self.tree.link_steps)) & affected, COMPILE_SECONDS):
                return Result(mutant, "invalid")
            limits = self.costs[name].limits(self.sanitized)
            outcome = run(test.command, limits, dict(test.environment), self.tmp)
            if not outcome.passed:
                hung = " (limit)" if outcome.status is None else ""
                return Result(mutant, "killed", name + hung)
        return Result(mutant, "survived", f"{len(known)} tests")


def measure_coverage(tree: Tree, pattern: str, tmp: Path) -> Coverage:
    """Run each test once in a tree that was built with gcov's flags."""
    reached = Coverage()
    for path in tree.build.rglob("*"):
        # tests run as another user and write beside the objects
        if path.is_dir():
            path.chmod(0o777)
    for test in unit_tests(tree.build, pattern):
        gcov.clear(tree.build)
        outcome, _ = timed(test, tmp, FIRST.limits(False))
        if not outcome.passed:
            # gcov writes files, which a test can notice; in the other builds it has to pass
            print(f"# {test.name} fails under gcov", flush=True)
        gcov.collect(reached, test, tree.source, tree.build)
    return reached
