# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Progress of long steps: a line per minute, or on a terminal one line that is updated.

PROGRESS_S=60
PROGRESS_TERMINAL_S=1
# estimated number of objects of a kernel, before the first tree has been built
PROGRESS_OBJECTS=1700

# progress_wait SECONDS PIDS COMMAND...: waits for the first of these children to end, sets
# PROGRESS_ENDED to it and returns its status. Until then runs COMMAND again and again.
progress_wait() {
	local seconds=$1 pids=() timer status
	read -ra pids <<<"$2"
	shift 2
	while true; do
		setpriv --pdeathsig KILL sleep "$seconds" >/dev/null 2>&1 </dev/null &
		timer=$!
		status=0
		wait -n -p PROGRESS_ENDED "${pids[@]}" "$timer" || status=$?
		[[ $PROGRESS_ENDED == "$timer" ]] || break
		"$@"
	done
	# not with a signal for which a child that has not executed its command yet
	# would run our traps
	kill -KILL "$timer" 2>/dev/null || true
	wait "$timer" 2>/dev/null || true
	return "$status"
}

# progress_total COMMAND ARG...: prints the largest number of objects of a step; nothing
# if unknown
progress_total() {
	local tree
	[[ $1 == kernel_build ]] || return 0
	for tree in "$CACHE_DIR/kernel/$2" "$CACHE_DIR"/kernel/*; do
		if [[ -e $tree/src/obj/vmlinux ]]; then
			find "$tree/src/obj" -name '*.o' | wc -l
			return 0
		fi
	done
	echo "$PROGRESS_OBJECTS"
}

# progress_of LOG TOTAL: prints how far a step is: objects of make's log, per cent of CMake's, or else
# the last line
progress_of() {
	local count line
	count=$(grep -cE '^  (CC|AS) ' "$1" || true)
	line=$(tail -n 1 "$1" | tr -cd '[:print:]' | cut -c1-60)
	if [[ $count != 0 ]]; then
		echo "$count${2:+ of at most $2} objects"
	elif [[ $line =~ ^\[\ *([0-9]+)%\] ]]; then
		echo "${BASH_REMATCH[1]} %"
	else
		echo "$line"
	fi
}

# progress_step TEXT LOG TOTAL START
progress_step() {
	local seconds=$((SECONDS - $4)) far
	far=$(progress_of "$2" "$3")
	if [[ -t 2 ]]; then
		printf '\r\033[K  %d s%s' "$seconds" "${far:+, $far}" >&2
	else
		say "$1: $((seconds / 60)) min${far:+, $far}"
	fi
}

# progress_clear: clear the line on the terminal
progress_clear() { [[ ! -t 2 ]] || printf '\r\033[K' >&2; }
