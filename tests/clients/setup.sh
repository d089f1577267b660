# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the tests of this folder share: the device, the ways to run a program, and checks of what it
# registered. They run in a root of Debian 13, next to tap.sh and the programs that are compiled here.
#
# ok and a trap call most functions, and the tests use the variables:
# shellcheck disable=SC2034,SC2317
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source-path=SCRIPTDIR/../lib source=tap.sh
source "$here/tap.sh"

dir=$(mktemp -d)
huge=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; wait; umount "$huge" 2>/dev/null || true
	rm -rf "$dir" "$huge"' EXIT
export HOME=/tmp

# moved: MiB that went through the device
device=${HUGEODP_LAB_DEVICE:-rxe0}
case $HUGEODP_DEVICE in
rxe)
	address=10.99.0.1 interface=veth0
	moved() { echo $(($(cat "/sys/class/infiniband/$device/ports/1/hw_counters/sent_pkts") / 256)); }
	;;
mlx5)
	address=10.99.1.1 interface=ib0
	ip address replace "$address/24" dev ib0
	ip link set ib0 up
	moved() {
		mlx5-model-counters bytes_sent bytes_written bytes_read |
			awk '{ n += $1 } END { print int(n / 2 ^ 20) }'
	}
	;;
esac

# A program as it is, and its MRs recorded
AS_IT_IS=(env LD_PRELOAD="$(echo /usr/lib/*/hugeodp/libhugeodp-preload.so)" HUGEODP_PRELOAD_JSON=1
	HUGEODP_PRELOAD_MODE=explain HUGEODP_PRELOAD_REPORT="$dir/report")
# With huge pages in its on-demand MRs
HUGEODP_RUN=(hugeodp run --report="$dir/report" --json --)

# run_all NAME COMMAND...: with on-demand paging of all its MRs; the report is report.NAME. In the
# background it replaces the shell, so that a signal to that reaches the command.
run_all() {
	local wrapper=(timeout -k 5 300 hugeodp run --all --report="$dir/report.$1" --json --)
	shift
	((BASHPID == $$)) || exec "${wrapper[@]}" "$@"
	"${wrapper[@]}" "$@"
}

# listening PORT: a server listens on this port of TCP
listening() { ss -Htln "sport = :$1" | grep -q .; }

# cm_listening PORT: and on this one of the RDMA connection manager
cm_listening() { rdma resource show cm_id | grep -q "state LISTEN.*:$1 "; }

# alive_until PID COMMAND...: waits until the command succeeds, or the process ends
alive_until() {
	local pid=$1 end=$((SECONDS + 60))
	shift
	until "$@"; do
		kill -0 "$pid" 2>/dev/null && ((SECONDS < end)) || return 1
	done
}

# by_rdma NAME MIB COMMAND...: checks that it succeeds, and that the device moved at least MIB
by_rdma() {
	local name=$1 mib=$2 before
	shift 2
	before=$(moved)
	ok "$name" "$@"
	ok "$name: by RDMA" test $(($(moved) - before)) -ge "$mib"
}

# The counts of each report, as comments
show_reports() { sed -nE 's/.*("registrations.*), "ranges.*/# \1/p' "$dir"/report* 2>/dev/null || true; }

# with_odp NAME MIB COMMAND...: a client that uses on-demand paging itself, in two processes that have
# blocks as BLOCKS says. MODE is for the names.
with_odp() {
	local name="$1, $MODE" mib=$2
	shift 2
	rm -f "$dir"/*
	by_rdma "$name" "$mib" "$@"
	ok "$name: on-demand regions in two processes" json "$dir/report" \
		'len(v) == 2 and all(r["registrations"] > r["declined"].get("not on demand", 0) for r in v)'
	ok "$name: blocks as they should be" json "$dir/report" "$BLOCKS"
	show_reports
}

# in_both_modes FUNCTION: calls it with the program as it is, then under hugeodp run
in_both_modes() {
	MODE="as it is"
	WRAPPER=("${AS_IT_IS[@]}")
	BLOCKS='all(set(r["blocks_mapped"]) <= {"4K"} and r["renegotiations"] == 0 for r in v)'
	"$1"
	MODE="hugeodp run"
	WRAPPER=("${HUGEODP_RUN[@]}")
	BLOCKS='all(any(s[-1] == "M" for s in r["upgraded"]) for r in v)'
	"$1"
}

# ranks [OPTION VALUE]... -- PROGRAM ARGUMENT...: two ranks of MPI, under the command in WRAPPER
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

# ucx_settings: for UCX itself, and for Open MPI
ucx_settings() {
	export UCX_VFS_ENABLE=n UCX_WARN_UNUSED_ENV_VARS=n
	# connections over TCP, as UCX does not reach itself by datagrams of rxe; data over RDMA
	export UCX_TLS=rc_verbs,tcp,self UCX_NET_DEVICES=$device:1,lo UCX_MAX_RNDV_RAILS=1
	export UCX_REG_NONBLOCK_MEM_TYPES=host
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	case $HUGEODP_DEVICE in
	rxe) export UCX_IB_GID_INDEX=1 ;;
	# with DevX, UCX requires the second version of on-demand paging
	mlx5) export UCX_IB_MLX5_DEVX=n ;;
	esac
}

# hugetlbfs: mounts one at $huge
hugetlbfs() { mount -t hugetlbfs none "$huge"; }

# random_file FILE MIB: also in hugetlbfs, whose files cannot be written
random_file() {
	python3 -c '
import mmap, os, sys
length = int(sys.argv[2]) << 20
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(file, length)
mmap.mmap(file, length)[:] = os.urandom(length)' "$1" "$2"
}

# mapped_huge FILE MINIMUM LENGTH: in a list of "hugeodp mr --json", on-demand MRs of at least this length
# have blocks of 2 MiB, and at least this many blocks are mapped in them
mapped_huge() {
	json "$1" "any(sum(m.get('odp_blocks_mapped', 0) for m in mrs if m.get('kind') == 'odp' and
		m['length'] >= $3 and m.get('page_shift') == 21) >= $2 for mrs in v)"
}

# all_on_demand FILE PROCESSES: so many or more made a report there, and all of their MRs are on demand
all_on_demand() {
	json "$1" "len(v) >= $2 and all(r['registrations'] and not r['declined'].get('not on demand')
		for r in v)"
}
