# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The unit tests of other architectures, compiled on this one and run by QEMU's emulator of programs, in a
# root of their own.

CROSS_SUITE=testing

# Sets CROSS_ROOT to the root with the compilers
cross_require() {
	deb_root_cached cross 'with cross compilers' "$CROSS_SUITE" \
		"$(root_packages "$LAB_DIR/packages.cross" | paste -sd,)"
	CROSS_ROOT=$DEB_CACHED
}

# cross_variant NAME PROCESSOR EMULATOR: the tests that are programs, as the emulator runs no scripts.
# Without test_memory: the emulator refuses MADV_HUGEPAGE and PR_SET_THP_DISABLE; without test_kept: it has a
# file of its own for /proc/self/maps; and without test_parent: it does not execute /proc/self/exe.
cross_variant() {
	local name=$1 processor=$2 emulator=$3 all=("${TEST_NAMES[@]}") test TEST_NAMES=()
	# ctest's expressions cannot exclude a name: all but test_b*, test_m*, test_kep* and test_par*
	[[ ${#all[@]} != 0 ]] || all=('test_([^bkmp]|k[^e]|ke[^p]|p[^a]|pa[^r]).*')
	for test in "${all[@]}"; do
		case $test in
		test_memory | test_kept | test_parent | test_bench_report | test_bench_cache) ;;
		test_*) TEST_NAMES+=("$test") ;;
		esac
	done
	[[ ${#TEST_NAMES[@]} != 0 ]] || return 0
	ROOT=$CROSS_ROOT unit_variant "$name" root -DHUGEODP_KERNEL_SOURCE= -DCMAKE_SYSTEM_NAME=Linux \
		-DCMAKE_SYSTEM_PROCESSOR="$processor" -DCMAKE_C_COMPILER="$processor-linux-gnu-gcc" \
		-DCMAKE_CROSSCOMPILING_EMULATOR="$emulator" \
		-DPKG_CONFIG_ARGN="--with-path=/usr/lib/$processor-linux-gnu/pkgconfig"
}

# The build refuses an architecture of 32 bits, and says why
cross_refused() {
	local work=$UNIT_SOURCE-i386 log=$RUN_DIR/i386.log
	rm -rf -- "$work"
	mkdir -p "$work"
	! ROOT=$CROSS_ROOT root_exec "$UNIT_SOURCE:src:ro" "$work:build" -- \
		cmake -S /run/src -B /run/build -DCMAKE_C_COMPILER=i686-linux-gnu-gcc >"$log" 2>&1 || return 1
	grep -q 'hugeodp is for 64-bit systems' "$log"
}

# Between unit_prepare and unit_finish
cross_test() {
	cross_require
	cross_variant arm64 aarch64 qemu-aarch64
	# big endian
	cross_variant s390x s390x qemu-s390x
	[[ ${#TEST_NAMES[@]} != 0 ]] || tally_check cross/i386-is-refused cross_refused
}
