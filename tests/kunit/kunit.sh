#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the KUnit suites of the series in a kernel that has them, and tells each case as a TAP test.
set -euo pipefail

suites='ib_odp_table hmm_block'
debugfs=/sys/kernel/debug/kunit
points=0

point() {
	points=$((points + 1))
	echo "$1 $points - $2"
}

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
