# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The compiled module, and the version: what pyproject.toml cannot express."""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
import sys

from setuptools import Extension, setup

HERE = pathlib.Path(__file__).resolve().parent


def version() -> str:
    """The version of the project, or of the source distribution that was made from it."""
    for file, pattern in (
        (HERE.parent / "CMakeLists.txt", r"(?m)^\tVERSION ([0-9.]+)$"),
        (HERE / "PKG-INFO", r"(?m)^Version: ([0-9.]+)$"),
    ):
        match = re.search(pattern, file.read_text(encoding="utf-8")) if file.exists() else None
        if match:
            return match[1]
    sys.exit("hugeodp: no version in ../CMakeLists.txt or PKG-INFO")


def pkg_config(option: str) -> list[str]:
    """Options of the compiler or the linker for libhugeodp."""
    try:
        output = subprocess.run(
            ["pkg-config", option, "libhugeodp", "libibverbs"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except FileNotFoundError:
        sys.exit("hugeodp: pkg-config is not installed")
    except subprocess.CalledProcessError as e:
        sys.exit("hugeodp: install libhugeodp with its headers first (Debian: libhugeodp-dev)\n"
                 + e.stderr)
    return shlex.split(output)


def needs_library() -> bool:
    """Whether this command compiles; a source distribution is made without the library."""
    return not {"sdist", "egg_info", "dist_info"} & set(sys.argv)


setup(
    version=version(),
    ext_modules=[
        Extension(
            "hugeodp._core",
            ["hugeodp/_core.pyx"],
            depends=["hugeodp/libhugeodp.pxd"],
            extra_compile_args=pkg_config("--cflags") if needs_library() else [],
            extra_link_args=pkg_config("--libs") if needs_library() else [],
        )
    ],
)
