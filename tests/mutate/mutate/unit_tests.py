# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The unit tests of a build, as ctest knows them."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class UnitTest:
    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]

    def programs(self, outputs: set[Path]) -> set[Path]:
        """Which of these outputs it runs. A script gets one, and may find the others beside it."""
        named = {Path(word) for word in self.command} & outputs
        return named if Path(self.command[0]) in outputs and len(named) == 1 else outputs


def unit_tests(build: Path, pattern: str) -> list[UnitTest]:
    """Those whose name matches the whole pattern."""
    done = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                          stdout=subprocess.PIPE, text=True, check=True, stdin=subprocess.DEVNULL)
    return parse(done.stdout, pattern)


def parse(text: str, pattern: str) -> list[UnitTest]:
    found: list[UnitTest] = []
    for test in json.loads(text)["tests"]:
        if not re.fullmatch(pattern, test["name"]):
            continue
        environment: list[tuple[str, str]] = []
        for quality in test.get("properties", []):
            if quality["name"] == "ENVIRONMENT":
                environment += [_variable(word) for word in quality["value"]]
        found.append(UnitTest(test["name"], tuple(test["command"]), tuple(environment)))
    return found


def _variable(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value
