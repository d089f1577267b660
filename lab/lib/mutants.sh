# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Defects in the kernel side (tests/mutants), each of which its lab tests must find: the modules are
# built once, then again with each defect, for a machine of its own.

mutants() { python3 -B "$TOP_DIR/tests/mutants/mutants.py" "$@"; }

# Sets MUTANTS_WORK and MUTANTS_RELEASE
mutants_prepare() {
	project_require
	kernel_require debian
	run_dir_create
	MUTANTS_WORK=$RUN_DIR/mutants
	MUTANTS_RELEASE=$(<"$KERNEL/release")
	step "building the modules without a defect" debian_modules_build "$DEBIAN_FILES" "$MUTANTS_WORK"
	cp -r "$MUTANTS_WORK/tree" "$MUTANTS_WORK/good"
	cp -al "$KERNEL" "$MUTANTS_WORK/image"
	rm -r -- "$MUTANTS_WORK/image/modules/usr/lib/modules/$MUTANTS_RELEASE/updates"
}

mutants_make() {
	debian_modules_exec "$DEBIAN_FILES" "$MUTANTS_WORK" \
		make -C "/usr/lib/modules/$MUTANTS_RELEASE/build" M=/run/work/tree -j"$(nproc)" modules
}

# The image with the modules that are in the tree now: a defect does not change what depmod finds
mutants_image() {
	cp "$MUTANTS_WORK"/tree/{core/hugeodp,rxe/rdma_rxe,mlx5/mlx5_ib}.ko "$MUTANTS_WORK/out/"
	strip --strip-debug "$MUTANTS_WORK"/out/*.ko
	debian_image_modules "$MUTANTS_WORK/image" "$MUTANTS_WORK/out"
}

# mutants_vm DEVICE TEST...: sets PART_STATUS: 0 if all pass. Another status is that of a test, or of a
# machine with a kernel that complains, hangs or is dead.
mutants_vm() {
	local device=$1
	shift
	# shellcheck disable=SC2016 # expanded in the machine
	vm_options --kernel debian --device "$device" --mem 4608 --gigapages 1 --timeout 1200 -- /bin/bash -c '
		for name; do
			echo "$name.t .."
			"/usr/libexec/hugeodp/tests/$name.t" >/tmp/out 2>&1 || status=$?
			cat /tmp/out
			[[ -z ${status-} ]] && ! grep -q "^not ok" /tmp/out || exit "${status:-1}"
		done' bash "$@"
	VM_TEE=$RUN_DIR/out
	vm_require
	KERNEL=$MUTANTS_WORK/image
	PART_STATUS=0
	vm_run_built >/dev/null 2>"$RUN_DIR/err" || PART_STATUS=$?
}

# The tests pass without a defect, so a failure is the work of one
mutants_control() {
	local device=$1
	shift
	mutants_image
	mutants_vm "$device" "$@"
	[[ $PART_STATUS == 0 ]] && return 0
	tail -n 30 "$RUN_DIR/out" "$RUN_DIR/err" >&2
	return 1
}

# mutants_one NAME
mutants_one() {
	local name=$1 file tests
	file=$(mutants file "$name")
	read -ra tests < <(mutants tests "$name")
	if ! mutants apply "$name" "$MUTANTS_WORK/tree" || ! mutants_make >"$RUN_DIR/make" 2>&1; then
		tail -n 20 "$RUN_DIR/make" >&2 || true
		tally fail "mutants/$name: it cannot be built"
	else
		mutants_image
		mutants_vm "${tests[@]}"
		if [[ $PART_STATUS == 0 ]]; then
			tally fail "mutants/$name: it survives ${tests[*]:1}"
		else
			tally pass "mutants/$name: found with status $PART_STATUS by $(mutants_finder)"
		fi
	fi
	cp "$MUTANTS_WORK/good/$file" "$MUTANTS_WORK/tree/$file"
}

# The last test that ran, and its first point that failed
mutants_finder() {
	awk '/^[a-z0-9-]+\.t \.\.$/ { test = $1; point = "" }
		/^not ok / && point == "" { point = $0; sub(/^not ok [0-9]+ - /, ": ", point) }
		END { print test point }' "$RUN_DIR/out"
}

mutants_test() {
	local names=("${TEST_NAMES[@]}") name device
	local -A control=()
	[[ ${#names[@]} != 0 ]] || mapfile -t names < <(mutants names)
	mutants_prepare
	for name in "${names[@]}"; do
		for test in $(mutants tests "$name"); do
			case $test in
			rxe | mlx5) device=$test ;;
			*) [[ " ${control[$device]-} " == *" $test "* ]] || control[$device]+=" $test" ;;
			esac
		done
	done
	for device in "${!control[@]}"; do
		# shellcheck disable=SC2086 # several words
		tally_check "mutants/control-$device" mutants_control "$device" ${control[$device]}
	done
	for name in "${names[@]}"; do
		mutants_one "$name"
	done
	say "mutants: $(grep -c '^pass mutants/[^c]' "$RUN_DIR/tally") of ${#names[@]} found"
}
