# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The parts of lab/lab test. Each leaves its results with tally.

PARTS=(shell unit lab stock rdma-core self)

part_shell() {
	local file first
	while IFS= read -r -d '' file; do
		[[ -f $TOP_DIR/$file ]] || continue
		read -r first <"$TOP_DIR/$file" || continue
		case $first in
		'#!/bin/bash' | '#!/bin/sh' | '# shellcheck shell='*)
			tally_check "shell/$file" shellcheck -x "$TOP_DIR/$file"
			;;
		esac
	done < <(cd "$TOP_DIR" && git ls-files -zco --exclude-standard) 2>/dev/null
}

# part_unit_run NAME COMMAND-PREFIX -- CMAKE-OPTION...: configure, build, run ctest
part_unit_run() {
	local name=$1 source=$2 build=$3 junit=$4 status=0 prefix=()
	shift 4
	while [[ $1 != -- ]]; do
		prefix+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	step "building the unit tests ($name)" "${prefix[@]}" /bin/bash -euc '
		source=$1 build=$2
		shift 2
		cmake -S "$source" -B "$build" "$@"
		cmake --build "$build" -j "$(nproc)"
	' bash "$source" "$build" -DHUGEODP_UNIT_TESTS=ON "$@"
	rm -f -- "$junit"
	"${prefix[@]}" ctest --test-dir "$build" --output-on-failure \
		--output-junit "$build/junit.xml" || status=$?
	tally_junit "unit-$name" "$status" "$junit"
}

part_unit() {
	local work compiler
	root_require
	work=$CACHE_DIR/project/${ROOT##*/}
	lock project
	project_sync "$work/src"
	mkdir -p "$work"/{unit,asan,host-gcc,host-clang}
	part_unit_run testing /run/src /run/build "$work/unit/junit.xml" \
		root_exec "$work/src:src:ro" "$work/unit:build" -- --
	part_unit_run sanitizers /run/src /run/build "$work/asan/junit.xml" \
		root_exec "$work/src:src:ro" "$work/asan:build" -- -- \
		-DCMAKE_BUILD_TYPE=Debug -DHUGEODP_SANITIZERS=address,undefined
	if pkg-config --exists libibverbs cmocka 2>/dev/null; then
		for compiler in gcc clang; do
			command -v "$compiler" >/dev/null || continue
			part_unit_run "host-$compiler" "$work/src" "$work/host-$compiler" \
				"$work/host-$compiler/junit.xml" -- -DCMAKE_C_COMPILER="$compiler"
		done
	else
		say "no libibverbs-dev and libcmocka-dev on this host: built in the machine's root only"
	fi
	unlock project
}

# part_vm OPTION... -- COMMAND...: output to the terminal and to $RUN_DIR/out
part_vm() {
	vm_options "$@"
	VM_TEE=$RUN_DIR/out
	vm_run
}

part_prove() {
	local part=$1 kernel=$2 pattern=$3 status=0
	part_vm --kernel "$kernel" --timeout 2400 -- \
		/bin/bash -c "prove -v --merge $pattern" || status=$?
	tally_tap "$part" "$status" "$LAB_DIR/expected/skips.$part" <"$RUN_DIR/out"
}

part_lab() { part_prove lab hugeodp '/usr/libexec/hugeodp/tests/*.t'; }

# The defects must show where they are not fixed: a reproducer that passes there tests nothing
part_stock() { part_prove stock stock '/usr/libexec/hugeodp/tests/stock/*.t'; }

part_rdma-core() {
	local kernel status
	for kernel in stock hugeodp; do
		status=0
		part_vm --kernel "$kernel" --timeout 600 -- /bin/bash -c '
			cd /usr/libexec/rdma-core
			exec python3 tests/run_tests.py --dev rxe0 -v -k odp 2>&1' || status=$?
		[[ $status == [01] ]] || tally fail "rdma-core-$kernel: ended with status $status"
		tally_unittest "rdma-core-$kernel" "$LAB_DIR/expected/rdma-core.$kernel" "$RUN_DIR/out"
	done
}

part_self() {
	local status=0
	LAB=$LAB_DIR/lab prove -v "$LAB_DIR"/tests/*.t 2>&1 | tee "$RUN_DIR/out" || status=$?
	tally_tap self "$status" "$LAB_DIR/expected/skips.self" <"$RUN_DIR/out"
}
