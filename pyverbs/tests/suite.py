# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs the program of rdma-core's own tests inside this process, after a change to it."""

from __future__ import annotations

import os
import runpy
import sys


def enter(argv: list[str]) -> str:
    """Set arguments and path as for `python3 RUN_TESTS ARGUMENT...`; returns the tests' package."""
    top = os.path.dirname(os.path.abspath(argv[0]))
    sys.argv = argv
    sys.path[:1] = [top, os.path.dirname(top)]
    return os.path.basename(top)


def start() -> None:
    """Run the tests, and exit."""
    runpy.run_path(sys.argv[0], run_name="__main__")
