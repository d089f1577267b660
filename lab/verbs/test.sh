# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: all tests, or the parts named: shell unit lab stock rdma-core python kunit bench self torture, and debug fuzz mlx5 packages clients

# A part that takes its time whatever the machine does runs in a lab of its own, beside the others.
BESIDE=torture

# Uses parts of verb_test
beside_start() {
	[[ " ${parts[*]} " == *" $BESIDE "* ]] || return 0
	say "part $BESIDE: beside the others"
	"$LAB_DIR/lab" test "$BESIDE" >"$RUN_DIR/beside" 2>&1 </dev/null &
	BESIDE_PID=$!
}

beside_finish() {
	local status=0
	say "part $BESIDE: waiting for its end"
	wait "$BESIDE_PID" || status=$?
	BESIDE_PID=''
	cat "$RUN_DIR/beside"
	tally_tap "$BESIDE" "$status" "$LAB_DIR/expected/skips.$BESIDE" <"$RUN_DIR/beside"
}

verb_test() {
	local part parts=("$@") passed failed skipped start count
	[[ ${#parts[@]} != 0 ]] || parts=("${PARTS[@]}")
	for part in "${parts[@]}"; do
		case " ${PARTS[*]} ${PARTS_MORE[*]} " in
		*" $part "*) ;;
		*) usage_error "unknown part '$part': there are ${PARTS[*]} ${PARTS_MORE[*]}" ;;
		esac
	done
	run_dir_create
	: >"$RUN_DIR/tally"
	[[ ${#parts[@]} == 1 ]] || beside_start
	for part in "${parts[@]}"; do
		[[ $part != "$BESIDE" || -z $BESIDE_PID ]] || continue
		start=$SECONDS
		say "part $part"
		count=$(wc -l <"$RUN_DIR/tally")
		"part_$part"
		[[ $(wc -l <"$RUN_DIR/tally") != "$count" ]] || tally fail "$part: no test ran"
		say "part $part: $((SECONDS - start)) s"
	done
	[[ -z $BESIDE_PID ]] || beside_finish
	passed=$(tally_count pass) failed=$(tally_count fail) skipped=$(tally_count skip)
	sed -n 's/^fail /lab: FAILED: /p' "$RUN_DIR/tally" >&2
	echo "$passed passed, $failed failed, $skipped skipped"
	[[ $failed == 0 && $passed != 0 ]]
}
