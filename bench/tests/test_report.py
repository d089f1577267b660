#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Tests of bench/report. usage: test_report.py DIR-OF-REPORT"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

REPORT = Path(sys.argv.pop(1))
sys.path.insert(0, str(REPORT))

import agree  # noqa: E402
import expected  # noqa: E402
import gate  # noqa: E402
import plots  # noqa: E402
import short  # noqa: E402
import svg  # noqa: E402
import tables  # noqa: E402
import targets  # noqa: E402
import words  # noqa: E402
from figures import BadFigure, Figure, Figures, Note, Subject, figure_of, parse_lines  # noqa: E402
from subjects import HUGE, NO_MR, ODP, STOCK, WITHOUT_MM_PEERS  # noqa: E402

MIB, GIB = 1 << 20, 1 << 30


def figure(
    subject: Subject,
    name: str,
    state: str,
    median: float,
    length: int = GIB,
    unit: str = "instructions",
    count: int = 1,
) -> Figure:
    return Figure(subject, name, state, length, count, unit, (median,), median)


def complete() -> list[Figure]:
    """Each required figure, at two lengths."""
    units = {"fault-events": "fault events", "library": "system calls"}
    return [
        figure(subject, name, state, length / 1024 + 7, length, units.get(name, "instructions"))
        for subject, name, state in expected.wanted()
        for length in (MIB, GIB)
    ]


class Parsing(unittest.TestCase):
    def test_round_trip(self) -> None:
        one = figure(HUGE.subject, "prefetch", "populated", 42)
        self.assertEqual(list(parse_lines([json.dumps(one.as_json())])), [one])

    def test_no_json(self) -> None:
        with self.assertRaises(BadFigure):
            list(parse_lines(["not ok 1 - mmap"]))

    def test_incomplete(self) -> None:
        value = figure(HUGE.subject, "prefetch", "populated", 42).as_json()
        for key in value:
            with self.subTest(key), self.assertRaises(BadFigure):
                figure_of({name: value[name] for name in value if name != key})

    def test_samples_missing(self) -> None:
        value = figure(HUGE.subject, "prefetch", "populated", 42).as_json()
        with self.assertRaises(BadFigure):
            figure_of(value | {"repeats": 2})
        with self.assertRaises(BadFigure):
            figure_of(value | {"repeats": 0, "samples": []})

    def test_notes(self) -> None:
        one = figure(HUGE.subject, "prefetch", "populated", 42)
        line = '{"about": "kernel “hugeodp”", "value": "Linux 7.3"}'
        figures = Figures([*parse_lines([line, json.dumps(one.as_json()), line])])
        self.assertEqual(list(figures), [one])
        self.assertEqual(figures.about, {"kernel “hugeodp”": "Linux 7.3"})
        with self.assertRaises(BadFigure):
            Figures([Note("host", "a"), Note("host", "b")])

    def test_twice(self) -> None:
        one = figure(HUGE.subject, "prefetch", "populated", 42)
        with self.assertRaises(BadFigure):
            Figures([one, one])


class Finding(unittest.TestCase):
    def setUp(self) -> None:
        self.figures = Figures(
            figure(HUGE.subject, "prefetch", state, 1, length)
            for state in ("cold", "populated")
            for length in (GIB, MIB)
        )

    def test_longest(self) -> None:
        found = self.figures.find(HUGE.subject, "prefetch", "cold")
        self.assertEqual(found and (found.state, found.length), ("cold", GIB))

    def test_length(self) -> None:
        found = self.figures.find(HUGE.subject, "prefetch", "cold", MIB)
        self.assertEqual(found and found.length, MIB)

    def test_none(self) -> None:
        self.assertIsNone(self.figures.find(ODP.subject, "prefetch"))
        self.assertIsNone(self.figures.find(HUGE.subject, "prefetch", "cold", 3))

    def test_in_order(self) -> None:
        found = self.figures.select(HUGE.subject, "prefetch", "cold")
        self.assertEqual([one.length for one in found], [MIB, GIB])


class Targets(unittest.TestCase):
    def target(self, title: str, peers: str, *figures: Figure) -> targets.Target:
        found = [
            one for one in targets.targets(Figures(figures)) if (one.title, one.peers) == (title, peers)
        ]
        self.assertEqual(len(found), 1)
        return found[0]

    def prefetch(self, stock: float, huge: float) -> targets.Target:
        return self.target(
            "prefetch, instructions",
            "ODP, stock kernel : ODP 2 MiB",
            figure(STOCK.subject, "prefetch", "populated", stock),
            figure(HUGE.subject, "prefetch", "populated", huge),
        )

    def test_reached(self) -> None:
        self.assertEqual(self.prefetch(5000, 100).reached, True)
        self.assertEqual(self.prefetch(4999, 100).reached, False)
        self.assertIn("missed", self.prefetch(4999, 100).verdict)

    def test_not_measured(self) -> None:
        one = self.target(
            "prefetch, instructions",
            "ODP, stock kernel : ODP 2 MiB",
            figure(STOCK.subject, "prefetch", "populated", 5),
        )
        self.assertIsNone(one.reached)
        self.assertEqual(one.verdict, "not measured")
        self.assertIsNone(self.prefetch(5, 0).reached)

    def test_at_most(self) -> None:
        for value, added, reached in ((1100.0, 100.0, True), (1102.0, 101.0, False)):
            one = self.target(
                "MADV_DONTNEED of populated memory, instructions",
                "under ODP 2 MiB : without an MR",
                figure(HUGE.subject, "dontneed", "all", value),
                figure(HUGE.subject, "dontneed-added", "all", added),
            )
            self.assertEqual(one.reached, reached)

    def test_same_length(self) -> None:
        """The stock kernel cannot register what is as long as the longest MR."""
        one = self.target(
            "registration of untouched memory, instructions",
            "ODP 4 KiB : ODP, stock kernel, huge pages",
            figure(ODP.subject, "register", "cold", 110),
            figure(ODP.subject, "register", "cold", 1000, 64 * GIB),
            figure(STOCK.subject, "register", "cold", 100),
        )
        self.assertEqual((one.ratio, one.reached), (1.1, True))

    def test_blocks(self) -> None:
        """A cost of each block of 2 MiB."""
        for value, reached in ((120 * 512, True), (120 * 512 + 1, False)):
            one = self.target(
                "prefetch, instructions",
                "ODP 2 MiB : its blocks",
                figure(HUGE.subject, "prefetch", "populated", value),
            )
            self.assertEqual(one.reached, reached)

    def test_no_seconds(self) -> None:
        """What is measured in seconds decides nothing."""
        found = targets.targets(Figures(complete()))
        slower = [
            dataclasses.replace(one, median=one.median * 1000, samples=(one.median * 1000,))
            if one.name.startswith("perftest") else one
            for one in complete()
        ]
        self.assertEqual([one.ratio for one in targets.targets(Figures(slower))],
                         [one.ratio for one in found])
        self.assertNotEqual(slower, complete())

    def test_table(self) -> None:
        text = targets.table([self.prefetch(4999, 100), self.prefetch(5001, 100)])
        self.assertEqual(text.count("**missed**"), 1)
        self.assertEqual(text.count("| reached |"), 1)


class Tables(unittest.TestCase):
    def test_ratio(self) -> None:
        text = tables.render_all(Figures([
            figure(ODP.subject, "prefetch", "populated", 12800),
            figure(HUGE.subject, "prefetch", "populated", 100),
            # a length that only one subject has cannot be compared
            figure(HUGE.subject, "prefetch", "populated", 1000, 4 * GIB),
        ]))
        self.assertIn("| prefetch, populated | 1 GiB |", text)
        self.assertIn("12.8 k (128×) | 100 |", text)

    def test_without_patches_of_mm(self) -> None:
        title, modules, series = WITHOUT_MM_PEERS[0]
        both = [
            figure(modules.subject, "prefetch", "populated", 700),
            figure(series.subject, "prefetch", "populated", 100),
        ]
        head = f"### What the patches of mm save: {title}\n"
        text = tables.render_all(Figures(both)).partition(head)[2]
        self.assertIn("| prefetch, populated | 1 GiB | 700 (7.0×) | 100 |", text)
        # a run of the series alone has nothing to compare
        self.assertNotIn("patches of mm", tables.render_all(Figures(both[1:])))

    def test_nothing(self) -> None:
        self.assertEqual(tables.render_all(Figures([])), "")


class Short(unittest.TestCase):
    def test_row(self) -> None:
        text = short.table(Figures([
            figure(ODP.subject, "prefetch", "populated", 6000),
            figure(HUGE.subject, "prefetch", "populated", 100),
        ]))
        self.assertIn("| – | – | 6.00 k (60.0×) | 100 |", text)

    def test_each(self) -> None:
        text = short.table(Figures([
            figure(STOCK.subject, "stream-write", "mapped", 3000, MIB, count=10),
            figure(HUGE.subject, "stream-write", "mapped", 2000, MIB, count=10),
        ]))
        self.assertIn("| – | 300 (1.500×) | – | 200 |", text)

    def test_into(self) -> None:
        figures = Figures([figure(HUGE.subject, "prefetch", "populated", 100)])
        text = short.into(f"a\n{short.BEGIN}old\n{short.END}\nb\n", figures)
        self.assertEqual(text, f"a\n{short.BEGIN}{short.table(figures)}{short.END}\nb\n")
        for broken in ("a\n", f"{short.BEGIN}old\n", f"old {short.END}"):
            with self.assertRaises(ValueError):
                short.into(broken, figures)

    def test_readme(self) -> None:
        """The project's README shows the figures of the run in bench/results."""
        top = REPORT.resolve().parent.parent
        readme = (top / "README.md").read_text(encoding="utf-8")
        shown = [line for line in readme.splitlines() if line.startswith("| ") and "×" in line]
        kept = (top / "bench" / "results" / "results.md").read_text(encoding="utf-8")
        self.assertTrue(shown)
        self.assertLessEqual(set(shown), set(kept.splitlines()))


class Words(unittest.TestCase):
    def test_size(self) -> None:
        for value, text in ((8, "8 B"), (4096, "4 KiB"), (3 << 19, "1.5 MiB"), (64 * GIB, "64 GiB")):
            self.assertEqual(words.size(value), text)

    def test_number(self) -> None:
        for value, text in ((7, "7"), (0.25, "0.25"), (1234, "1.23 k"), (99.5e6, "99.5 M")):
            self.assertEqual(words.number(value), text)
        self.assertEqual(words.tick(10e6), "10 M")


class Plots(unittest.TestCase):
    def test_well_formed(self) -> None:
        rendered = plots.render_all(Figures(
            figure(peer.subject, name, state, length / 1024, length, unit)
            for peer in (ODP, HUGE, NO_MR)
            for name, state, unit in (
                ("prefetch", "populated", "instructions"),
                ("register+prefetch", "populated", "instructions"),
                ("register+deregister", "cold", "instructions"),
                ("dontneed", "all", "instructions"),
                ("fault-events", "populated", "fault events"),
            )
            for length in (MIB, GIB)
        ))
        self.assertEqual(len(rendered), 5)
        for name, text in rendered.items():
            with self.subTest(name):
                root = ElementTree.fromstring(text)
                self.assertTrue(root.tag.endswith("svg"))
                self.assertGreaterEqual(text.count("<polyline"), 2)

    def test_inside(self) -> None:
        scale = svg.Scale(1, 100, 0, 200)
        self.assertEqual([scale.at(value) for value in (1, 10, 100)], [0, 100, 200])

    def test_ticks(self) -> None:
        self.assertEqual(svg.decades(3, 250), [1, 10, 100, 1000])
        self.assertEqual(svg.quadruples(MIB, 64 * MIB), [MIB, 4 * MIB, 16 * MIB, 64 * MIB])
        self.assertLessEqual(len(svg.quadruples(1, 1 << 60)), 9)

    def test_no_logarithm(self) -> None:
        nothing: list[tuple[float, float]] = []
        for points in (nothing, [(1.0, 0.0)]):
            plot = svg.Plot("", "", "", "", str, str, [svg.Line("", points, "#000000")])
            with self.assertRaises(ValueError):
                svg.render(plot)


class Agreement(unittest.TestCase):
    def compare(self, a: float, b: float, unit: str = "instructions") -> tuple[int, list[str]]:
        first, second = (
            Figures([figure(HUGE.subject, "prefetch", "populated", value, unit=unit)])
            for value in (a, b)
        )
        return agree.compare(first, second, 0.02)

    def test_near_and_far(self) -> None:
        self.assertEqual(self.compare(1000, 1019), (1, []))
        self.assertEqual(len(self.compare(1000, 1030)[1]), 1)
        self.assertEqual(self.compare(0, 0), (1, []))

    def test_seconds_do_not_count(self) -> None:
        self.assertEqual(self.compare(1, 2, "MiB/s"), (0, []))


class Gate(unittest.TestCase):
    def grown(self, old: float, new: float, unit: str, name: str = "library") -> tuple[int, list[str]]:
        first, second = (
            Figures([figure(HUGE.subject, name, "populated", value, unit=unit)])
            for value in (old, new)
        )
        return gate.grown(first, second)

    def test_counts(self) -> None:
        for unit in gate.UNITS:
            with self.subTest(unit):
                self.assertEqual(self.grown(4, 4, unit), (1, []))
                self.assertEqual(self.grown(4, 3, unit), (1, []))
                count, larger = self.grown(4, 5, unit)
                self.assertEqual(count, 1)
                self.assertIn("4, now 5", larger[0])
        self.assertEqual(len(self.grown(4096, 4104, "bytes", "table")[1]), 1)

    def test_others(self) -> None:
        self.assertEqual(self.grown(4, 5, "instructions"), (0, []))
        self.assertEqual(self.grown(4, 5, "bytes", "kernel-memory"), (0, []))

    def test_other_figures(self) -> None:
        one = figure(HUGE.subject, "library", "populated", 1, unit="system calls")
        other = dataclasses.replace(one, length=MIB, median=2)
        self.assertEqual(gate.grown(Figures([one]), Figures([other])), (0, []))


class Program(unittest.TestCase):
    def run_report(self, figures: list[Figure], output: Path) -> subprocess.CompletedProcess[str]:
        lines = output.with_suffix(".lines")
        lines.write_text("".join(json.dumps(one.as_json()) + "\n" for one in figures))
        return self.run_program("--about", "commit=abc", "--output", str(output), str(lines))

    def run_program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(REPORT), *arguments],
                              capture_output=True, text=True, check=False)

    def test_gate(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            whole = complete()
            worse = [dataclasses.replace(one, median=one.median + 1)
                     if (one.subject, one.name) == (HUGE.subject, "fault-events") else one
                     for one in whole]
            for figures, output in ((whole, "old"), (worse, "new")):
                self.assertEqual(self.run_report(figures, Path(name) / output).returncode, 0)
            old, new = (str(Path(name) / output / "results.json") for output in ("old", "new"))
            self.assertEqual(self.run_program("--gate", old, old).returncode, 0)
            bad = self.run_program("--gate", old, new)
            self.assertEqual(bad.returncode, 1)
            self.assertIn("2 larger", bad.stdout)
            self.assertIn("fault-events", bad.stdout)
            self.assertEqual(self.run_program("--gate", old).returncode, 2)

    def test_complete_and_not(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            whole = complete()
            good = self.run_report(whole, Path(name) / "good")
            self.assertEqual(good.returncode, 0, good.stderr)
            results = Path(name) / "good" / "results.json"
            self.assertEqual(len(json.loads(results.read_text())["figures"]), len(whole))
            self.assertEqual(json.loads(results.read_text())["about"], {"commit": "abc"})
            self.assertIn("| commit | abc |", (results.parent / "results.md").read_text())
            again = agree.read_results(results)
            self.assertEqual(agree.compare(again, again, 0.02)[1], [])
            gone = whole[0]
            less = [one for one in whole if (one.subject, one.name) != (gone.subject, gone.name)]
            bad = self.run_report(less, Path(name) / "bad")
            self.assertEqual(bad.returncode, 1)
            self.assertIn(gone.name, bad.stderr)
            self.assertFalse((Path(name) / "bad").exists())

    def test_subject_counts(self) -> None:
        moved = [dataclasses.replace(one, subject=dataclasses.replace(one.subject, kernel="other"))
                 for one in complete() if one.subject.kernel == "stock"]
        self.assertEqual(len(expected.missing(Figures(moved))), len(expected.wanted()))


if __name__ == "__main__":
    unittest.main()
