#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Migrates a QEMU machine to another one, by the QMP sockets of both, and ends them.

usage: qemu-migrate.py SOURCE-SOCKET TARGET-SOCKET URI PIN
"""

import json
import socket
import sys
import time
from typing import Any

TIMEOUT_S = 200


class Machine:
    """One QEMU, which may still be starting."""

    def __init__(self, path: str, end: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.call("qmp_capabilities")

    def call(self, command: str, **arguments: Any) -> Any:
        """Runs a command; returns its result."""
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode())
        for line in self.lines:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise RuntimeError(f"{command}: the machine has ended")


def wait_for(machine: Machine, end: float) -> dict[str, Any]:
    """Waits for the end of the migration; returns what the machine says of it."""
    while True:
        info: dict[str, Any] = machine.call("query-migrate")
        if info.get("status") in ("completed", "failed", "cancelled"):
            return info
        if time.monotonic() > end:
            raise RuntimeError(f"still {info.get('status')}")
        time.sleep(0.1)


def main(source_path: str, target_path: str, uri: str, pin: str) -> int:
    """Returns the exit status."""
    end = time.monotonic() + TIMEOUT_S
    source, target = Machine(source_path, end), Machine(target_path, end)
    for machine in (source, target):
        machine.call("migrate-set-capabilities",
                     capabilities=[{"capability": "rdma-pin-all", "state": pin == "on"}])
        machine.call("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
    target.call("migrate-incoming", uri=uri)
    source.call("migrate", uri=uri)
    status = 0
    for name, machine in (("source", source), ("target", target)):
        info = wait_for(machine, end)
        ram = info.get("ram", {})
        print(f"{name}: {info['status']}, {ram.get('transferred', 0)} bytes,"
              f" {ram.get('normal', 0)} pages, {info.get('error-desc', '')}")
        status |= info["status"] != "completed"
    for machine in (source, target):
        machine.call("quit")
    return status


sys.exit(main(*sys.argv[1:]))
