#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests of bench/cache. usage: test_cache.py DIR-OF-CACHE"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CACHE = Path(sys.argv.pop(1))
sys.path[:0] = [str(CACHE), str(CACHE.parent / "report")]

import report  # noqa: E402
import svg  # noqa: E402
from replays import GIB, KIB, MIB, PAGES, SETS, BadReplay, Point, Source, replay, select, synthetic  # noqa: E402

# answers like mlx5-model-replay: larger pages and larger caches hit more
FAKE = """
import sys
arguments = sys.argv[1:]
values = lambda name: [arguments[i + 1] for i, a in enumerate(arguments) if a == name]
for pages in values("--pages"):
    for cache in values("--cache"):
        entries = int(cache.removeprefix("mtt=").split("x")[0]) * 8
        rate = min(1.0, entries * int(pages) / (16 << 30))
        print(f'{{"pages": {pages}, "entries": {entries}, "hit_rate": {rate:.6f}, "latency_ns": '
              f'{5000 - 2000 * rate:.3f}, "mb_per_s": 12500.000, "cache": "mpt=1x1:{cache}:line=8"}}')
"""


class Replays(unittest.TestCase):
    def setUp(self) -> None:
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source = synthetic(True)[0]

    def program(self, text: str) -> list[str]:
        path = self.dir / "fake.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return [sys.executable, str(path)]

    def points(self) -> list[Point]:
        program = self.program(FAKE)
        return [point for source in synthetic(True) for point in replay(program, source)]

    def test_all_of_them(self) -> None:
        points = self.points()
        self.assertEqual(len(points), 3 * len(PAGES) * len(SETS))
        found = select(points, "kv", 2 * MIB)
        self.assertEqual([point.entries for point in found], [8 * KIB << i for i in (*range(8), 9)])
        self.assertEqual(found[-1].hit_rate, 1)

    def test_parameters(self) -> None:
        points = replay(self.program(FAKE), self.source, "line=64:miss=9")
        self.assertTrue(points[0].cache.endswith(":line=64:miss=9:line=8"))

    def test_refused(self) -> None:
        for text, sentence in (
            ("import sys; sys.exit('no such trace')", "uniform: no such trace"),
            ("import sys; sys.exit(3)", "uniform: status 3"),
            ("print('nonsense')", "not a line of mlx5-model-replay: 'nonsense'"),
            ("print('{}')", "not a line"),
            ("print('[]')", "not a line"),
            ("", "0 lines instead of 36"),
            # nothing was counted
            (FAKE.replace("{rate:.6f}", "null"), "not a line"),
        ):
            with self.subTest(text), self.assertRaisesRegex(BadReplay, sentence):
                replay(self.program(text), self.source)

    def test_fits(self) -> None:
        points = self.points()
        self.assertIsNone(report.fits(points, "kv", 4 * KIB))
        self.assertEqual(report.fits(points, "kv", 64 * KIB), 256 * KIB)
        self.assertEqual(report.fits(points, "kv", GIB), 8 * KIB)
        text = report.summary(points, [Source("kv", "KV", "", ())])
        self.assertIn("| KV | more than 1 M | 256 k | 8 k or less | 8 k or less |", text)

    def test_assumptions_come_first(self) -> None:
        text = report.markdown(self.points(), synthetic(True), False, "")
        self.assertLess(text.index("Shapes, not numbers"), text.index("| entries |"))
        self.assertIn("    mpt=1x1:line=8\n", text)
        self.assertIn("no card was measured", text)
        # a claim about the defaults is not made for other parameters
        self.assertIn("LMCache", text)
        self.assertNotIn("LMCache", report.markdown(self.points(), synthetic(True), False, "line=64"))
        self.assertIn("16 KiB", text)

    def test_plots(self) -> None:
        points = self.points()
        for source in synthetic(True):
            for name, text in report.plots(points, source).items():
                root = ElementTree.fromstring(text)
                self.assertTrue(root.tag.endswith("svg"), name)
                self.assertEqual(len(root.findall("{*}polyline")), len(PAGES))
                for line in root.findall("{*}polyline"):
                    for place in line.attrib["points"].split():
                        x, y = (float(value) for value in place.split(","))
                        self.assertTrue(svg.LEFT <= x <= svg.WIDTH - svg.RIGHT, place)
                        self.assertTrue(svg.TOP - 0.1 <= y <= svg.HEIGHT - svg.BOTTOM + 0.1, place)

    def test_program(self) -> None:
        command = [sys.executable, "-B", str(CACHE), "--quick", "--output", str(self.dir / "out"), "--"]
        done = subprocess.run([*command, *self.program(FAKE)], capture_output=True, text=True, check=True)
        self.assertIn("| Random places |", done.stdout)
        names = {path.name for path in (self.dir / "out").iterdir()}
        self.assertEqual(len(names), 2 + 2 * 3)
        self.assertEqual(len(json.loads((self.dir / "out/cache.json").read_text())), 108)
        failed = subprocess.run([*command, *self.program("import sys; sys.exit('broken')")],
                                capture_output=True, text=True, check=False)
        self.assertEqual((failed.returncode, failed.stderr), (1, "cache: uniform: broken\n"))
        absent = subprocess.run([*command, "/nonexistent/replay"], capture_output=True, text=True, check=False)
        self.assertEqual(absent.returncode, 1)
        self.assertRegex(absent.stderr, "^cache: .*No such file")


class Linear(unittest.TestCase):
    def test_steps(self) -> None:
        for high, last, count in ((1, 1, 11), (0.07, 0.07, 8), (0.999, 1, 11), (4606.3, 5000, 11), (0, 1, 2),
                                  (11, 12, 7), (10, 10, 11)):
            ticks = svg.steps(high)
            self.assertAlmostEqual(ticks[-1], last)
            self.assertEqual((ticks[0], len(ticks)), (0, count), high)

    def test_below_zero(self) -> None:
        for points in ([(1.0, -1.0)], [(0.0, 1.0)]):
            plot = svg.Plot("", "", "", "", str, str, [svg.Line("", points, "#000000")], y_linear=True)
            with self.assertRaises(ValueError):
                svg.render(plot)


if __name__ == "__main__":
    unittest.main()
