#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Compare what the hugeodp command prints about a process with what every-mr.c has recorded.

usage: every-mr.py PID series|stock FILE
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

HUGE_SHIFT = 21
# what only a kernel with page size requests reports
ANSWERS = ("page_shift", "entries", "device_bytes")


def hugeodp(*arguments: str) -> Any:
    command = ["hugeodp", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def compare_mr(shown: dict[str, Any], truth: dict[str, Any], series: bool) -> list[str]:
    """The members of an MR that are wrong."""
    wrong = []
    if shown["length"] != truth["length"]:
        wrong.append("length")
    if series:
        wrong += [key for key in ("kind", *ANSWERS) if shown.get(key) != truth[key]]
        return wrong
    wrong += [key for key in ANSWERS if key in shown]
    # mlx5 of any kernel reports on-demand paging
    if "kind" in shown and not truth["on_demand"]:
        wrong.append("kind")
    return wrong


def compare_mrs(pid: str, truths: list[dict[str, Any]], series: bool) -> list[str]:
    shown = {mr["lkey"]: mr for mr in hugeodp("mr", "--pid", pid)}
    errors = []
    if len(shown) != len(truths):
        errors.append(f"{len(shown)} MRs by netlink, not {len(truths)}")
    for truth in truths:
        mr = shown.get(truth["lkey"])
        if mr is None:
            errors.append(f"netlink does not report {truth}")
            continue
        wrong = compare_mr(mr, truth, series)
        if wrong:
            errors.append(f"{', '.join(wrong)} of {mr} instead of {truth}")
    return errors


def compare_sums(pid: str, truths: list[dict[str, Any]], series: bool) -> list[str]:
    sums = [p for p in hugeodp("mr", "--processes") if p.get("pid") == int(pid)]
    if len(sums) != 1 or sums[0]["regions"] != len(truths):
        return [f"sums of the process: {sums}"]
    return [
        f"sum of {key}: {sums[0].get(key)}"
        for key in ("entries", "device_bytes")
        if series and sums[0].get(key) != sum(truth[key] for truth in truths)
    ]


def compare_layout(pid: str, layout: dict[str, int]) -> list[str]:
    """Huge and base pages, and the entries of pinned MRs over each mapping."""
    span = f"{layout['start']:x}-{layout['end']:x}"
    shown = hugeodp("explain", "--pinned", "--range", span, pid)
    huge = [b["now"] for b in shown["blocks"] if b["page_shift"] == HUGE_SHIFT]
    found = {
        "huge": huge[0] if huge else None,
        "base_pages": shown["base_pages"],
        "could_bytes": shown["could_bytes"],
        "entries": shown["pinned"]["entries"],
    }
    want = {
        "huge": layout["huge"],
        "base_pages": layout["base_pages"],
        "could_bytes": 0,
        "entries": layout["huge"] + layout["base_pages"],
    }
    return [] if found == want else [f"explain {span}: {found} instead of {want}"]


def main() -> int:
    pid, kernel, path = sys.argv[1:]
    with open(path, encoding="ascii") as file:
        lines = [json.loads(line) for line in file]
    mrs = [line for line in lines if "lkey" in line]
    layouts = [line for line in lines if "start" in line]
    errors = compare_mrs(pid, mrs, kernel == "series")
    errors += compare_sums(pid, mrs, kernel == "series")
    for layout in layouts:
        errors += compare_layout(pid, layout)
    print(f"{len(mrs)} MRs and {len(layouts)} layouts compared, {len(errors)} differences")
    for error in errors[:20]:
        print(error)
    return 1 if errors or not mrs or not layouts else 0


if __name__ == "__main__":
    sys.exit(main())
