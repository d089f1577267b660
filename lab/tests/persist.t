#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Downloads are retried as a whole, a limited number of times.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/common.sh
source "$(dirname "$LAB")/lib/common.sh"

# shellcheck disable=SC2034 # of common.sh
PERSIST_S=0

# fetch GOOD: the attempt of that number succeeds
fetch() {
	echo begun >>"$TAP_DIR/begun"
	test "$(wc -l <"$TAP_DIR/begun")" = "$1"
	echo ended >>"$TAP_DIR/ended"
}

check() {
	: >"$TAP_DIR/begun"
	: >"$TAP_DIR/ended"
	STATUS=0
	# as step() does: bash ignores set -e in a condition
	persist fetch "$1" 2>/dev/null &
	wait "$!" || STATUS=$?
	OUT="$STATUS $(wc -l <"$TAP_DIR/begun") $(wc -l <"$TAP_DIR/ended")"
}

check 1
is 'at once' "$OUT" '0 1 1'
check 3
is 'the third time' "$OUT" '0 3 1'
check 4
is 'not at all' "$OUT" '1 3 0'
done_testing
