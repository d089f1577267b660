#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A kernel report is found however much output follows it, and is shown with its context.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/splat.sh
source "$(dirname "$LAB")/lib/splat.sh"

console=$TAP_DIR/console

check() {
	STATUS=0
	splat_show "$console" 2>"$TAP_DIR/err" || STATUS=$?
}

printf '%s\n' 'nothing' 'is wrong' >"$console"
check
is 'none: status' "$STATUS" 1
is 'none: nothing is shown' "$(wc -c <"$TAP_DIR/err")" 0

{
	seq 10
	echo 'BUG: made up'
	seq 200000
} >"$console"
check
is 'a long console: status' "$STATUS" 0
is 'a long console: 60 lines' "$(wc -l <"$TAP_DIR/err")" 60
is 'a long console: from three lines before' "$(head -n 4 "$TAP_DIR/err" | paste -sd,)" \
	'8,9,10,BUG: made up'

printf 'BUG: made up\0\xff\n' >"$console"
check
is 'no text: status' "$STATUS" 0
done_testing
