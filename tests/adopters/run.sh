#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# perftest and libfabric with the patches of clients/, which request page sizes, on the machine's device.
# Runs in a root of Debian testing, next to tap.sh and fi-transfer.
#
# ok and a trap call most functions:
# shellcheck disable=SC2317
set -euo pipefail
here=$(dirname "$0")
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
rxe)
	device=rxe0 address=10.99.0.1
	export FI_VERBS_IFACE=veth0
	;;
mlx5)
	device=mlx5_0 address=10.99.1.1
	export FI_VERBS_IFACE=ib0
	ip address add "$address/24" dev ib0
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

# One request, and all mapped blocks have 2M: half of the buffer or more
ONE_IN_2M="r['own_requests'] == 1 and r['upgraded'] == {'2M': 1} and
	list(r['blocks_mapped']) == ['2M'] and 2 <= r['blocks_mapped']['2M'] <= 4"

port=18700
listening() { ss -Htln "sport = :$port" | grep -q .; }

# perftest

LENGTH=4194304

# start PROGRAM ARGUMENT...: both ends, with the options SERVER and CLIENT. A packet is resent after
# 17 s (-u 22): by default perftest gives up after half a second.
start() {
	local end=$((SECONDS + 300))
	port=$((port + 1))
	timeout -k 5 600 "$@" -F -u 22 -d "$device" -p "$port" "${SERVER[@]}" >"$dir/server" 2>&1 &
	SERVER_PID=$!
	until listening || ! kill -0 "$SERVER_PID" 2>/dev/null || ((SECONDS > end)); do :; done
	timeout -k 5 600 "$@" -F -u 22 -d "$device" -p "$port" "${CLIENT[@]}" "$address" \
		>"$dir/client" 2>&1 &
	CLIENT_PID=$!
}

# finish: both must have succeeded
finish() {
	local status=0
	wait "$CLIENT_PID" || status=$?
	wait "$SERVER_PID" || status=$?
	return "$status"
}

pair() { start "$@" && finish; }

# memory huge|shmem: an empty file for each end, on hugetlbfs or in shared memory with huge pages
memory() {
	local options=(-t hugetlbfs)
	[[ $1 == huge ]] || options=(-t tmpfs -o huge=always)
	mkdir -p "$dir/huge"
	mount "${options[@]}" none "$dir/huge"
	truncate -s $((2 * LENGTH)) "$dir/huge"/{server,client}
	SERVER=(--mmap="$dir/huge/server") CLIENT=(--mmap="$dir/huge/client")
}

# perftest has the data to send in the first half of a buffer and receives into the second one, but
# ib_read_bw the other way round: arrived SOURCE TARGET compares each byte of the transfer. Before it,
# the source had the words of the payload, and the target random bytes.
arrived() {
	python3 - "$dir/huge" "$@" "$LENGTH" <<'PROGRAM'
import sys
where, source, target, length = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
def halves(name):
    with open(f"{where}/{name}", "rb") as file:
        data = file.read()
    assert len(data) == 2 * length, len(data)
    return data[:length], data[length:]
read = source == "server"
sent, got = halves(source)[read], halves(target)[not read]
words = sum(1 for i in range(0, length, 4096) if len(set(sent[i:i + 4096])) > 64)
assert words == length // 4096, f"the source has no payload: {words} pages"
wrong = [i for i in range(length) if sent[i] != got[i]] if sent != got else []
sys.exit(f"{len(wrong)} bytes are wrong, the first one is {wrong[0]}" if wrong else 0)
PROGRAM
}

# Random words, as many as do not divide a page
payload() {
	python3 -c '
import random
random.seed(7)
print(",".join(f"0x{random.getrandbits(32):08x}" for _ in range(1021)), end="")' >"$dir/payload"
}

# bandwidth PROGRAM MEMORY SIZES SOURCE TARGET: a transfer between two processes
bandwidth() {
	local program=$1 kind=$2 sizes=$3 source=$4 target=$5
	local name="$program --odp-page-sizes='$sizes', $kind"
	rm -f "$dir"/{report,server,client}
	memory "$kind"
	payload
	case $source in
	server) SERVER+=(--payload_file_path="$dir/payload") ;;
	client) CLIENT+=(--payload_file_path="$dir/payload") ;;
	esac
	ok "$name" pair "${REPORT[@]}" "$program" --odp --odp-page-sizes="$sizes" -s "$LENGTH" -n 5
	ok "$name: all bytes are right" arrived "$source" "$target"
	ok "$name: both ends print the page size" \
		[ "$(cat "$dir"/{server,client} | grep -c '^ ODP page size   : 2097152\[B\]$')" = 2 ]
	reported "$name: blocks of 2M, by the kernel's count" "$ONE_IN_2M"
	umount "$dir/huge"
}

# the MRs during a transfer, as other processes can query them
from_outside() {
	while kill -0 "$CLIENT_PID" 2>/dev/null; do
		hugeodp mr --json -d "$device" >>"$dir/mr" 2>"$dir/mr.err" || true
	done
	finish && json "$dir/mr" "any(sum(m['length'] == 2 * $LENGTH and m['page_shift'] == 21 and
		0 < m.get('odp_blocks_mapped', 0) <= 4 for m in mrs) == 2 for mrs in v)"
}

# refused NAME SENTENCE COMMAND...: fails, and prints the sentence
refused() {
	local sentence=$1
	shift
	! "$@" && grep -qsE -e "$sentence" "$dir/server" "$dir/client"
}

perftest_all() {
	bandwidth ib_write_bw huge 2M client server
	bandwidth ib_read_bw huge 2M server client
	bandwidth ib_send_bw huge 2M client server
	# free memory in huge pages
	echo 1 >/proc/sys/vm/compact_memory
	bandwidth ib_write_bw shmem '2M|base' client server

	rm -f "$dir"/{report,server,client}
	SERVER=() CLIENT=()
	ok "ib_write_bw --odp-page-sizes=2M, memory of the program" \
		pair "${REPORT[@]}" ib_write_bw --odp --odp-page-sizes=2M -s "$LENGTH" -n 5
	reported "memory of the program: blocks of 2M, by the kernel's count" "$ONE_IN_2M"

	rm -f "$dir"/{mr,server,client}
	start ib_write_bw --odp --odp-page-sizes=2M -s "$LENGTH" -D 4
	ok "blocks of 2M, seen from outside while data flows" from_outside

	rm -f "$dir"/{report,server,client}
	ok "ib_write_bw --odp, without a request" pair "${REPORT[@]}" ib_write_bw --odp -s "$LENGTH" -n 5
	reported "without a request: base pages" \
		"r['own_requests'] == 0 and list(r['blocks_mapped']) == ['4K']"
}

# libfabric

transfer() {
	port=$((port + 1))
	timeout -k 5 300 "$@" "$here/fi-transfer" "$address" "$port" >"$dir/client" 2>&1
}

# both NUMBER LINE: this many lines are "server: LINE" or "client: LINE"
both() { [[ $(grep -cE "^(server|client): $2\$" "$dir/client") == "$1" ]]; }

# fabric SIZES SHARED BLOCKS: a transfer with this request, with this many buffers that share an MR
fabric() {
	local name="libfabric, FI_VERBS_ODP_PAGE_SIZES='$1'"
	rm -f "$dir"/{report,server,client}
	ok "$name" transfer "${REPORT[@]}" env FI_VERBS_ODP_PAGE_SIZES="$1"
	ok "$name: all bytes are right" both 2 "all bytes are right"
	ok "$name: $2 of the buffers in the memory region of another one" \
		both 2 "buffers in the memory region of another one: $2"
	reported "$name: blocks as they should be, by the kernel's count" "$3"
}

fabric_all() {
	# three huge pages; the first registration covers less of them, and is replaced
	fabric 2M 1 "r['own_requests'] == r['upgraded']['2M'] == 2 and list(r['blocks_mapped']) == ['2M'] and
		r['blocks_mapped']['2M'] >= 3"
	fabric '2M|base' 1 "r['upgraded'] == {'2M': 2} and list(r['blocks_mapped']) == ['2M']"
	fabric base 0 "r['own_requests'] == 2 and r['huge'] == 0 and list(r['blocks_mapped']) == ['4K']"

	rm -f "$dir"/{report,server,client}
	ok "libfabric, without a request" transfer "${REPORT[@]}"
	ok "libfabric, without a request: all bytes are right" both 2 "all bytes are right"
	reported "libfabric, without a request: base pages" \
		"r['own_requests'] == 0 and list(r['blocks_mapped']) == ['4K']"
}

# Memory without huge pages, or a kernel without requests
refusals() {
	local perftest='(supports no|cannot have a) page size of --odp-page-sizes'
	local fabric='(supports no|cannot have a) page size of odp_page_sizes'
	if has_series; then
		perftest='cannot have a page size of --odp-page-sizes: .+, at 0x'
		fabric='cannot have a page size of odp_page_sizes: .+, at 0x'
	fi
	echo never >"$thp"
	rm -f "$dir"/{report,server,client}
	SERVER=() CLIENT=()
	ok "ib_write_bw without huge pages: an error that says why" refused "$perftest" \
		pair ib_write_bw --odp --odp-page-sizes=2M -s "$LENGTH" -n 5
	rm -f "$dir"/{server,client}
	ok "libfabric without huge pages: an error that says why" refused "$fabric" \
		transfer env FI_VERBS_ODP_PAGE_SIZES=2M
	ok "libfabric: a value that is not a page size" refused 'Invalid value of odp_page_sizes' \
		transfer env FI_VERBS_ODP_PAGE_SIZES=3M
	ok "ib_write_bw: a value that is not a page size" refused "'3M' is not a list of page sizes" \
		pair ib_write_bw --odp --odp-page-sizes=3M
	ok "ib_write_bw: page sizes without --odp" refused '--odp-page-sizes requires --odp' \
		pair ib_write_bw --odp-page-sizes=2M
	SERVER=() CLIENT=()
	ok "ib_write_bw without huge pages, base pages accepted" \
		pair ib_write_bw --odp --odp-page-sizes='2M|base' -s "$LENGTH" -n 5
	# where on-demand paging of rxe copies the right bytes
	if has_series; then
		ok "libfabric without huge pages, base pages accepted" \
			transfer env FI_VERBS_ODP_PAGE_SIZES='2M|base'
		ok "libfabric without huge pages: all bytes are right" both 2 "all bytes are right"
	fi
	echo "$thp_before" >"$thp"
}

# warnings are off by default: refusals are among them
export FI_VERBS_USE_ODP=1 FI_MR_CACHE_MONITOR=memhooks FI_PROVIDER=verbs FI_LOG_LEVEL=warn
if has_series; then
	perftest_all
	fabric_all
fi
refusals
tap_done
