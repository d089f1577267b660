#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Two machines with a device of the mlx5 model each, on one wire: runs in both at the same time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=programs.sh
source "$(dirname "$0")/programs.sh"
tests=$(dirname "$0")

address=10.99.2.2 # of machine 1
ip address add "10.99.2.$((HUGEODP_MACHINE + 1))/24" dev ib0
ip link set ib0 up

wire() { "$tests/wire" "$HUGEODP_MACHINE" "$address" >"$dir/wire"; }

ok "LID $((HUGEODP_MACHINE + 1))" \
	test "$(cat /sys/class/infiniband/mlx5_0/ports/1/lid)" = "0x$((HUGEODP_MACHINE + 1))"
ok 'each byte of all transfers' wire
ok 'all transfers were made' test "$(grep -c '^ok ' "$dir/wire")" = 96
ok 'page faults' test "$(counter mlx5_0 page_faults)" -gt 0
ok 'bytes to the other machine' test "$(counter mlx5_0 bytes_out)" -gt 100000
ok 'bytes from the other machine' test "$(counter mlx5_0 bytes_in)" -gt 100000
ok 'no address outside the memory' test "$(counter mlx5_0 bad_dma)" = 0
ok 'no strict report' test "$(counter mlx5_0 strict_reports)" = 0
tap_done
