# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: all tests, or parts: shell unit lab stock rdma-core python kunit bench self torture, and debug fuzz mlx5 packages clients; or single tests of a part: test PART NAME...

# Of several parts, these run in a lab of their own beside the others, where torture takes less time
BESIDE=(torture kunit python)
BESIDE_MINUTES=4

# Uses and changes parts of verb_test. HUGEODP_BESIDE is where the other lab leaves its tally.
beside_start() {
	local part here=() there=()
	[[ -z ${HUGEODP_BESIDE-} && ${#parts[@]} != 1 ]] || return 0
	for part in "${parts[@]}"; do
		if [[ " ${BESIDE[*]} " == *" $part "* ]]; then
			there+=("$part")
		else
			here+=("$part")
		fi
	done
	[[ ${#here[@]} != 0 && ${#there[@]} != 0 ]] || return 0
	# once for both, and before the first part that looks for what it needs itself
	host_require
	parts=("${here[@]}")
	say "beside the others: ${there[*]}"
	HUGEODP_BESIDE=$RUN_DIR/beside.tally \
		HUGEODP_TORTURE_MINUTES=${HUGEODP_TORTURE_MINUTES:-$BESIDE_MINUTES} \
		"$LAB_DIR/lab" test "${there[@]}" >"$RUN_DIR/beside" 2>&1 </dev/null &
	BESIDE_PID=$!
}

# beside_progress START: the last message of the other lab
beside_progress() {
	say "waiting for the parts beside: $(((SECONDS - $1) / 60)) min," \
		"$(grep '^lab: ' "$RUN_DIR/beside" | tail -n 1 | cut -c6-)"
}

beside_finish() {
	local status=0
	say "waiting for the parts beside"
	progress_wait "$PROGRESS_S" "$BESIDE_PID" beside_progress "$SECONDS" || status=$?
	BESIDE_PID=''
	cat "$RUN_DIR/beside"
	if ! cat "$RUN_DIR/beside.tally" >>"$RUN_DIR/tally" || [[ $status -gt 1 ]]; then
		tally fail "beside: ended with status $status"
	fi
}

is_part() { [[ " ${PARTS[*]} ${PARTS_MORE[*]} " == *" $1 "* ]]; }

# test_arguments ARG...: sets parts, and TEST_NAMES if names follow a single part
test_arguments() {
	local name
	parts=("$@")
	[[ ${#parts[@]} != 0 ]] || parts=("${PARTS[@]}")
	is_part "${parts[0]}" ||
		usage_error "unknown part '${parts[0]}': there are ${PARTS[*]} ${PARTS_MORE[*]}"
	for name in "${parts[@]:1}"; do
		is_part "$name" || TEST_NAMES+=("$name")
	done
	[[ ${#TEST_NAMES[@]} != 0 ]] || return 0
	for name in "${TEST_NAMES[@]}"; do
		[[ $name =~ ^[A-Za-z0-9_-]+$ && ${#parts[@]} == $((${#TEST_NAMES[@]} + 1)) ]] ||
			usage_error "unknown part '$name': there are ${PARTS[*]} ${PARTS_MORE[*]}"
	done
	parts=("${parts[0]}")
	[[ " ${PARTS_NAMED[*]} " == *" ${parts[0]} "* ]] ||
		usage_error "no single tests of part '${parts[0]}': only of ${PARTS_NAMED[*]}"
}

# names_check PART: each name was that of a test
names_check() {
	local name
	for name in "${TEST_NAMES[@]}"; do
		grep -qE "^[a-z]+ [^ /]+/$name([: ]|\$)" "$RUN_DIR/tally" || tally fail "$1: no test $name"
	done
}

verb_test() {
	local part parts=() passed failed skipped start count
	test_arguments "$@"
	run_dir_create
	: >"$RUN_DIR/tally"
	beside_start
	for part in "${parts[@]}"; do
		start=$SECONDS
		say "part $part"
		count=$(wc -l <"$RUN_DIR/tally")
		"part_$part"
		names_check "$part"
		[[ $(wc -l <"$RUN_DIR/tally") != "$count" ]] || tally fail "$part: no test ran"
		say "part $part: $((SECONDS - start)) s"
	done
	[[ -z $BESIDE_PID ]] || beside_finish
	[[ -z ${HUGEODP_BESIDE-} ]] || cp "$RUN_DIR/tally" "$HUGEODP_BESIDE"
	passed=$(tally_count pass) failed=$(tally_count fail) skipped=$(tally_count skip)
	sed -n 's/^fail /lab: FAILED: /p' "$RUN_DIR/tally" >&2
	echo "$passed passed, $failed failed, $skipped skipped"
	[[ $failed == 0 && $passed != 0 ]]
}
