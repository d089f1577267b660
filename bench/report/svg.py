# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""A log-log plot as SVG, or one with a linear y axis: lines with markers, a grid, a legend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 840, 510
LEFT, RIGHT, TOP, BOTTOM = 84, 216, 92, 62

INK, MUTED, GRID = "#1f2328", "#59636e", "#d9dee3"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Line:
    title: str
    points: list[tuple[float, float]]
    colour: str
    marker: str = "circle"  # circle, square, diamond, triangle
    dashed: bool = False


@dataclass
class Plot:
    title: str
    subtitle: str
    x_title: str
    y_title: str
    x_label: Callable[[float], str]
    y_label: Callable[[float], str]
    lines: list[Line] = field(default_factory=list)
    y_linear: bool = False  # from 0


@dataclass(frozen=True)
class Scale:
    """Logarithm of a value to pixels."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        part = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return self.first + part * (self.last - self.first)


@dataclass(frozen=True)
class LinearScale:
    """A value to pixels."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)


def _text(x: float, y: float, text: str, **attributes: str) -> str:
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(text)}</text>'


def _marker(kind: str, x: float, y: float, colour: str) -> str:
    style = f'fill="{colour}" stroke="#ffffff" stroke-width="1.2"'
    if kind == "square":
        return f'<rect x="{x - 4.2:.1f}" y="{y - 4.2:.1f}" width="8.4" height="8.4" {style}/>'
    if kind in ("diamond", "triangle"):
        corners = [(0.0, -6.0), (5.6, 4.4), (-5.6, 4.4)]
        if kind == "diamond":
            corners = [(0.0, -6.0), (6.0, 0.0), (0.0, 6.0), (-6.0, 0.0)]
        points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
        return f'<polygon points="{points}" {style}/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.8" {style}/>'


def decades(low: float, high: float) -> list[float]:
    """Powers of ten that enclose the values."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def quadruples(low: float, high: float) -> list[float]:
    """Powers of four between the values, at most nine of them."""
    first, last = math.ceil(math.log2(low) / 2), math.floor(math.log2(high) / 2)
    step = max(1, math.ceil((last - first + 1) / 9))
    return [4.0**power for power in range(first, last + 1, step)]


def steps(high: float) -> list[float]:
    """From 0 to the value or a bit more, in four to ten steps of 1, 2 or 5 times a power of ten."""
    if high <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(high) - 1)
    step = next(size * power for size in (1, 2, 5, 10, 20, 50) if high <= 10 * size * power * (1 + 1e-9))
    return [step * index for index in range(math.ceil(high / step - 1e-9) + 1)]


def _y_axis(plot: Plot, y: Scale | LinearScale, ticks: list[float]) -> list[str]:
    out = []
    for tick in ticks:
        at = y.at(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{GRID}"/>')
        out.append(_text(LEFT - 10, at + 4, plot.y_label(tick), text_anchor="end", fill=MUTED))
    out.append(_text(LEFT - 60, TOP - 14, plot.y_title, fill=MUTED))
    return out


def _x_axis(plot: Plot, x: Scale, ticks: list[float]) -> list[str]:
    base = HEIGHT - BOTTOM
    out = [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" stroke="{MUTED}"/>']
    for tick in ticks:
        at = x.at(tick)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 5}" stroke="{MUTED}"/>')
        out.append(_text(at, base + 20, plot.x_label(tick), text_anchor="middle", fill=MUTED))
    out.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, plot.x_title, text_anchor="middle", fill=MUTED))
    return out


def _series(line: Line, x: Scale, y: Scale | LinearScale) -> list[str]:
    places = [(x.at(px), y.at(py)) for px, py in line.points]
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
    out = []
    if len(places) > 1:
        out.append(
            f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2.2" '
            f'stroke-linejoin="round"{dash}/>'
        )
    out.extend(_marker(line.marker, px, py, line.colour) for px, py in places)
    return out


def _legend(lines: list[Line]) -> list[str]:
    """In the order in which the lines end, the highest first."""
    out = []
    ordered = sorted(lines, key=lambda line: -line.points[-1][1])
    for row, line in enumerate(ordered):
        x, y = WIDTH - RIGHT + 24, TOP + 12 + row * 26
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        out.append(
            f'<line x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}" stroke="{line.colour}" '
            f'stroke-width="2.2"{dash}/>'
        )
        out.append(_marker(line.marker, x + 15, y, line.colour))
        out.append(_text(x + 40, y + 4.5, line.title, fill=INK))
    return out


def render(plot: Plot) -> str:
    lines = [line for line in plot.lines if line.points]
    if not lines:
        raise ValueError(f"{plot.title}: nothing to plot")
    xs = [px for line in lines for px, _ in line.points]
    ys = [py for line in lines for _, py in line.points]
    if min(xs if plot.y_linear else xs + ys) <= 0:
        raise ValueError(f"{plot.title}: no logarithm of 0")
    if min(ys) < 0:
        raise ValueError(f"{plot.title}: a value below 0")
    y_ticks = steps(max(ys)) if plot.y_linear else decades(min(ys), max(ys))
    wide = max(xs) if max(xs) > min(xs) else 4 * min(xs)
    x = Scale(min(xs) / 1.3, wide * 1.3, LEFT, WIDTH - RIGHT)
    y = (LinearScale if plot.y_linear else Scale)(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="{FONT}" font-size="13" role="img">',
        f"<title>{escape(plot.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(24, 28, plot.title, fill=INK, font_size="17", font_weight="600"),
        _text(24, 47, plot.subtitle, fill=MUTED),
        *_y_axis(plot, y, y_ticks),
        *_x_axis(plot, x, quadruples(min(xs), wide)),
    ]
    for line in lines:
        parts.extend(_series(line, x, y))
    parts.extend(_legend(lines))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
