# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Coverage of the kernel side by the lab tests: a kernel whose RDMA drivers count what runs (gcov), the
# counts of each machine, and a report on all of them.

COVERAGE_DIRS=(drivers/infiniband/core drivers/infiniband/hw/mlx5 drivers/infiniband/sw/rxe)

# coverage_mark PRISTINE SERIES: the Makefiles of these folders turn the counters on
coverage_mark() {
	local dir
	for dir in "${COVERAGE_DIRS[@]}"; do
		series_makefile "$1" "$2" "$dir" 'GCOV_PROFILE := y'
	done
}

# coverage_keep OBJECTS IMAGE: the notes that belong to the counters
coverage_keep() {
	(cd "$1" && find "${COVERAGE_DIRS[@]}" -name '*.gcno' -exec cp --parents {} "$2/" \;)
}

# The files in debugfs have no size, so tar cannot read them
# shellcheck disable=SC2016 # expanded in the machine
COVERAGE_PRINT='
	work=$(mktemp -d)
	cd /sys/kernel/debug/gcov/*/obj 2>/dev/null || cd "$(find /sys/kernel/debug/gcov -type d -name obj)"
	find . -name "*.gcda" | while read -r file; do
		mkdir -p "$work/${file%/*}"
		cat "$file" >"$work/$file"
	done
	echo "gcov: begin"
	tar -C "$work" -czf - . | base64
	echo "gcov: end"'

# coverage_run NAME LABEL [OPTION...]: the lab tests with this label; the results are counted, and the
# counts of the kernel are in $RUN_DIR/coverage/NAME
coverage_run() {
	local name=$1 label=$2 files status=0
	shift 2
	project_require
	files=$(part_tests "$label")
	vm_options --kernel gcov --timeout 7200 "$@" -- \
		/bin/bash -c "prove -v --timer --merge $files || status=\$?; ($COVERAGE_PRINT); exit \${status-0}"
	VM_TEE=$RUN_DIR/out
	vm_require
	# the counts are not for the terminal
	vm_run_built >/dev/null || status=$?
	mkdir -p "$RUN_DIR/coverage/$name"
	sed '1,/^gcov: begin$/d; /^gcov: end$/,$d' "$RUN_DIR/out" | base64 -d |
		tar -C "$RUN_DIR/coverage/$name" -xzf - || tally fail "coverage-$name: no counts"
	sed '/^gcov: begin$/,/^gcov: end$/d' "$RUN_DIR/out" >"$RUN_DIR/out.tests"
	tally_tap "coverage-$name" "$status" "$LAB_DIR/expected/skips.coverage" <"$RUN_DIR/out.tests"
}

# Names of the source files that the series adds or changes
coverage_files() {
	(cd "$TOP_DIR/kernel/tree" && find "${COVERAGE_DIRS[@]}" -name '*.c')
	sed -nE 's,^\+\+\+ b/(drivers/infiniband/.*\.c)$,\1,p' "$TOP_DIR"/kernel/patches/*.patch
}

coverage_test() {
	local dir=$TOP_DIR/build/coverage
	coverage_run rxe rxe --mem 4608 --gigapages 1
	coverage_run mlx5-transport mlx5-transport --device mlx5 --mem 4608 --gigapages 1 \
		--mlx5 scheme=transport,faults=1
	coverage_run mlx5-memory mlx5-memory --device mlx5 --mem 4608 --gigapages 1 \
		--mlx5 scheme=memory,faults=1
	mkdir -p "$dir"
	coverage_files | sort -u >"$RUN_DIR/coverage.files"
	tally_check coverage/report python3 -B "$LAB_DIR/lib/coverage.py" --files "$RUN_DIR/coverage.files" \
		--floor "$LAB_DIR/expected/coverage" --output "$dir" "$KERNEL" "$RUN_DIR"/coverage/*
	cat "$dir/coverage.md"
}
