# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Copies of the sources with their builds, in memory."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import subprocess
from pathlib import Path

from .build import Tree, copy_sources
from .coverage import FLAGS, Coverage
from .engine import Engine, measure_coverage
from .targets import Target
from .unit_tests import UnitTest, unit_tests

PLAIN = "-DCMAKE_C_FLAGS=-O0 -w"
SANITIZED = ["-DCMAKE_C_FLAGS=-O1 -g1 -w", "-DHUGEODP_SANITIZERS=address,undefined"]


def source_files(top: Path) -> list[str]:
    """The files of the working copy, or all files where that is not known."""
    if (top / ".git").exists():
        names = subprocess.run(["git", "-C", str(top), "ls-files", "-z", "-co", "--exclude-standard"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
        return sorted(name for name in names if name and (top / name).is_file())
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


class Workspace:
    """Everything below WORK. Trees are kept there until it goes."""

    def __init__(self, top: Path, work: Path, options: list[str]) -> None:
        self.files = source_files(top)
        self.top = top
        self.work = work
        self.options = ["-DHUGEODP_UNIT_TESTS=ON", *options]
        self.tmp = work / "tmp"
        self.tmp.mkdir(parents=True, exist_ok=True)

    def _tree(self, name: str, options: list[str]) -> Tree:
        tree = Tree(self.work / name / "src", self.work / name / "build")
        if tree.source.exists():
            shutil.rmtree(tree.source)
        # times of files are kept, and so are objects of earlier builds
        copy_sources(self.files, self.top, tree.source)
        tree.configure([*self.options, *options])
        return tree

    def _key(self, pattern: str) -> str:
        digest = hashlib.sha256(f"{pattern}\n{self.options}".encode())
        for name in self.files:
            if not name.startswith(("tests/mutate/", "kernel/", "lab/", "bench/")):
                digest.update(name.encode() + (self.top / name).read_bytes())
        return digest.hexdigest()[:16]

    def coverage(self, pattern: str) -> Coverage:
        kept = self.work / f"coverage-{self._key(pattern)}"
        if kept.exists():
            loaded: Coverage = pickle.loads(kept.read_bytes())
            return loaded
        tree = self._tree("coverage", [f"{PLAIN} {FLAGS}"])
        found = measure_coverage(tree, pattern, self.tmp)
        kept.write_bytes(pickle.dumps(found))
        return found

    def engine(self, pattern: str, sanitized: bool = False) -> Engine:
        tree = self._tree(*(("sanitized", SANITIZED) if sanitized else ("plain", [PLAIN])))
        return Engine(tree, unit_tests(tree.build, pattern), self.tmp, sanitized)

    def python_engine(self) -> Engine:
        """Changed files take the place of those in the package; its module of C stays."""
        tree = self._tree("python", [PLAIN, "-DHUGEODP_PYTHON=ON"])
        package = tree.source / "pyverbs"
        for module in (tree.build / "pyverbs/hugeodp").glob("_core*.so"):
            shutil.copy2(module, package / "hugeodp")
        version = (tree.build / "CMakeCache.txt").read_text()
        version = version.split("CMAKE_PROJECT_VERSION:STATIC=", 1)[1].split("\n", 1)[0]
        environment = (("PYTHONPATH", str(package)), ("LD_LIBRARY_PATH", str(tree.build / "libibverbs")))
        tests = [
            UnitTest(path.stem, ("/usr/bin/python3", str(path), version), environment)
            for path in sorted((package / "tests").glob("test_*.py"))
            if path.stem in ("test_package", "test_without_device")
        ]
        return Engine(tree, tests, self.tmp, False)


def pattern_of(targets: list[Target]) -> str:
    return "|".join(f"(?:{target.tests})" for target in targets if target.tests)
