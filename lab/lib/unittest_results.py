# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Turn the verbose output of Python's unittest into lines "passed|skipped|failed TEST".

With --reasons a skipped test says why: "skipped TEST # REASON".

A test's name and its result may lie lines apart: a docstring or the test's own output can come
between them.
"""

import re
import sys

NAME = re.compile(r"^(test_\w+) \(([\w.]+)\)")
RESULT = re.compile(r"(?:\.\.\. |^)(ok|FAIL|ERROR|skipped '.*'|skipped \".*\")$")
STATES = {"ok": "passed", "FAIL": "failed", "ERROR": "failed"}


def reason(result: str) -> str:
    if "--reasons" not in sys.argv[1:] or not result.startswith("skipped"):
        return ""
    return " # " + result.removeprefix("skipped ")[1:-1]


def main() -> None:
    name: str | None = None
    for line in sys.stdin:
        line = line.rstrip("\n")
        if match := NAME.match(line):
            if name is not None:
                print("failed", name)
            method, path = match.groups()
            name = path if path.endswith("." + method) else f"{path}.{method}"
        if name is not None and (match := RESULT.search(line)):
            print(STATES.get(match.group(1), "skipped"), name + reason(match.group(1)))
            name = None
    if name is not None:
        print("failed", name)


main()
