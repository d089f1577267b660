# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Figures as the machine prints them, one JSON object a line, and how to find one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadFigure(Exception):
    """A line that is not a figure."""


@dataclass(frozen=True)
class Subject:
    """The subject of a figure: a way to register memory, on a kernel and a device."""

    kernel: str
    device: str
    mode: str
    memory: str


@dataclass(frozen=True)
class Figure:
    subject: Subject
    name: str
    state: str
    length: int
    count: int
    unit: str
    samples: tuple[float, ...]
    median: float

    @property
    def key(self) -> tuple[Subject, str, str, int, int, str]:
        return (self.subject, self.name, self.state, self.length, self.count, self.unit)

    def as_json(self) -> dict[str, Any]:
        return {
            "kernel": self.subject.kernel,
            "device": self.subject.device,
            "name": self.name,
            "mode": self.subject.mode,
            "memory": self.subject.memory,
            "state": self.state,
            "length": self.length,
            "count": self.count,
            "unit": self.unit,
            "repeats": len(self.samples),
            "samples": list(self.samples),
            "median": self.median,
        }


def figure_of(value: Any) -> Figure:
    """Read what as_json() returned, or a line of the machine's output."""
    try:
        samples = tuple(value["samples"])
        if not samples or len(samples) != value["repeats"]:
            raise BadFigure(f"{value}: samples are missing")
        return Figure(
            Subject(value["kernel"], value["device"], value["mode"], value["memory"]),
            value["name"],
            value["state"],
            value["length"],
            value["count"],
            value["unit"],
            samples,
            value["median"],
        )
    except (KeyError, TypeError) as error:
        raise BadFigure(f"{value}: {error!r}") from error


@dataclass(frozen=True)
class Note:
    """A fact about the run: a version, a host."""

    about: str
    value: str


def parse_lines(lines: Iterable[str]) -> Iterator[Figure | Note]:
    for line in lines:
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadFigure(f"{line.rstrip()}: {error}") from error
        if isinstance(value, dict) and set(value) == {"about", "value"}:
            yield Note(str(value["about"]), str(value["value"]))
        else:
            yield figure_of(value)


class Figures:
    """All figures of a run, and what is noted about it."""

    def __init__(self, figures: Iterable[Figure | Note]) -> None:
        self._by_key: dict[tuple[Subject, str, str, int, int, str], Figure] = {}
        self.about: dict[str, str] = {}
        for figure in figures:
            if isinstance(figure, Note):
                if self.about.setdefault(figure.about, figure.value) != figure.value:
                    raise BadFigure(f"{figure.about}: {figure.value}, and "
                                    f"{self.about[figure.about]} in the same run")
                continue
            if figure.key in self._by_key:
                raise BadFigure(f"{figure.as_json()}: twice")
            self._by_key[figure.key] = figure

    def __iter__(self) -> Iterator[Figure]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def select(
        self, subject: Subject, name: str, state: str | None = None, unit: str | None = None
    ) -> list[Figure]:
        """The figures of a subject by that name, shortest first."""
        found = [
            figure
            for figure in self
            if figure.subject == subject
            and figure.name == name
            and state in (None, figure.state)
            and unit in (None, figure.unit)
        ]
        return sorted(found, key=lambda figure: (figure.length, figure.count))

    def find(
        self,
        subject: Subject,
        name: str,
        state: str | None = None,
        length: int | None = None,
        count: int | None = None,
        unit: str | None = None,
    ) -> Figure | None:
        """The figure of that length, by default the longest; by default with the least count."""
        found = [
            figure
            for figure in self.select(subject, name, state, unit)
            if length in (None, figure.length) and count in (None, figure.count)
        ]
        if not found:
            return None
        longest = found[-1].length
        return next(figure for figure in found if figure.length == longest)


def read_lines(paths: Iterable[Path]) -> Iterator[Figure | Note]:
    for path in paths:
        with path.open(encoding="utf-8") as file:
            yield from parse_lines(file)
