# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Messages, steps, locks, and all cleanup.

CACHE_DIR=${HUGEODP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hugeodp}
BOOT_ID=/proc/sys/kernel/random/boot_id
RUN_DIR=''
JOB_PID=''
HELPER_PID=''
BESIDE_PID=''
AHEAD_PID=''

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

usage_error() {
	say "$* (see lab/lab --help)"
	exit 2
}

# Background processes are the process group led by JOB_PID, its helper process
# HELPER_PID, and other labs, BESIDE_PID and AHEAD_PID, which clean up after themselves.
# Temporary files are in RUN_DIR.
cleanup() {
	local status=$? pid
	trap '' INT TERM HUP
	if [[ -n $JOB_PID ]]; then
		kill -TERM -- "-$JOB_PID" 2>/dev/null || kill -TERM "$JOB_PID" 2>/dev/null || true
		# a stopped process would not receive the signal
		kill -CONT -- "-$JOB_PID" 2>/dev/null || kill -CONT "$JOB_PID" 2>/dev/null || true
		wait "$JOB_PID" 2>/dev/null || true
	fi
	if [[ -n $HELPER_PID ]]; then
		kill -KILL "$HELPER_PID" 2>/dev/null || true
		wait "$HELPER_PID" 2>/dev/null || true
	fi
	for pid in $BESIDE_PID $AHEAD_PID; do
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if [[ -n $RUN_DIR ]]; then
		rm -rf -- "$RUN_DIR"
	fi
	exit "$status"
}

# Remove the directories of labs that were killed before they could clean up. Each lab
# holds a lock in its own directory, because its process id is not valid in another
# container that shares the cache. A directory without a lock was left by an older
# version.
run_dir_collect() {
	local old fd
	for old in "$CACHE_DIR"/run/*; do
		if [[ -e $old/lock ]]; then
			exec {fd}>"$old/lock"
			if flock -n "$fd"; then
				rm -rf -- "$old"
			fi
			exec {fd}>&-
		elif [[ -d $old && ! -d /proc/${old##*/} ]]; then
			rm -rf -- "$old"
		fi
	done
}

# Create RUN_DIR and install the traps. Called once, by the first function that needs a
# directory.
run_dir_create() {
	[[ -z $RUN_DIR ]] || return 0
	local dir=$CACHE_DIR/run/$$ fd
	host_enter
	mkdir -p "$CACHE_DIR/run"
	trap cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	lock run
	run_dir_collect
	while [[ -e $dir ]]; do
		dir+=+
	done
	mkdir -m 0700 "$dir"
	RUN_DIR=$dir
	exec {fd}>"$RUN_DIR/lock"
	flock "$fd"
	unlock run
}

# lock NAME: held until the process ends or unlock NAME; -s as a second argument: shared
declare -A LOCK_FD=()
lock() {
	local name=$1 mode=${2:--x} fd start=$SECONDS
	mkdir -p "$CACHE_DIR/lock"
	exec {fd}>"$CACHE_DIR/lock/${name//\//_}"
	if ! flock -n "$mode" "$fd"; then
		say "waiting for another lab that holds $name"
		until flock -w "$PROGRESS_S" "$mode" "$fd"; do
			say "waiting for another lab that holds $name: $(((SECONDS - start) / 60)) min"
		done
	fi
	LOCK_FD[$name]=$fd
}

unlock() {
	local fd=${LOCK_FD[$1]}
	exec {fd}>&-
	unset "LOCK_FD[$1]"
}

hash_text() { sha256sum | cut -c1-16; }

# hash_files BASE: NUL-separated names on stdin, relative to BASE; names, modes and contents count
hash_files() {
	local base=$1
	(
		cd "$base"
		LC_ALL=C sort -zu | while IFS= read -r -d '' file; do
			[[ -f $file ]] || continue
			[[ -x $file ]] && printf 'x '
			sha256sum -- "$file"
		done
	) | hash_text
}

# step TEXT COMMAND...: print a line at the start and at the end, and the progress in
# between; the output goes to a log, which is shown if the command fails. COMMAND may be
# a function; it runs in its own process group, so that an interrupted lab can kill all
# of it.
step() {
	local text=$1 log total seconds=$PROGRESS_S start=$SECONDS status=0
	shift
	run_dir_create
	total=$(progress_total "$@")
	log=$RUN_DIR/step.log
	say "$text ..."
	set -m
	(
		trap - EXIT INT TERM HUP
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null &
	JOB_PID=$!
	set +m
	[[ ! -t 2 ]] || seconds=$PROGRESS_TERMINAL_S
	progress_wait "$seconds" "$JOB_PID" progress_step "$text" "$log" "$total" "$start" ||
		status=$?
	JOB_PID=''
	progress_clear
	if [[ $status != 0 ]]; then
		# what failed may be far above the end
		grep -nE "^(not ok|FAIL)" "$log" | tail -n 10 >&2 || true
		tail -n 40 "$log" >&2
		die "$text: failed (status $status)"
	fi
	say "$text: done in $((SECONDS - start)) s"
}

# persist COMMAND...: run a download up to three times, with pauses, as a mirror may be
# unreachable or in the middle of an update. COMMAND may be a function; each attempt
# starts from the beginning.
PERSIST_S=30
persist() {
	local attempt status=0
	for attempt in 1 2 3; do
		[[ $attempt == 1 ]] || sleep $((PERSIST_S * (attempt - 1)))
		status=0
		# not in a condition, where bash ignores set -e
		(
			set -e
			"$@"
		) &
		wait "$!" || status=$?
		[[ $status != 0 ]] || return 0
		say "attempt $attempt ended with status $status"
	done
	return "$status"
}

# sync_file WANT HAVE: copy WANT to HAVE, but only if the content differs, so that make
# does not rebuild unchanged files of another checkout
sync_file() {
	local want=$1 have=$2
	if [[ ! -e $want ]]; then
		rm -f -- "$have"
	elif ! cmp -s -- "$want" "$have"; then
		mkdir -p "$(dirname "$have")"
		cp --remove-destination --preserve=mode -- "$want" "$have"
	fi
}
