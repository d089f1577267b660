#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The list of equivalent mutants, samples, coverage, ctest's list and scores."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutate import equivalent  # noqa: E402
from mutate.campaign import sample  # noqa: E402
from mutate.coverage import Coverage  # noqa: E402
from mutate.engine import Result  # noqa: E402
from mutate.mutant import Edit, Mutant  # noqa: E402
from mutate.report import as_json, score, survivors  # noqa: E402
from mutate.targets import TARGETS  # noqa: E402
from mutate.unit_tests import parse  # noqa: E402


def mutant(before: str, after: str, line: int = 1) -> Mutant:
    return Mutant("a.c", line, Edit("relation", 0, 1, ""), before, after)


ENTRY = "# a comment\na.c\n- if (a  < b)\n+ if (a <= b)\n  Equal values\n  are not passed.\n"


class Equivalent(unittest.TestCase):
    def test_found(self) -> None:
        """White space and the place do not count."""
        entries = equivalent.parse(ENTRY, "list")
        other = mutant("\tx();", "\t;")
        found = equivalent.check(entries, [other, mutant("\tif (a < b)", "\tif (a <= b)", 9)], "list")
        self.assertEqual(found, {("a.c", "if (a < b)", "if (a <= b)"): "Equal values are not passed."})

    def test_stale(self) -> None:
        entries = equivalent.parse("\n\n" + ENTRY, "list")
        with self.assertRaisesRegex(equivalent.BadList, r"list:4: a.c: if \(a <= b\)"):
            equivalent.check(entries, [mutant("\tif (a > b)", "\tif (a >= b)")], "list")

    def test_bad(self) -> None:
        for text in ("a.c\n- b\n+ c\n", "a.c\n+ b\n- c\nreason\n", ENTRY + "\n" + ENTRY):
            self.assertRaises(equivalent.BadList, equivalent.parse, text, "list")


class Samples(unittest.TestCase):
    def test_seed(self) -> None:
        everything = [mutant(str(i), "x") for i in range(50)]
        one = sample(everything, "library", 1, 10)
        self.assertEqual(one, sample(everything, "library", 1, 50)[:10])
        self.assertEqual(sorted(sample(everything, "library", 1, None), key=lambda m: int(m.before)),
                         everything)
        self.assertNotEqual(one, sample(everything, "library", 2, 10))
        self.assertNotEqual(one, sample(everything, "tools", 1, 10))

    def test_targets(self) -> None:
        """Each file is in one target at most, and tests are in none."""
        for file, name in (("libibverbs/uverbs/ioctl.c", "library"), ("providers/mlx5/reg_mr.c", "library"),
                           ("preload/counts.c", "preload"), ("tools/survey/numa.c", "tools"),
                           ("mlx5-model/main.c", "model"), ("pyverbs/hugeodp/_mr.py", "python"),
                           ("mlx5-model/tests/pair.c", None), ("pyverbs/tests/rig.py", None),
                           ("tests/unit/fake/fake.c", None)):
            self.assertEqual([t.name for t in TARGETS if t.has(file)], [name] if name else [], file)


class Lines(unittest.TestCase):
    def test_lines(self) -> None:
        report = {"current_working_directory": "/b/x", "files": [
            {"file": "/s/a.c", "lines": [{"line_number": 3, "count": 2}, {"line_number": 5, "count": 0}]},
            {"file": "/usr/include/b.h", "lines": [{"line_number": 1, "count": 1}]}]}
        coverage = Coverage()
        coverage.add("one", Path("/s"), json.dumps(report))
        self.assertEqual(coverage.of("a.c", 3, 3), {"one"})
        self.assertEqual(coverage.of("a.c", 5, 5), set())
        # the second line of a statement
        self.assertEqual(coverage.of("a.c", 4, 4), {"one"})
        self.assertEqual(coverage.of("a.c", 6, 7), set())
        self.assertEqual(coverage.of("b.c", 1, 9), set())
        self.assertEqual(set(coverage.lines), {"a.c"})


class FromCtest(unittest.TestCase):
    def test_parse(self) -> None:
        text = json.dumps({"tests": [
            {"name": "test_a", "command": ["/b/test_a", "x"],
             "properties": [{"name": "ENVIRONMENT", "value": ["FORM=core", "EMPTY="]},
                            {"name": "WORKING_DIRECTORY", "value": "/b"}]},
            {"name": "other_test_a", "command": ["/b/other"], "properties": []}]})
        found = parse(text, "test_.*")
        self.assertEqual([test.name for test in found], ["test_a"])
        self.assertEqual(found[0].environment, (("FORM", "core"), ("EMPTY", "")))
        program, library = Path("/b/test_a"), Path("/b/lib.so")
        self.assertEqual(found[0].programs({program, library}), {program})
        script = parse(text.replace("/b/test_a", "/s/check.sh"), "test_a")[0]
        self.assertEqual(script.programs({program, library}), {program, library})


class Scores(unittest.TestCase):
    def test_score(self) -> None:
        states = ["killed"] * 3 + ["survived", "unreached", "invalid", "equivalent"]
        results = [Result(mutant(state, str(i)), state) for i, state in enumerate(states)]
        total = score(results)
        self.assertEqual((total.killed, total.counted, total.equivalent, total.invalid), (3, 5, 1, 1))
        self.assertEqual(total.percent, 60)
        self.assertEqual(score([]).percent, 0)
        text = "\n".join(as_json("library", result) for result in results)
        self.assertEqual(survivors(text), {("a.c", "survived", "3"), ("a.c", "unreached", "4")})


if __name__ == "__main__":
    unittest.main()
