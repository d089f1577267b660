#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Reports of KCSAN in a console: each race is a failed test unless it is known; everything else in
# the console is judged as on the other kernels.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
for part in common splat tally races; do
	# shellcheck source=/dev/null
	source "$(dirname "$LAB")/lib/$part.sh"
done

RUN_DIR=$TAP_DIR
console=$TAP_DIR/console
line=$(printf '=%.0s' {1..66})

# report FUNCTIONS TIME
report() {
	printf "[$2] %s\r\n" "$line" "BUG: KCSAN: data-race in $1" '' \
		'write (marked) to 0xffff888003dbfdc0 of 8 bytes by task 108 on cpu 0:' " $1+0x1/0x2" \
		'value changed: 0x1 -> 0x2' "$line"
}

check() {
	: >"$RUN_DIR/tally"
	: >"$RUN_DIR/comments"
	races_check races "$console" "$TAP_DIR/known" 2>/dev/null
	OUT=$(paste -sd';' "$RUN_DIR/tally")
}

{
	echo '[    1.000000] Linux'
	report 'first / second' '    2.100000'
	echo '[    2.500000] something else'
	report 'third' '   12.100000'
	report 'first / second' '  120.100000'
	echo '[  130.000000] down'
} >"$console"
printf '%s\n' '# known' 'third  # a counter' >"$TAP_DIR/known"

check
is 'each race once' "$OUT" 'fail races: race in first / second;pass races: known race in third'
ok 'with its report' grep -qF 'value changed: 0x1 -> 0x2' "$RUN_DIR/comments"
: >"$TAP_DIR/known"
check
is 'none is known' "$(grep -c '^fail' <<<"${OUT//;/$'\n'}")" 2
echo 'first' >"$TAP_DIR/known"
check
is 'all of its functions are compared' "$(grep -c '^fail' <<<"${OUT//;/$'\n'}")" 2

STATUS=0
races_rest <"$console" >"$console.rest"
splat_show "$console.rest" 2>/dev/null || STATUS=$?
is 'the rest: no problem' "$STATUS" 1
ok 'the rest: all other lines' grep -q 'something else' "$console.rest"
ok 'the rest: also the last' grep -q ' down$' "$console.rest"
echo 'BUG: made up' >>"$console"
STATUS=0
races_rest <"$console" >"$console.rest"
splat_show "$console.rest" 2>/dev/null || STATUS=$?
is 'the rest: a problem' "$STATUS" 0
echo 'no report' >"$console"
check
is 'no race' "$OUT" ''
done_testing
