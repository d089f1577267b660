#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Two devices of the mlx5 model under the unmodified driver: each byte that one sends arrives at the
# other, with page faults on either; and one of them is removed during traffic.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=programs.sh
source "$(dirname "$0")/programs.sh"
tests=$(dirname "$0")

lid() { cat "/sys/class/infiniband/$1/ports/1/lid"; }

# crossed FROM TO OUT IN LEAST: at least LEAST bytes since the values OUT and IN, and none were lost
crossed() {
	local out in
	out=$(($(counter "$1" bytes_out) - $3))
	in=$(($(counter "$2" bytes_in) - $4))
	[[ $out == "$in" ]] && ((out >= $5))
}

# across NAME FROM TO LEAST COMMAND...
across() {
	local name=$1 from=$2 to=$3 least=$4 out in
	shift 4
	out=$(counter "$from" bytes_out)
	in=$(counter "$to" bytes_in)
	ok "$name completes" "$@"
	ok "$name: bytes from $from to $to" crossed "$from" "$to" "$out" "$in" "$least"
}

# programs NEAR FAR
programs() {
	near=$1 far=$2
	local to="$near to $far"
	across "ib_write_bw, $to" "$near" "$far" 6553600 both ib_write_bw -F -n 100
	across "ib_write_bw --odp, $to" "$near" "$far" 6553600 both ib_write_bw -F -n 100 --odp
	across "ib_send_bw, $to" "$near" "$far" 6553600 both ib_send_bw -F -n 100
	across "ib_read_lat, $to" "$far" "$near" 200 both ib_read_lat -F -n 100
	across "ib_read_lat --odp, $to" "$far" "$near" 200 both ib_read_lat -F -n 100 --odp
	across "ib_atomic_bw, $to" "$far" "$near" 800 both ib_atomic_bw -F -n 100
	across "ibv_rc_pingpong, $to" "$near" "$far" 819200 both ibv_rc_pingpong -n 200
	across "ibv_rc_pingpong -o, $to" "$near" "$far" 819200 both ibv_rc_pingpong -n 200 -o
	across "ibv_uc_pingpong, $to" "$near" "$far" 819200 both ibv_uc_pingpong -n 200
	across "ibv_ud_pingpong, $to" "$near" "$far" 204800 both ibv_ud_pingpong -n 200
	across "ibv_srq_pingpong, $to" "$near" "$far" 819200 both ibv_srq_pingpong -n 200
	across "ibv_xsrq_pingpong, $to" "$near" "$far" 4096 both ibv_xsrq_pingpong -n 200
}

# compares TEST KIND: a data test, its far end on the second device
compares() {
	HUGEODP_LAB_DEVICE=mlx5_0 HUGEODP_LAB_FAR_DEVICE=mlx5_1 HUGEODP_ONLY=$2 \
		"$tests/$1.t" >"$dir/data" && grep -q '^ok ' "$dir/data"
}

# data KIND: all kinds of requests with this kind of MR
data() {
	across "data-write, MRs $1" mlx5_0 mlx5_1 1 compares data-write "$1"
	across "data-send, MRs $1" mlx5_0 mlx5_1 1 compares data-send "$1"
	across "data-ud, MRs $1" mlx5_0 mlx5_1 1 compares data-ud "$1"
	across "data-read, MRs $1" mlx5_1 mlx5_0 1 compares data-read "$1"
	across "data-atomic, MRs $1" mlx5_1 mlx5_0 1 compares data-atomic "$1"
}

# data_faults KIND: the same with MRs whose pages are not present at first
data_faults() {
	local device faults=()
	for device in mlx5_0 mlx5_1; do
		faults+=("$(counter "$device" page_faults)")
	done
	data "$1"
	for device in mlx5_0 mlx5_1; do
		ok "page faults of $device, MRs $1" \
			test "$(counter "$device" page_faults)" -gt "${faults[${device#mlx5_}]}"
	done
}

ended() { ! kill -0 "$1" 2>/dev/null; }
# received DEVICE SINCE: true if traffic flows
received() { (($(counter "$1" bytes_in) > $2 + 1000000)); }

# traffic ARG...: ib_write_bw without end from near to far; sets server and client
traffic() {
	local before
	before=$(counter "$far" bytes_in)
	ib_write_bw -F --run_infinitely "$@" -d "$far" >"$dir/server" 2>&1 &
	server=$!
	until
		ib_write_bw -F --run_infinitely "$@" -d "$near" 127.0.0.1 >"$dir/client" 2>&1 &
		client=$!
		wait_until 120 eval "received $far $before || ended $client"
		! ended "$client"
	do
		! ended "$server" || return 1
	done
}

stop() {
	kill "$server" "$client" 2>/dev/null || true
	wait "$server" "$client" 2>/dev/null || true
}

ok 'mlx5_0 has LID 1' test "$(lid mlx5_0)" = 0x1
ok 'mlx5_1 has LID 2' test "$(lid mlx5_1)" = 0x2
programs mlx5_0 mlx5_1
programs mlx5_1 mlx5_0

# by IP addresses: the second device is in another namespace, so that ARP has to find it
ip netns add far
ip link set ib1 netns far
ip address add 10.99.2.1/24 dev ib0
ip link set ib0 up
ip -n far address add 10.99.2.2/24 dev ib1
ip -n far link set ib1 up
there=(ip netns exec far)
peer=10.99.2.2
across 'rping' mlx5_0 mlx5_1 600000 by_address -C 10 -S 60000
ok 'rping: found by ARP' eval 'ip neigh show 10.99.2.2 dev ib0 | grep -qE "lladdr .*:fe:01:00:01 "'
across 'ib_write_bw -R' mlx5_0 mlx5_1 6553600 both ib_write_bw -F -n 100 -R
across 'ib_send_bw -R --odp' mlx5_0 mlx5_1 6553600 both ib_send_bw -F -n 100 -R --odp
there=()
peer=127.0.0.1
ip netns del far

data 'pinned over base'
# the stock driver ends a page fault with an error if the memory is busy for a second, as it is when
# the machine is slow
if has_series; then
	data_faults 'odp over base'
	data_faults '2M over hugetlb untouched'
fi

near=mlx5_0 far=mlx5_1
for options in '' '--odp'; do
	# shellcheck disable=SC2086 # no word, or one
	ok "traffic${options:+ with $options}" traffic $options
	ok 'the responder is unbound' unbind mlx5_1
	ok 'its device is gone' test ! -e /sys/class/infiniband/mlx5_1
	ok 'the requester ends' wait_until 120 ended "$client"
	ok 'it got no answer' grep -qiE 'status 12|transport retry' "$dir/client"
	stop
	ok 'it is bound again' bind mlx5_1
done

near=mlx5_1 far=mlx5_0
ok 'traffic the other way' traffic
ok 'the requester is unbound' unbind mlx5_1
ok 'its device is gone' test ! -e /sys/class/infiniband/mlx5_1
stop
ok 'it is bound again' bind mlx5_1

across 'ibv_rc_pingpong after that' mlx5_0 mlx5_1 819200 both ibv_rc_pingpong -n 200
for device in mlx5_0 mlx5_1; do
	ok "$device: every page fault was resumed or dropped with its queue pair" test \
		"$(counter "$device" page_faults)" = \
		$(($(counter "$device" page_faults_resumed) + $(counter "$device" page_faults_dropped)))
	ok "$device: no address outside the memory" test "$(counter "$device" bad_dma)" = 0
	ok "$device: no strict report" test "$(counter "$device" strict_reports)" = 0
done
tap_done
