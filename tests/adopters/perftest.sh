#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# perftest with its patch of clients/, which requests page sizes, on the machine's device.
#
# ok calls most functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

# One request, and all mapped blocks have 2M: half of the buffer or more
ONE_IN_2M="r['own_requests'] == 1 and r['upgraded'] == {'2M': 1} and
	list(r['blocks_mapped']) == ['2M'] and 2 <= r['blocks_mapped']['2M'] <= 4"

LENGTH=4194304

# begin PROGRAM ARGUMENT...: both ends. A packet is resent after 17 s (-u 22): by default perftest gives up
# after half a second.
begin() {
	port=$((port + 1))
	start "$@" -F -u 22 -d "$device" -p "$port"
}

pair() { begin "$@" && finish; }

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

transfers() {
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
	begin ib_write_bw --odp --odp-page-sizes=2M -s "$LENGTH" -D 4
	ok "blocks of 2M, seen from outside while data flows" from_outside $((2 * LENGTH))

	rm -f "$dir"/{report,server,client}
	ok "ib_write_bw --odp, without a request" pair "${REPORT[@]}" ib_write_bw --odp -s "$LENGTH" -n 5
	reported "without a request: base pages" \
		"r['own_requests'] == 0 and list(r['blocks_mapped']) == ['4K']"
}

# Memory without huge pages, or a kernel without requests
refusals() {
	local sentence='(supports no|cannot have a) page size of --odp-page-sizes'
	has_series && sentence='cannot have a page size of --odp-page-sizes: .+, at 0x'
	no_huge_pages
	rm -f "$dir"/{report,server,client}
	SERVER=() CLIENT=()
	ok "ib_write_bw without huge pages: an error that says why" refused "$sentence" \
		pair ib_write_bw --odp --odp-page-sizes=2M -s "$LENGTH" -n 5
	ok "ib_write_bw: a value that is not a page size" refused "'3M' is not a list of page sizes" \
		pair ib_write_bw --odp --odp-page-sizes=3M
	ok "ib_write_bw: page sizes without --odp" refused '--odp-page-sizes requires --odp' \
		pair ib_write_bw --odp-page-sizes=2M
	ok "ib_write_bw without huge pages, base pages accepted" \
		pair ib_write_bw --odp --odp-page-sizes='2M|base' -s "$LENGTH" -n 5
}

if has_series; then
	transfers
fi
refusals
tap_done
