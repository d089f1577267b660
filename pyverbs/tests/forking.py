# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs rdma-core's own tests with processes that fork() makes.

usage: forking.py RUN_TESTS ARGUMENT...

Since Python 3.14 that is no longer the default. The tests pass objects to their processes that
cannot be pickled.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys


def run(argv: list[str]) -> None:
    """Run `python3 RUN_TESTS ARGUMENT...` and exit."""
    top = os.path.dirname(os.path.abspath(argv[0]))
    multiprocessing.set_start_method("fork")
    sys.argv = argv
    sys.path[:1] = [top, os.path.dirname(top)]
    runpy.run_path(argv[0], run_name="__main__")


if __name__ == "__main__":
    run(sys.argv[1:])
