# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""What is changed, by which tests it must be noticed, and how many of them at least."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

# programs of cmocka
PROGRAMS = "test_(?!bench_report|mutate|abi).*"
SCRIPTS = "check-(tool|explain|run|shim|devices)"


@dataclass(frozen=True)
class Target:
    name: str
    files: tuple[str, ...]
    # a pattern of names of ctest; Python has none there
    tests: str
    # per cent of the mutants that are not equivalent
    required: int

    def has(self, file: str) -> bool:
        if "/tests/" in file:
            return False
        return any(fnmatch(file, pattern) for pattern in self.files)


TARGETS = (
    Target("library", ("libibverbs/*.[ch]", "providers/*.[ch]"), f"{PROGRAMS}|{SCRIPTS}", 95),
    Target("preload", ("preload/*.[ch]",), f"test_(preload|survey|tracked).*|{SCRIPTS}", 90),
    Target("tools", ("tools/*.[ch]",), f"{PROGRAMS}|{SCRIPTS}", 85),
    Target("model", ("mlx5-model/*.[ch]",), "mlx5-(?!fuzz).*", 85),
    Target("python", ("pyverbs/hugeodp/*.py",), "", 0),
)
