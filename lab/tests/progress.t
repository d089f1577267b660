#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A long step prints its progress, also without a terminal, and its last line and status are
# unchanged.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
LAB_DIR=$(dirname "$LAB")
# shellcheck disable=SC2034 # of host.sh
TOP_DIR=$(dirname "$LAB_DIR")
for part in common host progress; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/lib/$part.sh"
done

CACHE_DIR=$TAP_DIR/cache
PROGRESS_S=0.1

# work LOG: writes to its log and then waits until a line about it has been seen
work() {
	printf '%b' "$1"
	until [[ -e $TAP_DIR/seen ]]; do
		sleep 0.05
	done
}

# progress NAME LOG WANTED: a step with this log prints a line that ends so
progress() {
	local line
	rm -f "$TAP_DIR/seen"
	: >"$TAP_DIR/err"
	(step 'a step' work "$2") 2>>"$TAP_DIR/err" &
	until line=$(grep -m1 'a step: 0 min' "$TAP_DIR/err"); do
		kill -0 "$!"
		sleep 0.05
	done
	: >"$TAP_DIR/seen"
	wait "$!"
	is "$1" "$line" "lab: a step: 0 min$3"
	ok "$1: the end" grep -q 'a step: done in' "$TAP_DIR/err"
}

progress 'an empty log' '' ''
progress 'any log' 'first\nunpacking\n' ', unpacking'
progress "a kernel's objects" '  CC      a.o\n  LD      b\n  AS      c.o\n' ', 2 objects'
progress "CMake's share" '[  3%] Building C\n[ 37%] Building C\n' ', 37 %'

# a kernel that was built before has a count to compare with
mkdir -p "$CACHE_DIR/kernel/stock/src/obj/a"
is 'a first kernel' "$(progress_total kernel_build debug key out)" "$PROGRESS_OBJECTS"
touch "$CACHE_DIR/kernel/stock/src/obj/"{vmlinux,a/1.o,a/2.o,3.o}
is 'a kernel after another one' "$(progress_total kernel_build debug key out)" 3
is 'no kernel' "$(progress_total unit_build)" ''
printf '  CC      a.o\n' >"$TAP_DIR/log"
is 'of how many' "$(progress_of "$TAP_DIR/log" 3)" '1 of at most 3 objects'

# a child that ends at once, before the waiting child has executed its command
trap 'echo "$BASHPID" >>"$TAP_DIR/traps"' EXIT
for ((i = 0; i < 50; i++)); do
	true &
	progress_wait 10 "$!" true
done
ok 'no trap runs in a child' test ! -e "$TAP_DIR/traps"
trap 'rm -rf -- "$TAP_DIR"' EXIT

failing() { exit 7; }
STATUS=0
(step 'a step' failing) 2>"$TAP_DIR/err" || STATUS=$?
is 'a step that fails: status' "$STATUS" 1
ok 'a step that fails: message' grep -q 'a step: failed (status 7)' "$TAP_DIR/err"
done_testing
