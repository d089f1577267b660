#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Each failure has a status of its own, and leaves nothing running.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

vm() { lab run --device none --mem 1024 --hugepages 0 --kernel debian-stock "$@"; }

vm -- bash -c 'echo "BUG: made up by a test" >/dev/kmsg'
is 'the kernel complains: status' "$STATUS" 70
ok 'the line is shown' grep -q 'BUG: made up by a test' <<<"$ERR"

vm -- bash -c 'echo c >/proc/sysrq-trigger'
is 'a panic: status' "$STATUS" 70

vm -- bash -c 'echo b >/proc/sysrq-trigger; sleep 100'
is 'the machine is gone: status' "$STATUS" 71

vm --timeout 5 -- sleep 1000
is 'the time is up: status' "$STATUS" 124

not() { ! "$@"; }
emulator() { pgrep -f "$cache/run/$pid/" >/dev/null; }

cache=$("$LAB" --help | sed -n 's/^Everything built is kept in \([^ ]*\) .*/\1/p')
# only processes of this lab: others may start and end at any time
mounts() { grep -F "$(realpath "$cache")" /proc/mounts || true; }

# begin FILE ARG...: a machine that runs for long, in a process group of its own and with no signal
# ignored, as a terminal would start it; sets pid
begin() {
	local started=$1
	shift
	# the word to wait for must differ from that of the previous round
	: >"$started"
	set -m
	env --default-signal "$LAB" run --kernel debian-stock "$@" -- \
		bash -c 'echo started; exec sleep 1000' >"$started" 2>&1 &
	pid=$!
	set +m
	until grep -q started "$started"; do
		kill -0 "$pid"
	done
}

begin "$TAP_DIR/killed" --device none --mem 1024 --hugepages 0
pkill -KILL -f "^[^ ]*/ld-linux[^ ]* .*/run/$pid/"
STATUS=0
wait "$pid" || STATUS=$?
is 'the emulator is killed: status' "$STATUS" 71
ok 'the emulator is killed: message' grep -q 'the emulator was killed after .*short of memory' \
	"$TAP_DIR/killed"

before=$(mounts)
for signal in INT:130 TERM:143; do
	wanted=${signal#*:} signal=${signal%:*}
	# the word to wait for must differ from that of the previous round
	begin "$TAP_DIR/started-$signal"
	ok "$signal: the emulator runs" emulator
	kill "-$signal" -- "-$pid"
	STATUS=0
	wait "$pid" || STATUS=$?
	is "$signal: status" "$STATUS" "$wanted"
	ok "$signal: no process is left" not emulator
	ok "$signal: no directory is left" test ! -e "$cache/run/$pid"
	is "$signal: no mount is left" "$(mounts)" "$before"
done
done_testing
