#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unmodified programs get huge pages under `hugeodp run`, and otherwise behave as before. Shown by
# the report, which has the kernel's own count of blocks, and from outside by RDMA netlink.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"

dir=$(mktemp -d)
thp=/sys/kernel/mm/transparent_hugepage/enabled
thp_before=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; echo "$thp_before" >$thp; rm -rf "$dir"' EXIT

series=1
has_series || series=''
# rxe maps all present memory when the page size changes; mlx5 starts with an empty table and maps
# memory when it is accessed
case $HUGEODP_DEVICE in
mlx5) device=mlx5_0 address=127.0.0.1 MAPPED='>= 4' ;;
*) device=rxe0 address=10.99.0.1 MAPPED='== 8' ;;
esac

port=18600
listening() { ss -Htln "sport = :$port" | grep -q .; }

# 17 s before a packet is resent: by default perftest gives up after half a second
patience=(-u 22)

# start PROGRAM ARGUMENT...: both ends, the server under the command in WRAPPER; output to $dir
start() {
	local end=$((SECONDS + 300))
	rm -f "$dir"/*
	port=$((port + 1))
	timeout 600 "${WRAPPER[@]}" "$@" -F "${patience[@]}" -d $device -p $port >"$dir/server" 2>&1 &
	SERVER=$!
	until listening; do
		if ((SECONDS > end)) || ! kill -0 "$SERVER" 2>/dev/null; then
			break
		fi
	done
	timeout 600 "$@" -F "${patience[@]}" -d $device -p $port $address >"$dir/client" 2>&1 &
	CLIENT=$!
}

# finish: both must have succeeded
finish() {
	local status=0
	wait "$CLIENT" || status=$?
	wait "$SERVER" || status=$?
	return "$status"
}

pair() { start "$@" && finish; }

run() { WRAPPER=(hugeodp run --json --report="$dir/report" "$@" --); }

# report NAME EXPRESSION: of the server's report "r"
report() {
	ok "$1" json "$dir/report" "[r := v[0]] and len(v) == 1 and ($2)"
	[[ ! -e $dir/report ]] || sed -nE 's/.*("upgraded.*), "ranges.*/# \1/p' "$dir/report"
}

DEVICE_CANNOT="r['huge'] == 0 and r['declined'] == {'the device or the kernel does not support the size': 1}"

# MiB that are mapped in blocks of 2M or more; two adjacent huge pages are one block of 4M
HUGE="sum(int(s[:-1]) * n for s, n in r['blocks_mapped'].items() if s[-1] == 'M')"

# huge_pages NAME: 8 MiB of the hugetlb pool
huge_pages() {
	if [[ -n $series ]]; then
		report "$1: all in blocks of 2M or more, by the kernel's count" \
			"r['huge'] == 1 and $HUGE $MAPPED and sum(r['blocks_mapped'].values()) <= 4"
	else
		report "$1: base pages, and why" "$DEVICE_CANNOT"
	fi
}

hugetlb=(--odp --use_hugepages -s 4194304 -n 5)

run
for program in ib_write_bw ib_read_bw ib_send_bw; do
	ok "$program --odp, hugetlb" pair $program "${hugetlb[@]}"
	huge_pages "$program --odp, hugetlb"
done

# the MR during a transfer, as other processes can query it
from_outside() {
	# record the output and check it afterwards: a check in the loop would outlast the transfer
	while kill -0 "$CLIENT" 2>/dev/null; do
		hugeodp mr --json -d "$device" >>"$dir/mr" 2>"$dir/mr.err" || true
	done
	finish && json "$dir/mr" "[m for mrs in v for m in mrs if m['length'] == 8 << 20 and
		m['kind'] == 'odp' and m['page_shift'] >= 21 and 0 < m['odp_blocks_mapped'] <= 4]"
}
if [[ -n $series ]]; then
	start ib_write_bw --odp --use_hugepages -s 4194304 -D 4
	ok "blocks of 2M or more, seen from outside while data flows" from_outside
fi

run --sizes 64K
ok "ib_write_bw --odp, 64K by order" pair ib_write_bw "${hugetlb[@]}"
if [[ -n $series ]]; then
	report "64K by order, and no other size" \
		"r['upgraded'] == {'64K': 1} and r['blocks_mapped']['64K'] * 64 / 1024 $MAPPED and
		 len(r['blocks_mapped']) == 1"
else
	report "64K by order: base pages, and why" "$DEVICE_CANNOT"
fi

# its ends are not aligned: blocks of several sizes. For memory without MADV_HUGEPAGE the kernel uses
# free huge pages, but does not compact memory to make some.
echo 1 >/proc/sys/vm/compact_memory
run
ok "ib_write_bw --odp, malloc" pair ib_write_bw --odp -s 16777216 -n 5
if [[ -n $series ]]; then
	report "malloc: most of 32 MiB in blocks of 2M" \
		"r['huge'] == 1 and $HUGE >= 24"
fi

# memory that cannot be huge
run --sizes 2M
echo never >$thp
ok "ib_write_bw --odp, memory of base pages" pair ib_write_bw --odp -s 4194304 -n 5
if [[ -n $series ]]; then
	report "memory of base pages: base pages, and why" \
		"r['huge'] == 0 and list(r['blocks_mapped']) == ['4K'] and
		 r['declined'] == {'memory of smaller pages': 1}"
else
	report "memory of base pages: base pages, and why" "$DEVICE_CANNOT"
fi
echo "$thp_before" >$thp
ok "ib_write_lat --odp, small" pair ib_write_lat --odp -s 64 -n 50
report "small: base pages, and why" "r['huge'] == 0 and sum(r['declined'].values()) == 1"
run
ok "ib_write_bw, pinned memory" pair ib_write_bw --use_hugepages -s 4194304 -n 5
report "pinned memory is left alone" "r['declined'] == {'not on demand': 1}"
run --all
ok "ib_write_bw, pinned memory, --all" pair ib_write_bw --use_hugepages -s 4194304 -n 5
huge_pages "pinned memory, --all"

WRAPPER=(hugeodp run --report="$dir/no/report.%p" --)
ok "ib_write_bw --odp, report path not writable" pair ib_write_bw "${hugetlb[@]}"
ok "a report that cannot be written is an error message" \
	grep -qE "hugeodp: report to $dir/no/report\.[0-9]+: No such file" "$dir/server"

WRAPPER=(env)
ok "without the library" pair ib_write_bw "${hugetlb[@]}"
ok "without the library there is no report" test ! -e "$dir/report"
WRAPPER=(hugeodp explain --json --)
ok "explain" pair ib_write_bw "${hugetlb[@]}"
if [[ -n $series ]]; then
	ok "explain changes nothing" grep -q '"blocks_mapped": {"4K": 2048}' "$dir"/*
fi

run
status=0 plain=0
"${WRAPPER[@]}" ib_write_bw -d no_such_device >"$dir/out" 2>&1 || status=$?
ib_write_bw -d no_such_device >"$dir/out" 2>&1 || plain=$?
ok "a program that fails fails the same ($status)" test $status = $plain -a $status != 0

# tests that compare data
rm -f "$dir"/*
suite=0
(cd /usr/libexec/rdma-core && "${WRAPPER[@]}" python3 \
	/usr/libexec/hugeodp/pyverbs/patient.py tests/run_tests.py --dev $device -v \
	-k test_odp_rc_traffic -k test_odp_rc_huge -k test_odp_ud_traffic) >"$dir/out" 2>&1 || suite=$?
ok "rdma-core's tests of ODP" test $suite = 0
ok "rdma-core's tests of ODP: some ran" grep -qE '^Ran [1-9]' "$dir/out"
ok "rdma-core's tests of ODP: their registrations were seen" json "$dir/report" \
	'sum(r["registrations"] for r in v) > 0'
tap_done
