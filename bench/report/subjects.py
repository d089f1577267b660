# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The peers that are measured side by side, as columns of tables and lines of plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from figures import Subject


@dataclass(frozen=True)
class Peer:
    title: str
    subject: Subject


def rxe(mode: str, memory: str, kernel: str = "hugeodp") -> Subject:
    return Subject(kernel, "rxe", mode, memory)


def mlx5(mode: str, memory: str, kernel: str = "hugeodp") -> Subject:
    return Subject(kernel, "mlx5", mode, memory)


# by the name of the device; with our kernel
ON_DEVICE: dict[str, Callable[[str, str], Subject]] = {"rxe": rxe, "mlx5": mlx5}


NO_MR = Peer("no MR", rxe("none", "huge"))
PINNED = Peer("pinned", rxe("pinned", "huge"))
PINNED_STOCK = Peer("pinned, stock kernel", rxe("pinned", "huge", "stock"))
STOCK = Peer("ODP, stock kernel", rxe("odp", "huge", "stock"))
ODP = Peer("ODP 4 KiB", rxe("odp", "huge"))
HUGE = Peer("ODP 2 MiB", rxe("2M", "huge"))
MIXED = Peer("mixed", rxe("mixed", "huge"))
GIGA = Peer("ODP 1 GiB", rxe("1G", "giga"))

PINNED_BASE = Peer("pinned", rxe("pinned", "base"))
PINNED_STOCK_BASE = Peer("pinned, stock kernel", rxe("pinned", "base", "stock"))
STOCK_BASE = Peer("ODP, stock kernel", rxe("odp", "base", "stock"))
ODP_BASE = Peer("ODP 4 KiB", rxe("odp", "base"))
# beside ODP 4 KiB on huge memory
ODP_CACHE = Peer("ODP 4 KiB, base pages", rxe("odp", "base"))

NEGOTIATED = Peer("2 MiB or 4 KiB", rxe("2M|4K", "huge"))
NEGOTIATED_BASE = Peer("2 MiB or 4 KiB", rxe("2M|4K", "base"))

DEVICE_PINNED = Peer("pinned", mlx5("pinned", "huge"))
DEVICE_STOCK = Peer("ODP, stock kernel", mlx5("odp", "huge", "stock"))
DEVICE_ODP = Peer("ODP 4 KiB", mlx5("odp", "huge"))
DEVICE_HUGE = Peer("ODP 2 MiB", mlx5("2M", "huge"))
DEVICE_MIXED = Peer("mixed", mlx5("mixed", "huge"))
DEVICE_GIGA = Peer("ODP 1 GiB", mlx5("1G", "giga"))

# Debian's kernel with the modules, which have to do without the patches of mm, and the series
WITHOUT_MM_PEERS = tuple(
    (title, Peer(f"{title}, modules", rxe(mode, memory, "modules")), Peer(title, rxe(mode, memory)))
    for title, mode, memory in (
        ("ODP 2 MiB", "2M", "huge"),
        ("mixed", "mixed", "huge"),
        ("ODP 4 KiB", "odp", "huge"),
        ("ODP 4 KiB, base pages", "odp", "base"),
        ("pinned", "pinned", "huge"),
    )
)
