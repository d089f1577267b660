# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs rdma-core's own tests with timeouts for a slow machine.

usage: patient.py RUN_TESTS ARGUMENT...

Their own timeouts are half a second for an answer and ten seconds for a completion.
"""

from __future__ import annotations

import importlib
import sys

import suite

TIMEOUT = 22  # 17 s before a packet is sent again
POLL_S = 300


def run(argv: list[str]) -> None:
    """Run `python3 RUN_TESTS ARGUMENT...` and exit."""
    package = suite.enter(argv)
    for name, constant, value in (
        ("base", "TIMEOUT", TIMEOUT),
        ("utils", "POLL_CQ_TIMEOUT", POLL_S),
    ):
        module = importlib.import_module(f"{package}.{name}")
        if not hasattr(module, constant):
            sys.exit(f"rdma-core's tests.{name} has no {constant} any more")
        setattr(module, constant, value)
    suite.start()


if __name__ == "__main__":
    run(sys.argv[1:])
