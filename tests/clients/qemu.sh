#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Migration of a QEMU machine by RDMA, which knows nothing of huge pages. The machine's memory is a file in
# hugetlbfs with random bytes; the machine does not run, so its file on the other side has the same in the end.
#
# ok calls the functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

mib=32
port=4444

# machine NAME ARGUMENT...: one that does not run, with this file as its memory
machine() {
	local name=$1
	shift
	run_all "$name" qemu-system-x86_64 -S -nodefaults -display none \
		-accel tcg,tb-size=8 -machine pc,memory-backend=memory -m "$mib" \
		-object "memory-backend-file,id=memory,size=${mib}M,mem-path=$huge/$name,share=on" \
		-qmp "unix:$dir/$name.qmp,server,wait=off" "$@" >"$dir/$name" 2>&1
}

# migrate PIN: with all memory registered in the beginning, or piece by piece. Both machines end.
migrate() {
	local source target status=0
	machine source &
	source=$!
	machine target -incoming defer &
	target=$!
	timeout -k 5 240 python3 "$here/qemu-migrate.py" "$dir/source.qmp" "$dir/target.qmp" \
		"rdma:$address:$port" "$1" >"$dir/migrate" 2>&1 || status=$?
	((status == 0)) || kill "$source" "$target" 2>/dev/null || true
	wait "$source" || status=$?
	wait "$target" || status=$?
	return "$status"
}

hugetlbfs
for pin in on off; do
	name="QEMU, rdma-pin-all=$pin"
	rm -f "$dir"/*
	random_file "$huge/source" "$mib"
	truncate -s "${mib}M" "$huge/target"
	by_rdma "$name: a machine is migrated" "$mib" migrate "$pin"
	ok "$name: all bytes of its memory" cmp "$huge/source" "$huge/target"
	sed 's/^/# /' "$dir/migrate"
	# piece by piece, QEMU registers chunks of 1 MiB
	case $pin in
	on) size=2 ;;
	off) size=1 ;;
	esac
	for end in source target; do
		ok "$name: all regions of the $end on demand" all_on_demand "$dir/report.$end" 1
		ok "$name: blocks of ${size}M for all memory of the $end" json "$dir/report.$end" \
			"v[0]['blocks_mapped'].get('${size}M', 0) >= $mib // $size"
	done
	show_reports
	port=$((port + 1))
done
tap_done
