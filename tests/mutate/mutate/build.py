# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""A build tree in which one source at a time changes: compile and link only what depends on it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


class BuildFailed(Exception):
    """The unchanged sources do not build."""


@dataclass(frozen=True)
class Step:
    """A command of the build with its working directory, output and inputs."""

    directory: Path
    command: tuple[str, ...]
    output: Path
    inputs: frozenset[Path]

    def run(self, seconds: float) -> bool:
        try:
            done = subprocess.run(
                self.command, cwd=self.directory, stdin=subprocess.DEVNULL, timeout=seconds,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


@dataclass
class Tree:
    """A copy of the sources and a build of it, both below one directory in memory."""

    source: Path
    build: Path
    compile_steps: dict[Path, list[Step]] = field(default_factory=dict)
    link_steps: dict[Path, Step] = field(default_factory=dict)
    # outputs that differ from those of the unchanged sources, with the latter's copies
    changed: dict[Path, Path] = field(default_factory=dict)

    def configure(self, options: list[str]) -> None:
        # of a run that was killed in the middle of a mutant
        for copy in self.build.rglob("*.kept"):
            os.replace(copy, copy.with_suffix(""))
        self._require(["cmake", "-G", "Unix Makefiles", "-S", str(self.source), "-B", str(self.build),
                       "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_COMPILE_WARNING_AS_ERROR=OFF", *options])
        jobs = str(os.cpu_count() or 1)
        self._require(["cmake", "--build", str(self.build), "-j", jobs])
        self._read_compile_steps()
        self._read_link_steps()

    def _require(self, command: list[str]) -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise BuildFailed(f"{shlex.join(command)}:\n{done.stdout[-4000:]}")

    def _read_compile_steps(self) -> None:
        """For each source and each header, how to compile what includes it."""
        for entry in json.loads((self.build / "compile_commands.json").read_text()):
            directory = Path(entry["directory"])
            command = tuple(shlex.split(entry["command"]))
            output = directory / command[command.index("-o") + 1]
            if not output.exists():
                # of a target that is not part of the whole
                continue
            depends = output.with_name(output.name + ".d")
            inputs = {Path(entry["file"])}
            if depends.exists():
                inputs |= self._prerequisites(depends, directory)
            step = Step(directory, command, output, frozenset(inputs))
            for path in inputs:
                if path.is_relative_to(self.source):
                    self.compile_steps.setdefault(path, []).append(step)

    @staticmethod
    def _prerequisites(depends: Path, directory: Path) -> set[Path]:
        words = depends.read_text().replace("\\\n", " ").split(":", 1)[1].split()
        return {Path(os.path.normpath(directory / word)) for word in words}

    def _read_link_steps(self) -> None:
        for script in self.build.rglob("link.txt"):
            directory = script.parent.parent.parent
            lines = script.read_text().splitlines()
            if len(lines) != 1:
                continue
            command = tuple(shlex.split(lines[0]))
            if "-o" not in command:
                continue
            output = Path(os.path.normpath(directory / command[command.index("-o") + 1]))
            inputs = frozenset(Path(os.path.normpath(directory / word)) for word in command
                               if word.endswith(".o"))
            if output.exists():
                self.link_steps[output] = Step(directory, command, output, inputs)

    def _keep(self, output: Path) -> None:
        if output in self.changed:
            return
        copy = output.with_name(output.name + ".kept")
        shutil.copy2(output, copy)
        self.changed[output] = copy

    def compile(self, path: Path, seconds: float) -> bool:
        """Compile all that includes this file; false if the compiler refuses it."""
        for step in self.compile_steps.get(path, []):
            self._keep(step.output)
            if not step.run(seconds):
                return False
        return True

    def depends_on(self, path: Path) -> set[Path]:
        """The programs and libraries that contain the file."""
        objects = {step.output for step in self.compile_steps.get(path, [])}
        return {output for output, step in self.link_steps.items() if step.inputs & objects}

    def link(self, outputs: set[Path], seconds: float) -> bool:
        for output in sorted(outputs):
            if output in self.changed:
                continue
            self._keep(output)
            if not self.link_steps[output].run(seconds):
                return False
        return True

    def restore(self) -> None:
        """Undo what compile() and link() did."""
        for output, copy in self.changed.items():
            os.replace(copy, output)
        self.changed.clear()


def copy_sources(files: list[str], top: Path, to: Path) -> None:
    for name in files:
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(top / name, target)
