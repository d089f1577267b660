# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the tests of this folder share: the machine's device, and checks of what the kernel says of the memory
# regions of a program. They run in a root of Debian testing, next to tap.sh and the programs compiled here.
#
# ok and a trap call most functions, and the tests use the variables:
# shellcheck disable=SC2034,SC2317
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source-path=SCRIPTDIR/../lib source=tap.sh
source "$here/tap.sh"

dir=$(mktemp -d)
thp=/sys/kernel/mm/transparent_hugepage/enabled
thp_before=$(sed 's/.*\[\(.*\)\].*/\1/' "$thp")

finish_all() {
	jobs -p | xargs -r kill 2>/dev/null || true
	echo "$thp_before" >"$thp"
	umount "$dir/huge" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish_all EXIT
export HOME=/tmp

case $HUGEODP_DEVICE in
rxe) device=rxe0 interface=veth0 address=10.99.0.1 ;;
mlx5)
	device=mlx5_0 interface=ib0 address=10.99.1.1
	ip address replace "$address/24" dev ib0
	ip link set ib0 up
	;;
esac

# explain changes nothing: the report has the requests of the program itself, and what the kernel says
# of its memory regions when they are deregistered
REPORT=(env LD_PRELOAD="$(echo /usr/lib/*/hugeodp/libhugeodp-preload.so)" HUGEODP_PRELOAD_JSON=1
	HUGEODP_PRELOAD_MODE=explain HUGEODP_PRELOAD_REPORT="$dir/report")

# reported NAME EXPRESSION: of each process "r", which are two
reported() {
	ok "$1" json "$dir/report" "len(v) == 2 and all($2 for r in v)"
	sed -nE 's/.*("registrations.*), "ranges.*/# \1/p' "$dir/report" 2>/dev/null || true
}

port=18700
listening() { ss -Htln "sport = :$port" | grep -q .; }

# start PROGRAM ARGUMENT...: both ends, with the options SERVER and CLIENT
start() {
	local end=$((SECONDS + 300))
	timeout -k 5 600 "$@" "${SERVER[@]}" >"$dir/server" 2>&1 &
	SERVER_PID=$!
	until listening || ! kill -0 "$SERVER_PID" 2>/dev/null || ((SECONDS > end)); do :; done
	timeout -k 5 600 "$@" "${CLIENT[@]}" "$address" >"$dir/client" 2>&1 &
	CLIENT_PID=$!
}

# finish: both must have succeeded
finish() {
	local status=0
	wait "$CLIENT_PID" || status=$?
	wait "$SERVER_PID" || status=$?
	return "$status"
}

# from_outside LENGTH: during a transfer, another process sees two MRs of this length, with mapped blocks of 2M
# and no others
from_outside() {
	while kill -0 "$CLIENT_PID" 2>/dev/null; do
		hugeodp mr --json -d "$device" >>"$dir/mr" 2>"$dir/mr.err" || true
	done
	finish && json "$dir/mr" "any(sum(m['page_shift'] == 21 and m['length'] == $1 and
		0 < m.get('odp_blocks_mapped', 0) <= $1 >> 21 for m in mrs) == 2 for mrs in v)"
}

# refused SENTENCE COMMAND...: fails, and prints the sentence
refused() {
	local sentence=$1
	shift
	! "$@" && grep -qsE -e "$sentence" "$dir/server" "$dir/client"
}

# both NUMBER LINE: this many lines are "server: LINE" or "client: LINE"
both() { [[ $(grep -cE "^(server|client): $2\$" "$dir/client") == "$1" ]]; }

# no_huge_pages: until the test ends
no_huge_pages() { echo never >"$thp"; }
