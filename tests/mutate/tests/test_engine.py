#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Mutants of a small project: what is built, run, limited and left over."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutate import sandbox  # noqa: E402
from mutate.build import BuildFailed  # noqa: E402
from mutate.campaign import Campaign, mutants_of  # noqa: E402
from mutate.coverage import Coverage  # noqa: E402
from mutate.engine import BadTests, Engine, Result  # noqa: E402
from mutate.equivalent import Key  # noqa: E402
from mutate.mutant import Mutant  # noqa: E402
from mutate.sandbox import Limits  # noqa: E402
from mutate.unit_tests import UnitTest  # noqa: E402
from mutate.workspace import Workspace  # noqa: E402

FILES = {
    "CMakeLists.txt": """
cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES C)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
enable_testing()
add_library(both OBJECT sum.c)
add_executable(test_sum test_sum.c)
target_link_libraries(test_sum both)
add_executable(other other.c)
target_link_libraries(other both)
add_test(NAME test_sum COMMAND test_sum)
add_test(NAME check-other COMMAND sh ${CMAKE_SOURCE_DIR}/check.sh $<TARGET_FILE:other>)
""",
    "sum.h": "int sum(int count);\nint unreached(int a);\nstatic inline int twice(int a)\n{\n"
             "\treturn a * 2;\n}\n",
    "sum.c": '#include "sum.h"\n\nint sum(int count)\n{\n\tint i, total = 0;\n'
             '\n\t_Static_assert(1 + 1 == 2, "");\n'
             "\tfor (i = 0; i < count; i++)\n\t\ttotal += i;\n\treturn twice(total) / 2;\n}\n\n"
             "int unreached(int a)\n{\n\treturn a + 1;\n}\n",
    "test_sum.c": '#include "sum.h"\n\nint main(void)\n{\n\treturn sum(4) != 6;\n}\n',
    "other.c": '#include "sum.h"\n\nint main(void)\n{\n\treturn sum(3);\n}\n',
    # the program in a background process, which stays
    "check.sh": 'sleep 1000 &\n"$1"\ntest $? = 3\n',
}


class Small(unittest.TestCase):
    """One workspace for all tests, as cmake takes its time."""

    dir: Path
    top: Path
    space: Workspace
    coverage: Coverage
    engine: Engine

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory(prefix="test_mutate.", dir="/dev/shm")
        cls.addClassCleanup(directory.cleanup)
        cls.dir = Path(directory.name)
        cls.dir.chmod(0o755)
        cls.top = cls.dir / "top"
        cls.top.mkdir()
        for name, text in FILES.items():
            (cls.top / name).write_text(text)
        cls.space = Workspace(cls.top, cls.dir / "work", [])
        cls.coverage = cls.space.coverage("test_.*|check-.*")
        cls.engine = cls.space.engine("test_.*|check-.*")

    def campaign(self, pattern: str, known: dict[Key, str] | None = None) -> Campaign:
        tests = [test for name, test in self.engine.tests.items() if re.fullmatch(pattern, name)]
        engine = Engine(self.engine.tree, tests, self.space.tmp, False)
        return Campaign(engine, self.coverage, known or {}, lambda result: None)

    def mutants(self, file: str, *afters: str) -> list[Mutant]:
        """Those of FILE with these lines."""
        found = [m for m in mutants_of(self.top, file) if m.after.strip() in afters]
        self.assertEqual(len(found), len(afters))
        return found

    def tries(self, file: str, tests: str, *afters: str) -> dict[str, str]:
        campaign = self.campaign(tests)
        campaign.run(self.mutants(file, *afters), None)
        tree = campaign.engine.tree
        self.assertEqual((tree.source / file).read_text(), FILES[file])
        self.assertEqual(list(tree.build.rglob("*.kept")), [])
        # what is restored passes
        campaign.engine.costs.clear()
        campaign.engine.measure(set(campaign.engine.tests))
        return {result.mutant.after.strip(): result.state for result in campaign.results}

    def test_states(self) -> None:
        found = self.tries("sum.c", "test_.*", "for (i = 0; i <= count; i++)", "return a - 1;",
                           "for (i = 1; i < count; i++)", "for (i = 0; i < count; i--)",
                           '_Static_assert(1 + 1 != 2, "");')
        self.assertEqual(found, {
            "for (i = 0; i <= count; i++)": "killed", "return a - 1;": "unreached",
            # adding 0 first makes no difference
            "for (i = 1; i < count; i++)": "survived", "for (i = 0; i < count; i--)": "killed",
            '_Static_assert(1 + 1 != 2, "");': "invalid"})

    def test_header(self) -> None:
        found = self.tries("sum.h", "test_.*", "return a * 3;", "return a / 2;")
        self.assertEqual(set(found.values()), {"killed"})

    def test_script(self) -> None:
        """It runs a program that the command line names, and leaves a process."""
        started = time.monotonic()
        found = self.tries("sum.c", "check-.*", "for (i = 0; i <= count; i++)",
                           "for (i = 1; i < count; i++)")
        self.assertEqual(found, {"for (i = 0; i <= count; i++)": "killed",
                                 "for (i = 1; i < count; i++)": "survived"})
        self.assertLess(time.monotonic() - started, 500)

    def test_sources_in_memory(self) -> None:
        """The working copy is never changed."""
        for name, text in FILES.items():
            self.assertEqual((self.top / name).read_text(), text)

    def test_kept_coverage(self) -> None:
        again = Workspace(self.top, self.dir / "work", []).coverage("test_.*|check-.*")
        self.assertEqual(again, self.coverage)

    def test_killed_run(self) -> None:
        """The next one starts with what the unchanged sources give."""
        tree = self.engine.tree
        path = tree.source / "sum.c"
        path.write_text(FILES["sum.c"].replace("total += i", "total -= i"))
        self.assertTrue(tree.compile(path, 100))
        self.assertTrue(tree.link(tree.depends_on(path), 100))
        path.write_text(FILES["sum.c"])
        tree.changed.clear()
        Workspace(self.top, self.dir / "work", []).engine("test_.*").measure({"test_sum"})
        self.assertEqual(list(tree.build.rglob("*.kept")), [])

    def test_broken(self) -> None:
        """Without any mutant."""
        bad = UnitTest("bad", ("sh", "-c", "exit 3"), ())
        engine = Engine(self.engine.tree, [bad], self.space.tmp, False)
        self.assertRaisesRegex(BadTests, "bad ended with status 3", engine.measure, {"bad"})
        top = self.dir / "bad"
        top.mkdir()
        (top / "CMakeLists.txt").write_text("message(FATAL_ERROR no)\n")
        space = Workspace(top, self.dir / "bad-work", [])
        self.assertRaises(BuildFailed, space.engine, "test_.*")

    def test_second_engine(self) -> None:
        """It can kill what survived the first."""
        campaign = self.campaign("test_.*")
        campaign.run(self.mutants("sum.c", "for (i = 1; i < count; i++)"), None)
        self.assertEqual([result.state for result in campaign.results], ["survived"])
        campaign.again(lambda: Failing(self.engine.tree, list(self.engine.tests.values()),
                                       self.space.tmp, False))
        self.assertEqual([result.state for result in campaign.results], ["killed"])

    def test_deadline(self) -> None:
        campaign = self.campaign("test_.*")
        campaign.run(mutants_of(self.top, "sum.c"), time.monotonic() - 1)
        self.assertEqual(campaign.results, [])

    def test_equivalent(self) -> None:
        mutant = mutants_of(self.top, "sum.c")[0]
        campaign = self.campaign("test_.*", {mutant.key: "so"})
        campaign.run([mutant], None)
        self.assertEqual([(r.state, r.detail) for r in campaign.results], [("equivalent", "so")])


class Failing(Engine):
    """Each mutant fails all tests."""

    def try_mutant(self, mutant: Mutant, names: set[str]) -> Result:
        return Result(mutant, "killed")


class Limited(unittest.TestCase):
    def run_script(self, text: str, limits: Limits = Limits(20, 5)) -> sandbox.Outcome:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
            return sandbox.run(["sh", "-c", text], limits, {"WORD": "given"}, Path(name))

    def test_status(self) -> None:
        outcome = self.run_script("echo $WORD; exit 3")
        self.assertEqual((outcome.status, outcome.output), (3, "given\n"))

    def test_time(self) -> None:
        self.assertIsNone(self.run_script("sleep 100", Limits(0.5, 5)).status)
        self.assertFalse(self.run_script("while :; do :; done", Limits(60, 1)).passed)

    def test_memory(self) -> None:
        hog = 'python3 -c "import time; a = b\'x\' * (200 << 20); time.sleep(20)"'
        self.assertIsNone(self.run_script(hog, Limits(60, 50, memory=100 << 20)).status)

    def test_file_size(self) -> None:
        self.assertFalse(self.run_script("head -c 2M /dev/zero >f", Limits(20, 5, file_size=1 << 20)).passed)

    def test_no_rights(self) -> None:
        for text in ("mount -t tmpfs tmpfs /mnt", "chown 1:1 /tmp", "echo 1 >/proc/sys/kernel/printk",
                     f"touch {Path(__file__).parent}/new", "grep -q : /proc/net/route"):
            self.assertFalse(self.run_script(text).passed, text)

    def test_left_over(self) -> None:
        """Also processes that have left the session, and after a limit."""
        mark = f"99{os.getpid()}"
        for text in (f"setsid sleep {mark} & sleep 0.2", f"setsid sleep {mark} & sleep 1000"):
            self.run_script(text, Limits(2, 5))
            left = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline")
                    if f"sleep\0{mark}".encode() in self.line_of(path)]
            self.assertEqual(left, [])

    @staticmethod
    def line_of(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError:
            return b""


def main() -> None:
    try:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
            sandbox.require(Path(name))
    except sandbox.NoSandbox as e:
        print(f"NOT CHECKED: mutants of a small project: {e}")
        return
    unittest.main()


if __name__ == "__main__":
    main()
