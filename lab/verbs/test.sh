# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: all tests, or the parts named: shell unit lab stock rdma-core self

verb_test() {
	local part parts=("$@") passed failed skipped start
	[[ ${#parts[@]} != 0 ]] || parts=("${PARTS[@]}")
	for part in "${parts[@]}"; do
		case " ${PARTS[*]} " in
		*" $part "*) ;;
		*) usage_error "unknown part '$part': there are ${PARTS[*]}" ;;
		esac
	done
	run_dir_create
	: >"$RUN_DIR/tally"
	for part in "${parts[@]}"; do
		start=$SECONDS
		say "part $part"
		"part_$part"
		say "part $part: $((SECONDS - start)) s"
	done
	passed=$(tally_count pass) failed=$(tally_count fail) skipped=$(tally_count skip)
	sed -n 's/^fail /lab: FAILED: /p' "$RUN_DIR/tally" >&2
	echo "$passed passed, $failed failed, $skipped skipped"
	[[ $failed == 0 && $passed != 0 ]]
}
