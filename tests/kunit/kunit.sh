#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the KUnit suites of the series in a kernel that has them, and prints each case as a TAP test.
set -euo pipefail

suites='ib_odp_table odp_look'
debugfs=/sys/kernel/debug/kunit
thp=/sys/kernel/mm/transparent_hugepage
points=0

point() {
	points=$((points + 1))
	echo "$1 $points - $2"
}

khugepaged_sleeps() {
	local stat line
	for stat in /proc/[0-9]*/stat; do
		read -r line 2>/dev/null <"$stat" || continue
		[[ $line != *'(khugepaged) S '* ]] || return 0
	done
	return 1
}

# khugepaged could collapse the small pages that a case made of huge ones, between two checks. It
# scans when it starts, after a sleep, and when the first process with huge pages appears: so start
# such a process first, and restart it with a long sleep.
stop_khugepaged() {
	local enabled line end=$((SECONDS + 300))
	coproc FIRST { exec python3 -c '
import mmap, sys
area = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_HUGEPAGE)
area[4 << 20] = 1
print("ready", flush=True)
sys.stdin.read()'; }
	read -r line <&"${FIRST[0]}"
	enabled=$(sed 's/.*\[\(.*\)\].*/\1/' $thp/enabled)
	echo 4000000000 >$thp/khugepaged/scan_sleep_millisecs
	echo never >$thp/enabled
	echo "$enabled" >$thp/enabled
	until khugepaged_sleeps || ((SECONDS > end)); do :; done
	khugepaged_sleeps
}

stop_khugepaged
for suite in $suites; do
	if [[ ! -w $debugfs/$suite/run ]]; then
		point 'not ok' "$suite: not in this kernel (CONFIG_KUNIT, and the series' tests)"
		continue
	fi
	echo 1 >"$debugfs/$suite/run"
	cases=0
	# cases are indented by four blanks, cases with parameters have their points four further in
	while IFS= read -r line; do
		case $line in
		'    ok '*'# SKIP'* | '        ok '*'# SKIP'*) point 'not ok' "$suite: ${line#*ok }" ;;
		'    ok '* | '        ok '*) point ok "$suite: ${line#*ok }" ;;
		'    not ok '* | '        not ok '*) point 'not ok' "$suite: ${line#*ok }" ;;
		*': EXPECTATION FAILED'* | *': ASSERTION FAILED'* | '        '*) echo "# $line" ;;
		*) continue ;;
		esac
		cases=$((cases + 1))
	done <"$debugfs/$suite/results"
	[[ $cases != 0 ]] || point 'not ok' "$suite: no case ran"
done
echo "1..$points"
