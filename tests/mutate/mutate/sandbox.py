# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Run a test that may do anything: without rights, network, or processes that outlive it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
NOBODY = 65534
POLL_SECONDS = 0.25
UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
           "--mount-proc", "--net", "--ipc")
# /tmp is the test's own, so that nothing is left over and files there are limited in size. The shell
# stays, as the namespace's first process: that one ignores signals and has to reap orphans.
INSIDE = 'mount -t tmpfs -o size=256m,mode=1777 tmpfs /tmp && cd /tmp || exit 99; "$@"; exit $?'


class NoSandbox(Exception):
    """This user cannot make the namespaces."""


@dataclass(frozen=True)
class Limits:
    seconds: float
    cpu_seconds: int
    # resident, of all processes; sanitizers reserve more address space than there is memory
    memory: int = 3 << 30
    # the counts of "hugeodp run" are a sparse file of 1 GiB
    file_size: int = 2 << 30
    processes: int = 256


@dataclass(frozen=True)
class Outcome:
    """How a command ended; status is None if it reached a limit of time or memory."""

    status: int | None
    output: str

    @property
    def passed(self) -> bool:
        return self.status == 0


def namespaces() -> tuple[str, ...]:
    """The command line in front of the test's."""
    if os.geteuid() == 0:
        drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                "--no-new-privs", "--inh-caps=-all")
        return (*UNSHARE, "--", "sh", "-c", INSIDE, "sh", *drop)
    # as root of a namespace that has this user alone: enough to mount, and without rights outside
    return (*UNSHARE, "--user", "--map-root-user", "--", "sh", "-c", INSIDE, "sh", "setpriv",
            "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


def _limiter(limits: Limits) -> Callable[[], None]:
    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
        size = limits.file_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        resource.setrlimit(resource.RLIMIT_NPROC, (limits.processes, limits.processes))
        Path("/proc/self/oom_score_adj").write_text("1000")

    return apply


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _end(process: subprocess.Popen[bytes]) -> None:
    """The first process of the namespace ends after all others there, and unshare after it."""
    while process.poll() is None:
        first = _children(process.pid)
        for pid in first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not first:
            # not yet there: unshare itself, which takes it along
            process.kill()
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _resident(pid: int) -> int:
    """Bytes of this process and all its descendants, which none can leave."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        # it has just ended
        return 0
    return pages * resource.getpagesize() + sum(_resident(child) for child in _children(pid))


def _wait(process: subprocess.Popen[bytes], limits: Limits) -> int | None:
    end = time.monotonic() + limits.seconds
    while time.monotonic() < end:
        try:
            return process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if _resident(process.pid) > limits.memory:
                return None
    return None


def run(
    command: Sequence[str], limits: Limits, environment: Mapping[str, str], tmp: Path
) -> Outcome:
    """Run it; when this returns, none of its processes is left."""
    output = tmp / "output"
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8",
           "PYTHONDONTWRITEBYTECODE": "1", **environment}
    with open(output, "w+b") as file:
        process = subprocess.Popen(
            [*namespaces(), *command], stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, env=env, preexec_fn=_limiter(limits), start_new_session=True,
        )
        try:
            status = _wait(process, limits)
        finally:
            _end(process)
        file.seek(0)
        text = file.read(MIB).decode(errors="replace")
    return Outcome(status, text)


def require(tmp: Path) -> None:
    """Check that commands run here, and that they are not root."""
    limits = Limits(30, 10)
    outcome = run(["sh", "-c", "test ! -w /proc/sys/kernel/printk"], limits, {}, tmp)
    if not outcome.passed:
        raise NoSandbox(f"tests cannot run in namespaces of their own: {outcome.output.strip()}")
