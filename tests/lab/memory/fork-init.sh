#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Threads and fork in a program that called ibv_fork_init() first.
set -eu
exec "$(dirname "$0")/threads.t" --fork-init
