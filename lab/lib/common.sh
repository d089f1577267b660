# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Messages, the cache, locks, and the one place that cleans up.

CACHE_DIR=${HUGEODP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hugeodp}
RUN_DIR=''
JOB_PID=''
HELPER_PID=''
BESIDE_PID=''

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

usage_error() {
	say "$* (lab/lab --help lists what there is)"
	exit 2
}

# Everything with a life of its own is a process group led by JOB_PID, the one process HELPER_PID
# that serves it, or another lab, BESIDE_PID, which cleans up after itself; everything on disk that
# must not outlive us is in RUN_DIR.
cleanup() {
	local status=$?
	trap '' INT TERM HUP
	if [[ -n $JOB_PID ]]; then
		kill -TERM -- "-$JOB_PID" 2>/dev/null || kill -TERM "$JOB_PID" 2>/dev/null || true
		# a stopped process would keep the signal for later
		kill -CONT -- "-$JOB_PID" 2>/dev/null || kill -CONT "$JOB_PID" 2>/dev/null || true
		wait "$JOB_PID" 2>/dev/null || true
	fi
	if [[ -n $HELPER_PID ]]; then
		kill -KILL "$HELPER_PID" 2>/dev/null || true
		wait "$HELPER_PID" 2>/dev/null || true
	fi
	if [[ -n $BESIDE_PID ]]; then
		kill -TERM "$BESIDE_PID" 2>/dev/null || true
		wait "$BESIDE_PID" 2>/dev/null || true
	fi
	if [[ -n $RUN_DIR ]]; then
		rm -rf -- "$RUN_DIR"
	fi
	exit "$status"
}

# The directories of labs that were killed without a chance to clean up. A lab holds the lock in its
# own, as its process id means nothing to a lab in another container on the same cache. One without a
# lock is of a lab of a version that had none.
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

# Only the caller's own children and files: called once, by the first thing that needs a place.
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

# cache_use DIR: note that it is in use; true if it is there
cache_use() { [[ -d $1 ]] && touch -c "$1"; }

# cache_add DIR: $RUN_DIR/new is complete
cache_add() {
	mkdir -p "$(dirname "$1")"
	mv -T "$RUN_DIR/new" "$1"
	cache_collect "$(dirname "$1")"
}

# cache_collect DIR: remove what was not used for two days; the trees of kernels that were not
# built for two weeks, results of KVM trials of that age, and the project's trees of roots that
# are gone
cache_collect() {
	local dir
	find "$1" -mindepth 1 -maxdepth 1 -mmin +2880 -exec rm -rf -- {} +
	for dir in "$CACHE_DIR"/{kernel,kvm}; do
		[[ ! -d $dir ]] ||
			find "$dir" -mindepth 1 -maxdepth 1 -mmin +20160 -exec rm -rf -- {} +
	done
	for dir in "$CACHE_DIR"/project/*; do
		[[ ! -d $dir || -d $CACHE_DIR/root/${dir##*/} ]] || rm -rf -- "$dir"
	done
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

# step TEXT COMMAND...: one line when it starts and one when it is over, and how far it is in between;
# output to a log that is shown if the command fails. COMMAND may be a function; it runs as a process group of its own so
# that an interrupted lab takes all of it along.
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
		tail -n 40 "$log" >&2
		die "$text: failed (status $status)"
	fi
	say "$text: done in $((SECONDS - start)) s"
}

# persist COMMAND...: for what comes from a mirror, which may be out of reach or just being brought up
# to date: three attempts, and time between them. COMMAND may be a function; it starts afresh each time.
PERSIST_S=30
persist() {
	local attempt status=0
	for attempt in 1 2 3; do
		[[ $attempt == 1 ]] || sleep $((PERSIST_S * (attempt - 1)))
		status=0
		# not as a condition, in which bash would go on after errors
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

# sync_file WANT HAVE: make HAVE's content WANT's, touching nothing that is the same already, so
# that make's time stamps are right for the content of any checkout
sync_file() {
	local want=$1 have=$2
	if [[ ! -e $want ]]; then
		rm -f -- "$have"
	elif ! cmp -s -- "$want" "$have"; then
		mkdir -p "$(dirname "$have")"
		cp --remove-destination --preserve=mode -- "$want" "$have"
	fi
}
