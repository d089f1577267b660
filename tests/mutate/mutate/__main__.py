# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The command line; --help explains it."""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import equivalent, sandbox
from .build import BuildFailed
from .campaign import Campaign, all_mutants, sample
from .engine import BadTests, Result
from .mutant import Mutant
from .report import ALIVE, as_json, score, survivors
from .targets import TARGETS, Target
from .workspace import Workspace, pattern_of

TOP = Path(__file__).resolve().parents[3]
LIST = TOP / "tests/mutate/equivalent"


def arguments(words: list[str]) -> argparse.Namespace:
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(
        prog="mutate", description="Change the sources in small ways, one at a time, and report"
        " which changes the unit tests do not notice.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names)}; all")
    parser.add_argument("--seed", type=int, help="of the sample (random, and printed)")
    parser.add_argument("--sample", type=int, metavar="N", help="at most N mutants per target")
    parser.add_argument("--minutes", type=float, help="for all targets, without the builds")
    parser.add_argument("--files", metavar="PATTERN", default="", help="only in files with this in"
                        " their name: a regular expression")
    parser.add_argument("--tests", metavar="PATTERN", help="only these tests instead of the target's")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only those that survived there")
    parser.add_argument("--results", type=Path, metavar="FILE", help="lines of JSON")
    parser.add_argument("--kernel", type=Path, metavar="DIR", help="source of Linux, for the model")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the builds there")
    parser.add_argument("--no-sanitizers", action="store_true", help="survivors are not tried again"
                        " in a build with sanitizers")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    known = parser.parse_args(words)
    unknown = set(known.targets) - set(names)
    if unknown:
        parser.error(f"no target '{min(unknown)}': there are {', '.join(names)}")
    if "model" in known.targets and not known.kernel:
        parser.error("the model is built with the layouts of a kernel: --kernel")
    known.targets = known.targets or [name for name in names if name != "model" or known.kernel]
    if known.seed is None:
        known.seed = random.SystemRandom().randrange(1 << 32)
    return known


def chosen(options: argparse.Namespace, target: Target, found: list[Mutant]) -> list[Mutant]:
    found = [mutant for mutant in found if re.search(options.files, mutant.file)]
    if options.again:
        keys = survivors(options.again.read_text())
        return [mutant for mutant in found if mutant.key in keys]
    return sample(found, target.name, options.seed, options.sample)


class Run:
    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options = options
        cmake = [f"-DHUGEODP_KERNEL_SOURCE={options.kernel}"] if options.kernel else []
        self.space = Workspace(TOP, work, cmake)
        self.targets = [target for target in TARGETS if target.name in options.targets]
        self.mutants = {target.name: all_mutants(TOP, target, self.space.files) for target in TARGETS}
        every = [mutant for found in self.mutants.values() for mutant in found]
        self.equivalent = equivalent.check(equivalent.read(LIST), every, LIST.name)
        self.deadline: float | None = None

    def results(self, target: Target, left: int) -> list[Result]:
        """Try the target's sample; LEFT targets share what is left of the time."""
        tests = self.options.tests or target.tests
        python = target.name == "python"
        coverage = None if python else self.space.coverage(self.options.tests or pattern_of(self.targets))
        engine = self.space.python_engine() if python else self.space.engine(tests)
        campaign = Campaign(engine, coverage, self.equivalent, lambda result: self.report(target, result))
        end = None
        if self.options.minutes:
            now = time.monotonic()
            self.deadline = self.deadline or now + 60 * self.options.minutes
            end = now + (self.deadline - now) / left
        campaign.run(chosen(self.options, target, self.mutants[target.name]), end)
        if not python and not self.options.no_sanitizers:
            campaign.again(lambda: self.space.engine(tests, sanitized=True))
        return campaign.results

    def report(self, target: Target, result: Result) -> None:
        if result.state in ALIVE:
            print(f"{result.state} {result.mutant.describe()}", flush=True)
        else:
            print(f"{result.state} {result.mutant.where} {result.detail}", flush=True)
        if self.options.results:
            with open(self.options.results, "a") as file:
                file.write(as_json(target.name, result) + "\n")

    def list(self) -> None:
        for target in self.targets:
            for mutant in chosen(self.options, target, self.mutants[target.name]):
                print(mutant.describe())

    def all(self) -> bool:
        failed = False
        lines = []
        for i, target in enumerate(self.targets):
            start = time.monotonic()
            results = self.results(target, len(self.targets) - i)
            total = score(results)
            good = total.counted > 0 and total.percent >= target.required
            failed |= not good
            lines.append(f"{'' if good else 'not '}ok {i + 1} - {target.name}: {total}, at least"
                         f" {target.required} % required, {time.monotonic() - start:.0f} s")
        print("\n".join([f"# seed {self.options.seed}", *lines, f"1..{len(lines)}"]))
        return not failed


def main(words: list[str]) -> int:
    options = arguments(words)
    print(f"# seed {options.seed}", flush=True)
    status = 0
    # so that outputs are put back and processes end
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.ExitStack() as stack:
        work = options.work or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="mutate.", dir="/dev/shm")))
        work = work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        # tests run as another user
        work.chmod(0o755)
        try:
            sandbox.require(work)
            run = Run(options, work)
            if options.list:
                run.list()
            elif not run.all():
                status = 1
        except (BadTests, BuildFailed, equivalent.BadList, sandbox.NoSandbox) as e:
            print(f"mutate: {e}", file=sys.stderr)
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
