#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The mlx5 device model under the unmodified driver: common programs complete, and the device's
# counters show that the data went through the device.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=programs.sh
source "$(dirname "$0")/programs.sh"

# grew COUNTER BEFORE LEAST: true if it grew by at least LEAST
grew() { (($(counter mlx5_0 "$1") - $2 >= $3)); }

# counted NAME COUNTER LEAST COMMAND...
counted() {
	local name=$1 which=$2 least=$3 before
	shift 3
	before=$(counter mlx5_0 "$which")
	ok "$name completes" "$@"
	ok "$name: $which" grew "$which" "$before" "$least"
}

# perf NAME COUNTER LEAST COMMAND...
perf() { counted "$1" "$2" "$3" both "${@:4}"; }

perf 'ib_write_bw' bytes_written 6553600 ib_write_bw -F -n 100
perf 'ib_send_bw' bytes_sent 6553600 ib_send_bw -F -n 100
perf 'ib_read_lat' bytes_read 200 ib_read_lat -F -n 100
perf 'ib_atomic_bw' atomics 100 ib_atomic_bw -F -n 100
perf 'ib_write_bw --odp' umr_posts 2 ib_write_bw -F -n 100 --odp
perf 'ibv_rc_pingpong' bytes_sent 1638400 ibv_rc_pingpong -n 200
perf 'ibv_rc_pingpong -o' bytes_sent 1638400 ibv_rc_pingpong -n 200 -o
perf 'ibv_ud_pingpong' bytes_sent 409600 ibv_ud_pingpong -n 200
perf 'ibv_srq_pingpong' bytes_sent 1638400 ibv_srq_pingpong -n 200

# an address of the device, so that rdma_cm finds it
peer=10.99.1.1
ip address add "$peer/24" dev ib0
ip link set ib0 up
counted 'rping' bytes_read 600000 by_address -C 10 -S 60000
perf 'ib_write_bw -R' bytes_written 6553600 ib_write_bw -F -n 100 -R
perf 'ib_write_bw -R --odp' bytes_written 6553600 ib_write_bw -F -n 100 -R --odp
peer=127.0.0.1

faults=$(counter mlx5_0 page_faults)
ok 'every page fault was resumed' test "$(counter mlx5_0 page_faults_resumed)" = "$faults"
ok 'no address outside the memory' test "$(counter mlx5_0 bad_dma)" = 0
ok 'nothing went to another device' test "$(counter mlx5_0 bytes_out)" = 0

for round in 1 2 3; do
	unbind mlx5_0
	ok "unbind $round: the device is gone" test ! -e /sys/class/infiniband/mlx5_0
	ok "bind $round: the port is active" bind mlx5_0
done
perf 'ibv_rc_pingpong after that' bytes_sent 1638400 ibv_rc_pingpong -n 200
ok 'no strict report' test "$(counter mlx5_0 strict_reports)" = 0
tap_done
