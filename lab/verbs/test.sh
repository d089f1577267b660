# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: all tests, or parts: shell unit lab mlx5-short stock rdma-core python kunit self torture, and debian-7.2 debug torture-debug compilers fuzz mlx5 iommu hostile machines bench coverage races mutants packages clients adopters series models mutate; or single tests of a part: test PART NAME...; --junit FILE for a report

# If there are several parts, these run in parallel in a second lab, so that both take about as long;
# torture is shorter there
BESIDE=(torture kunit python stock rdma-core self)
BESIDE_MINUTES=4

# Uses and changes the variable parts of verb_test. The second lab writes its tally to
# HUGEODP_BESIDE, its times to the same name with .times and its comments to .comments.
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
	# once for both labs, before the parts check their requirements
	host_require
	parts=("${here[@]}")
	say "in parallel: ${there[*]}"
	HUGEODP_BESIDE=$RUN_DIR/beside.tally \
		HUGEODP_TORTURE_MINUTES=${HUGEODP_TORTURE_MINUTES:-$BESIDE_MINUTES} \
		"$LAB_DIR/lab" test "${there[@]}" >"$RUN_DIR/beside" 2>&1 </dev/null &
	BESIDE_PID=$!
}

# beside_progress START: the last message of the other lab
beside_progress() {
	say "waiting for the parallel parts: $(((SECONDS - $1) / 60)) min," \
		"$(grep '^lab: ' "$RUN_DIR/beside" | tail -n 1 | cut -c6-)"
}

beside_finish() {
	local status=0
	say "waiting for the parallel parts"
	progress_wait "$PROGRESS_S" "$BESIDE_PID" beside_progress "$SECONDS" || status=$?
	BESIDE_PID=''
	cat "$RUN_DIR/beside"
	if ! cat "$RUN_DIR/beside.tally.times" >>"$RUN_DIR/times" ||
		! cat "$RUN_DIR/beside.tally.comments" >>"$RUN_DIR/comments" ||
		! cat "$RUN_DIR/beside.tally" >>"$RUN_DIR/tally" || [[ $status -gt 1 ]]; then
		tally fail "beside: ended with status $status"
	fi
}

is_part() { [[ " ${PARTS[*]} ${PARTS_MORE[*]} " == *" $1 "* ]]; }

# test_arguments ARG...: sets parts and junit, and TEST_NAMES if names follow a single part
test_arguments() {
	local name
	while [[ $# != 0 ]]; do
		case $1 in
		--junit)
			[[ $# -ge 2 ]] || usage_error "test: --junit wants a file"
			junit=$2
			shift
			;;
		-*) usage_error "test: unknown option '$1'" ;;
		*) parts+=("$1") ;;
		esac
		shift
	done
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

# names_check PART: check that each name belongs to a test
names_check() {
	local name
	for name in "${TEST_NAMES[@]}"; do
		grep -qE "^[a-z]+ [^ /]+/$name([: ]|\$)" "$RUN_DIR/tally" || tally fail "$1: no test $name"
	done
}

# test_part PART: runs it, and adds a line "PART SECONDS RESULTS" to the times
test_part() {
	local part=$1 start=$SECONDS count
	say "part $part"
	count=$(wc -l <"$RUN_DIR/tally")
	"part_$part"
	names_check "$part"
	[[ $(wc -l <"$RUN_DIR/tally") != "$count" ]] || tally fail "$part: no test ran"
	count=$(($(wc -l <"$RUN_DIR/tally") - count))
	echo "$part $((SECONDS - start)) $count" >>"$RUN_DIR/times"
	say "part $part: $((SECONDS - start)) s"
}

# test_report START JUNIT: print the times, the report if requested, the failures and
# the sums; true if there is no failure
test_report() {
	local passed failed skipped
	if [[ -n ${HUGEODP_BESIDE-} ]]; then
		cp "$RUN_DIR/tally" "$HUGEODP_BESIDE"
		cp "$RUN_DIR/times" "$HUGEODP_BESIDE.times"
		cp "$RUN_DIR/comments" "$HUGEODP_BESIDE.comments"
	fi
	[[ -z $2 ]] || tally_report "$RUN_DIR/times" "$RUN_DIR/comments" <"$RUN_DIR/tally" >"$2"
	tally_times "$((SECONDS - $1))" <"$RUN_DIR/times" >&2
	passed=$(tally_count pass) failed=$(tally_count fail) skipped=$(tally_count skip)
	tally_failures
	echo "$passed passed, $failed failed, $skipped skipped"
	[[ $failed == 0 && $passed != 0 ]]
}

verb_test() {
	local part parts=() junit='' start=$SECONDS
	# not for labs that a test starts
	export -n HUGEODP_BESIDE
	test_arguments "$@"
	[[ -z $junit ]] || : >"$junit" || die "--junit: cannot write to '$junit'"
	run_dir_create
	: >"$RUN_DIR/tally"
	: >"$RUN_DIR/times"
	: >"$RUN_DIR/comments"
	beside_start
	for part in "${parts[@]}"; do
		test_part "$part"
	done
	[[ -z $BESIDE_PID ]] || beside_finish
	test_report "$start" "$junit"
}
