# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: all tests, or the parts named: shell unit lab stock rdma-core python kunit self, and debug torture fuzz mlx5 bench packages clients

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
	for part in "${parts[@]}"; do
		start=$SECONDS
		say "part $part"
		count=$(wc -l <"$RUN_DIR/tally")
		"part_$part"
		[[ $(wc -l <"$RUN_DIR/tally") != "$count" ]] || tally fail "$part: no test ran"
		say "part $part: $((SECONDS - start)) s"
	done
	passed=$(tally_count pass) failed=$(tally_count fail) skipped=$(tally_count skip)
	sed -n 's/^fail /lab: FAILED: /p' "$RUN_DIR/tally" >&2
	echo "$passed passed, $failed failed, $skipped skipped"
	[[ $failed == 0 && $passed != 0 ]]
}
