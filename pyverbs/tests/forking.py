# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs rdma-core's own tests with processes that fork() makes.

usage: forking.py RUN_TESTS ARGUMENT...

Since Python 3.14 that is no longer the default. The tests pass objects to their processes that
cannot be pickled.
"""

from __future__ import annotations

import multiprocessing
import sys

import suite


def run(argv: list[str]) -> None:
    """Run `python3 RUN_TESTS ARGUMENT...` and exit."""
    suite.enter(argv)
    multiprocessing.set_start_method("fork")
    suite.start()


if __name__ == "__main__":
    run(sys.argv[1:])
