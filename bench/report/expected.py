# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The figures that a run must contain, whatever their values."""

from __future__ import annotations

from collections.abc import Iterator

from figures import Figures, Subject
from subjects import mlx5, rxe

FAULTS = ("fault-page", "fault-page-read", "fault-sequential", "fault-random", "fault-sparse")
REGISTRATION = ("register", "deregister", "register+deregister")
INVALIDATION = ("dontneed", "munmap", "mprotect")
ADDED = ("dontneed-added", "munmap-added", "mprotect-added")
STREAM = ("stream-write", "stream-read", "message-write", "message-read")
PERFTEST = ("perftest-bandwidth", "perftest-latency")
CALLS = ("ibv_reg_mr", "ibv_reg_mr_ex 4K", "ibv_reg_mr_ex 2M", "second call of ibv_reg_mr_ex 2M",
         "probe + ibv_reg_mr_ex 2M")

PARALLEL = ("1 QP", *(f"{qps} QPs, {mrs}" for mrs in ("one MR", "an MR each") for qps in (2, 4)))

# name and states
Names = dict[str, tuple[str, ...]]

PINNED: Names = {
    **dict.fromkeys(REGISTRATION, ("cold", "populated")),
    **dict.fromkeys(FAULTS, ("cold",)),
    **dict.fromkeys(STREAM, ("mapped",)),
    "many": ("populated",),
    "many-memory": ("populated",),
    "kernel-memory": ("mapped",),
}
ODP: Names = {
    **dict.fromkeys(REGISTRATION, ("cold", "populated", "mapped")),
    **dict.fromkeys(("prefetch", "register+prefetch"), ("cold", "populated")),
    **dict.fromkeys(INVALIDATION, ("all", "page")),
    **dict.fromkeys(ADDED, ("all",)),
    **dict.fromkeys(FAULTS, ("cold", "cold+prefetch", "populated")),
    **dict.fromkeys(STREAM, ("mapped",)),
    "many": ("populated",),
    "many-memory": ("populated",),
    "kernel-memory": ("registered", "mapped"),
    "waiting": ("page", "all"),
    "block-fault": ("cold", "populated"),
    "parallel": PARALLEL,
}
# numbers that the kernel reports only with the series
COUNTED: Names = {"table": ("registered", "mapped"), "fault-events": ("populated",)}
READ_ONLY: Names = {"deregister-read-only": ("mapped",)}
SPARSE: Names = {"table-sparse": ("0 %", "1 %", "10 %")}
CACHE: Names = {"cache": ("cold",), "table-cache": ("cold",)}
NO_MR: Names = {
    **dict.fromkeys(INVALIDATION, ("all", "page")),
    **dict.fromkeys(("cpu-touch", "block-fault"), ("cold",)),
}
NEGOTIATED: Names = {
    **dict.fromkeys(("renegotiate-down", "renegotiate-up"), ("mapped", "populate")),
    "renegotiate-fault": ("mapped",),
}
PROBED: Names = dict.fromkeys(("among-mappings", "among-mappings-probed"), ("cold", "populated"))
DEVICE: Names = dict.fromkeys(("device-register", "device-deregister"), ("populated",))
DEVICE_ODP: Names = {
    **DEVICE,
    **dict.fromkeys(("device-prefetch", "device-touch"), ("populated",)),
}

SERIES = (("2M", "huge"), ("mixed", "huge"), ("1G", "giga"))
PLAIN = ("base", "huge")

Wanted = tuple[Subject, str, str]


def _all(subject: Subject, names: Names) -> Iterator[Wanted]:
    for name, states in names.items():
        for state in states:
            # there is only one page of 1 GiB, and a part of it cannot be unmapped
            if subject.memory == "giga" and (
                name in ("many", "many-memory", "waiting") or state == "page"
            ):
                continue
            if subject.memory != "huge" and name in ("fault-events", "parallel", *ADDED):
                continue
            yield subject, name, state


def _rxe(kernel: str) -> Iterator[Wanted]:
    for memory in PLAIN:
        yield from _all(rxe("pinned", memory, kernel), PINNED)
        yield from _all(rxe("odp", memory, kernel), ODP)
    for memory in (*PLAIN, "giga"):
        yield from _all(rxe("none", memory, kernel), NO_MR)
    yield from _all(rxe("ibv_reg_mr", "huge", kernel), {"library": ("populated",)})


def _series() -> Iterator[Wanted]:
    for mode, memory in SERIES:
        yield from _all(rxe(mode, memory), ODP | COUNTED | READ_ONLY)
    for memory in PLAIN:
        yield from _all(rxe("odp", memory), COUNTED | READ_ONLY)
    for mode in ("pinned", "odp", "2M"):
        yield from _all(rxe(mode, "huge"), dict.fromkeys(PERFTEST, ("mapped",)))
    yield from _all(rxe("2M|4K", "huge"), NEGOTIATED)
    for memory in PLAIN:
        yield from _all(rxe("2M|4K", memory), PROBED)
        yield from _all(rxe("odp", memory), CACHE)
    for mode in ("odp", "mixed", "2M|4K"):
        yield from _all(rxe(mode, "huge"), SPARSE)
    # a strict MR has no small pages
    yield rxe("2M", "huge"), "table-sparse", "0 %"
    for mode in ("2M", "mixed"):
        yield from _all(rxe(mode, "huge"), CACHE)
    for call in CALLS[1:]:
        yield from _all(rxe(call, "huge"), {"library": ("populated",)})


def _mlx5(kernel: str) -> Iterator[Wanted]:
    for memory in PLAIN:
        yield from _all(mlx5("pinned", memory, kernel), DEVICE)
        yield from _all(mlx5("odp", memory, kernel), DEVICE_ODP)
    for call in CALLS[:1] if kernel == "stock" else CALLS:
        yield from _all(mlx5(call, "huge", kernel), {"library": ("populated",)})
    for mode, memory in () if kernel == "stock" else SERIES:
        yield from _all(mlx5(mode, memory, kernel), DEVICE_ODP)


def wanted() -> list[Wanted]:
    return [*_rxe("hugeodp"), *_series(), *_rxe("stock"), *_mlx5("hugeodp"), *_mlx5("stock")]


def missing(figures: Figures) -> list[str]:
    there = {(figure.subject, figure.name, figure.state) for figure in figures}
    return [
        f"{name}, {state}, of {subject.mode} on {subject.memory} memory "
        f"({subject.device}, {subject.kernel})"
        for subject, name, state in wanted()
        if (subject, name, state) not in there
    ]
