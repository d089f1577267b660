#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unmodified programs, as their distribution ships them, with on-demand paging on the machine's
# device. Runs in a root of Debian 13, next to tap.sh and mpi-transfer.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR/../lib source=tap.sh
source "$here/tap.sh"

dir=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$dir"' EXIT
export HOME=/tmp UCX_VFS_ENABLE=n UCX_WARN_UNUSED_ENV_VARS=n
device=${HUGEODP_LAB_DEVICE:-rxe0}
# connections over TCP, as UCX does not reach itself by datagrams of rxe; data over RDMA
export UCX_TLS=rc_verbs,tcp,self UCX_NET_DEVICES=$device:1,lo UCX_MAX_RNDV_RAILS=1
export UCX_REG_NONBLOCK_MEM_TYPES=host
export FI_VERBS_USE_ODP=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# moved: MiB that went through the device
case $HUGEODP_DEVICE in
rxe)
	export UCX_IB_GID_INDEX=1 FI_VERBS_IFACE=veth0
	address=10.99.0.1
	moved() { echo $(($(cat /sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts) / 256)); }
	;;
mlx5)
	# with DevX, UCX requires the second version of on-demand paging
	export UCX_IB_MLX5_DEVX=n FI_VERBS_IFACE=ib0
	address=10.99.1.1
	ip address add "$address/24" dev ib0
	ip link set ib0 up
	moved() {
		mlx5-model-counters bytes_sent bytes_written bytes_read |
			awk '{ n += $1 } END { print int(n / 2 ^ 20) }'
	}
	;;
esac

# ranks [OPTION VALUE]... -- PROGRAM ARGUMENT...: runs two, under the command in WRAPPER
# shellcheck disable=SC2317 # ok calls it
ranks() {
	local options=()
	while [[ $1 != -- ]]; do
		options+=(--mca "$1" "$2")
		shift 2
	done
	shift
	timeout -k 5 300 mpirun -n 2 --oversubscribe "${options[@]}" "${WRAPPER[@]}" "$@" \
		</dev/null >"$dir/out" 2>&1
}

# shellcheck disable=SC2317 # ok calls what calls it
listening() { ss -Htln "sport = :47592" | grep -q .; }

# pingpong ARGUMENT...: the server and then the client
# shellcheck disable=SC2317 # ok calls it
pingpong() {
	local server status=0 end=$((SECONDS + 60))
	# without the address the server looks for one by the name of localhost
	timeout -k 5 120 "${WRAPPER[@]}" fi_pingpong "$@" -s "$address" >"$dir/server" 2>&1 &
	server=$!
	until listening || ! kill -0 "$server" 2>/dev/null || ((SECONDS > end)); do :; done
	timeout -k 5 120 "${WRAPPER[@]}" fi_pingpong "$@" -s "$address" "$address" \
		>"$dir/out" 2>&1 || status=$?
	wait "$server" || status=$?
	return "$status"
}

# client NAME MIB COMMAND...: checks that it succeeds, that the device moved at least MIB, and that
# both processes had on-demand regions with the blocks of the mode
client() {
	local name="$1, $MODE" mib=$2 before
	shift 2
	rm -f "$dir"/*
	before=$(moved)
	ok "$name" "$@"
	ok "$name: by RDMA" test $(($(moved) - before)) -ge "$mib"
	ok "$name: on-demand regions in two processes" json "$dir/report" \
		'len(v) == 2 and all(r["registrations"] > r["declined"].get("not on demand", 0) for r in v)'
	ok "$name: blocks as they should be" json "$dir/report" "$BLOCKS"
	sed -nE 's/.*("registrations.*), "ranges.*/# \1/p' "$dir/report" || true
}

all() {
	local mpi=(pml ob1 btl "self,sm,tcp" --)
	client "ucx_perftest, get" 16 ranks "${mpi[@]}" ucx_perftest -t ucp_get -s 4194304 -n 4 -w 1
	client "ucx_perftest, messages" 16 ranks "${mpi[@]}" \
		ucx_perftest -t tag_bw -s 4194304 -n 4 -w 1
	client "Open MPI" 16 ranks pml ucx osc ucx -- "$here/mpi-transfer"
	ok "Open MPI, $MODE: all bytes are right" grep -qx "all bytes are right" "$dir/out"
	# -c compares data
	client "fi_pingpong (libfabric)" 40 \
		pingpong -p verbs -e msg -d "$device" -c -I 5 -S 4194304
}

MODE="as it is"
WRAPPER=(env LD_PRELOAD="$(echo /usr/lib/*/hugeodp/libhugeodp-preload.so)" HUGEODP_PRELOAD_JSON=1
	HUGEODP_PRELOAD_MODE=explain HUGEODP_PRELOAD_REPORT="$dir/report")
BLOCKS='all(set(r["blocks_mapped"]) <= {"4K"} and r["renegotiations"] == 0 for r in v)'
all
MODE="hugeodp run"
WRAPPER=(hugeodp run --report="$dir/report" --json --)
BLOCKS='all(any(s[-1] == "M" for s in r["upgraded"]) for r in v)'
all
tap_done
