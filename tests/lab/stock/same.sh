#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The test of the same name, on a kernel without the series.
set -eu
exec "$(dirname "$0")/../$(basename "$0")"
