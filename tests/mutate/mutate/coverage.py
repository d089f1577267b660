# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Which lines each test reaches, by gcov."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .unit_tests import UnitTest

FLAGS = "--coverage -fprofile-update=atomic"


@dataclass
class Coverage:
    # file, relative to the sources, and line -> names of tests
    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    # lines that have code
    lines: dict[str, set[int]] = field(default_factory=dict)

    def add(self, test: str, source: Path, report: str) -> None:
        """A line of gcov's JSON."""
        data = json.loads(report)
        for file in data["files"]:
            path = Path(data["current_working_directory"]) / file["file"]
            if not path.is_relative_to(source):
                continue
            name = str(path.relative_to(source))
            for line in file["lines"]:
                number = int(line["line_number"])
                self.lines.setdefault(name, set()).add(number)
                if line["count"]:
                    self.tests.setdefault((name, number), set()).add(test)

    def of(self, file: str, first: int, last: int) -> set[str]:
        """Tests that reach one of these lines. A line without code belongs to the last with some."""
        code = self.lines.get(file, set())
        if not any(number in code for number in range(first, last + 1)):
            before = [number for number in code if number < first]
            first = last = max(before, default=first)
        found: set[str] = set()
        for number in range(first, last + 1):
            found |= self.tests.get((file, number), set())
        return found


def clear(build: Path) -> None:
    for path in build.rglob("*.gcda"):
        path.unlink()


def collect(coverage: Coverage, test: UnitTest, source: Path, build: Path) -> None:
    """Add what the test, which has run, reached."""
    data = [str(path) for path in build.rglob("*.gcda")]
    if not data:
        return
    done = subprocess.run(["gcov", "--json-format", "--stdout", *data], cwd=build, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            coverage.add(test.name, source, line)
