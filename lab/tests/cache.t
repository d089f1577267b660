#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The cache: which entries are removed and when, also if labs in several containers share it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
LAB_DIR=$(dirname "$LAB")
# shellcheck disable=SC2034 # of host.sh
TOP_DIR=$(dirname "$LAB_DIR")
export HUGEODP_CACHE=$TAP_DIR/cache
for part in common cache host progress; do
	echo "source '$LAB_DIR/lib/$part.sh'"
done >"$TAP_DIR/load"
# shellcheck source=/dev/null
source "$TAP_DIR/load"

# A process id that does not exist here
free=$(cat /proc/sys/kernel/pid_max)
while [[ -e /proc/$((--free)) ]]; do :; done

# other NAME: a lab with that process id in a PID namespace of its own, which has its directory and
# waits; its namespace's first process is in pids[NAME], its directory in the file NAME
declare -A pids=()
export LAB_DIR TOP_DIR TAP_DIR
other() {
	# shellcheck disable=SC2016 # expanded by the other one
	setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount-proc bash -euc '
		echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		bash -euc "source \$TAP_DIR/load; run_dir_create; echo \$RUN_DIR >\$1; exec sleep 1000" bash "$2"
		true' bash "$free" "$TAP_DIR/$1" &
	pids[$1]=$!
	until [[ -s $TAP_DIR/$1 ]]; do
		kill -0 "$!"
	done
}

other first
first=$(<"$TAP_DIR/first")
is 'a lab in a container: its directory' "$first" "$HUGEODP_CACHE/run/$free"
(run_dir_create)
ok 'it stays when a lab starts outside' test -d "$first"
other second
second=$(<"$TAP_DIR/second")
ok 'and when one starts in another container' test -d "$first"
ok 'which has the same process id and another directory' \
	test -d "$second" -a "$first" != "$second"
kill -KILL "${pids[first]}"
wait "${pids[first]}" 2>/dev/null || true
# its child processes end after it, and hold the lock until then
for ((i = 0; i < 100; i++)); do
	(run_dir_create)
	[[ -e $first ]] || break
	sleep 0.1
done
ok "a killed lab's directory goes" test ! -e "$first"
ok "the other one's stays" test -d "$second"

# Entries by age
entry() { # DAYS NAME
	mkdir -p "$HUGEODP_CACHE/$2"
	touch -d "$1 days ago" "$HUGEODP_CACHE/$2"
}
entry 1 image/new
entry 3 image/old
entry 3 root/r1
entry 3 kernel/debug
entry 15 kernel/stock
entry 3 project/r1
entry 0 project/r2
RUN_DIR=$TAP_DIR/run
mkdir -p "$RUN_DIR/new"
cache_add "$HUGEODP_CACHE/image/newest"
is 'what is left' "$(cd "$HUGEODP_CACHE" && echo {image,kernel,project,root}/*)" \
	'image/new image/newest kernel/debug project/r1 root/r1'
RUN_DIR=''
done_testing
