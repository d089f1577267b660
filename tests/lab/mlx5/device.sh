#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The mlx5 device model under the unmodified driver: programs that everybody has complete, and the
# device's counters tell that it was the device that did it.
set -euo pipefail

count=0
ok() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
	fi
}

counter() { hugeodp-mlx5-counters "$1"; }

# grew COUNTER BEFORE LEAST: by at least so much
grew() { (($(counter "$1") - $2 >= $3)); }

# both COMMAND...: the server, and the client as soon as the server listens
both() {
	local server end=$((SECONDS + 60))
	"$@" >/tmp/server 2>&1 &
	server=$!
	until "$@" 127.0.0.1 >/tmp/client 2>&1; do
		if ((SECONDS > end)) || ! kill -0 "$server" 2>/dev/null; then
			sed 's/^/# /' /tmp/server /tmp/client
			return 1
		fi
	done
	wait "$server"
}

# perf NAME COUNTER LEAST COMMAND...
perf() {
	local name=$1 which=$2 least=$3 before
	shift 3
	before=$(counter "$which")
	ok "$name completes" both "$@"
	ok "$name: $which" grew "$which" "$before" "$least"
}

perf 'ib_write_bw' bytes_written 6553600 ib_write_bw -d mlx5_0 -F -n 100
perf 'ib_send_bw' bytes_sent 6553600 ib_send_bw -d mlx5_0 -F -n 100
perf 'ib_read_lat' bytes_read 200 ib_read_lat -d mlx5_0 -F -n 100
perf 'ib_atomic_bw' atomics 100 ib_atomic_bw -d mlx5_0 -F -n 100
perf 'ib_write_bw --odp' umr_posts 2 ib_write_bw -d mlx5_0 -F -n 100 --odp
perf 'ibv_rc_pingpong' bytes_sent 1638400 ibv_rc_pingpong -n 200
perf 'ibv_rc_pingpong -o' bytes_sent 1638400 ibv_rc_pingpong -n 200 -o
perf 'ibv_ud_pingpong' bytes_sent 409600 ibv_ud_pingpong -n 200
perf 'ibv_srq_pingpong' bytes_sent 1638400 ibv_srq_pingpong -n 200

faults=$(counter page_faults)
ok 'every page fault was resumed' test "$(counter page_faults_resumed)" = "$faults"
ok 'no address outside the memory' test "$(counter bad_dma)" = 0

device=$(basename "$(readlink -f /sys/class/infiniband/mlx5_0/device)")
driver=/sys/bus/pci/drivers/mlx5_core
active() { [[ $(cat /sys/class/infiniband/mlx5_0/ports/1/state 2>/dev/null) == *ACTIVE ]]; }
for round in 1 2 3; do
	echo "$device" >"$driver/unbind"
	ok "unbind $round: the device is gone" test ! -e /sys/class/infiniband/mlx5_0
	echo "$device" >"$driver/bind"
	end=$((SECONDS + 60))
	until active || ((SECONDS > end)); do :; done
	ok "bind $round: the port is active" active
done
perf 'ibv_rc_pingpong after that' bytes_sent 1638400 ibv_rc_pingpong -n 200
echo "1..$count"
