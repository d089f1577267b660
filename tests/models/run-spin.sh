#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# run-spin.sh TREE: check the Spin models, and that each seeded defect is found. TREE is a kernel tree
# with the series, or only the files that it changes.
# shellcheck disable=SC2317 # the functions are called by ok
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
tree=$(cd "$1" && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
# shellcheck source=tests/lib/tap.sh
source "$here/../lib/tap.sh"

# spin_run MODEL OPTION...: the output of the checker in $dir/out
spin_run() {
	local model=$1
	shift
	(
		cd "$dir"
		rm -f -- *.trail
		spin -a "$@" "$here/spin/$model.pml"
		gcc -O2 -w -DSAFETY -DMEMLIM=3800 -o pan pan.c
		./pan -n -m100000
	) >"$dir/out" 2>&1
}

# spin_holds MODEL OPTION...: no error in the whole state space
spin_holds() {
	spin_run "$@" && grep -q 'errors: 0$' "$dir/out" && ! grep -q 'not completed' "$dir/out" || return 1
	sed -nE 's/^ *([0-9]+) states, stored.*/# \1 states/p' "$dir/out"
}

# spin_finds PATTERN MODEL OPTION...: the checker finds an error that matches
spin_finds() {
	local pattern=$1
	shift
	spin_run "$@"
	grep -qE "^pan:[0-9]+: $pattern" "$dir/out"
}

# holds NAME MODEL OPTION...
holds() { ok "$1: holds" spin_holds "${@:2}"; }

# finds NAME PATTERN MODEL OPTION...
finds() { ok "$1: found" spin_finds "${@:2}"; }

STALE='assertion violated .*dev'
TABLE='assertion violated .*tab'
STUCK='invalid end state'

ok 'the models name code that is there' "$here/check-code.sh" "$tree" "$here"/spin/*.pml

holds 'two faults, invalidation, request, deregistration' pages -DMODIFY -DDEREG -DSHORT
holds 'two faults and an invalidation, from any state' pages
holds 'fault, prefetch, invalidation, deregistration' pages -DFAULTS=1 -DPREFETCH -DDEREG -DSHORT
holds 'fault, two invalidations, growth, deregistration' pages -DFAULTS=1 -DDROPS=2 -DGROW -DDEREG -DSHORT
holds 'fault, invalidation, request that takes what is there' pages -DFAULTS=1 -DMODIFY -DTAKE -DSHORT
holds 'fault, invalidation, request, table in pieces' pages -DFAULTS=1 -DMODIFY -DRESERVE -DSHORT
holds 'accepted sizes that change with the table' pages -DFAULTS=1 -DMODIFY -DSTRICT \
	-DCHECK_ACCEPTED
holds 'rxe: a request waits for a fault' wait
holds 'rxe: a QP is destroyed meanwhile' wait -DDESTROY

finds 'no check of the notifier under the lock' "$TABLE" pages -DFAULTS=1 -DSHORT -DBUG_NO_RETRY
finds 'sequence read after the look' "$TABLE" pages -DFAULTS=1 -DSHORT -DBUG_LATE_BEGIN
finds 'no check of the generation' "$TABLE" pages -DFAULTS=1 -DMODIFY -DSHORT -DBUG_NO_GENERATION
finds 'a table of other sizes with the same generation' "$TABLE" pages -DFAULTS=1 -DMODIFY -DSHORT \
	-DBUG_SAME_GENERATION
finds 'invalidation leaves the entries of the device' "$STALE" pages -DFAULTS=1 -DSHORT -DBUG_NO_ZAP
finds 'other sizes, and the device keeps its entries' "$STALE" pages -DFAULTS=1 -DMODIFY -DSHORT \
	-DBUG_NO_CLEAR
finds 'no lock between the table and the device' "$STALE" pages -DFAULTS=1 -DSHORT -DBUG_EARLY_UNLOCK
finds 'no check after a piece was allocated' "$TABLE" pages -DFAULTS=1 -DSHORT -DRESERVE \
	-DBUG_NO_RESERVE_CHECK
finds 'no check of the mkey under the lock' 'assertion violated mkey_valid' pages -DFAULTS=1 -DDEREG \
	-DSHORT -DBUG_NO_PRIVATE
finds 'a lock is held while user space provides a page' "$STUCK" pages -DFAULTS=1 -DMODIFY -DSHORT \
	-DBUG_LOCK_OVER_FAULT
finds 'deregistration waits for page faults' "$STUCK" pages -DFAULTS=1 -DDEREG -DSHORT -DBUG_DEREG_WAITS
finds 'accepted sizes that change after the table' 'assertion violated .*asked' pages -DFAULTS=1 \
	-DMODIFY -DSTRICT -DCHECK_ACCEPTED -DBUG_ACCEPTED_LATER
finds 'rxe: the task runs before the fault is done' 'assertion violated .*finished' wait -DBUG_SCHED_FIRST
finds 'rxe: a running task is not run again' 'assertion violated .*finished' wait -DBUG_NOT_ARMED
finds 'rxe: the fault of a QP that is gone' 'assertion violated .*qp_freed' wait -DDESTROY -DBUG_NO_CANCEL
finds 'rxe: a QP waits for its fault' 'assertion violated destroyed' wait -DDESTROY -DBUG_DESTROY_WAITS
tap_done
