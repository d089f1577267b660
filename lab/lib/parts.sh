# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The parts of lab/lab test. Each records its results with tally.

PARTS=(shell unit lab mlx5-short stock rdma-core python kunit self torture)
PARTS_MORE=(debian-7.2 debug torture-debug compilers fuzz mlx5 mlx5-debug iommu hostile machines bench
	coverage races mutants packages clients adopters series bisect models mutate)
# parts whose tests can be run one by one
PARTS_NAMED=(unit lab mlx5-short stock self debian-7.2 debug compilers mlx5 mlx5-debug iommu hostile machines mutants
	clients adopters)
# run only these tests, or all if there are none
TEST_NAMES=()

part_shell() {
	local file first
	while IFS= read -r -d '' file; do
		[[ -f $TOP_DIR/$file ]] || continue
		IFS= read -r first 2>/dev/null < <(head -c 80 "$TOP_DIR/$file" | tr -d '\0') || continue
		case $first in
		'#!/bin/bash' | '#!/bin/sh' | '# shellcheck shell='*)
			tally_check "shell/$file" shellcheck -x "$TOP_DIR/$file"
			;;
		esac
	done < <(tree_files)
}

# unit_build SOURCE BUILD CMAKE-OPTION...
unit_build() {
	local source=$1 build=$2
	shift 2
	cmake -S "$source" -B "$build" -DHUGEODP_UNIT_TESTS=ON "$@"
	cmake --build "$build" -j "$(nproc)"
}

# unit_ctest BUILD [NAME...]
unit_ctest() {
	local build=$1 only=()
	shift
	[[ $# == 0 ]] || only=(-R "^($(IFS='|' && echo "$*"))\$")
	# with all that a test prints, as some of it may be that something was not checked
	ctest --test-dir "$build" "${only[@]}" --output-on-failure --output-junit "$build/junit.xml" \
		--test-output-size-passed 1000000 --test-output-size-failed 1000000
}

# unit_in_root WORK COMMAND...: one of the two above, in the machine's root
unit_in_root() {
	local work=$1
	shift
	# shellcheck disable=SC2016 # expanded inside the root
	root_exec "$UNIT_SOURCE:src:ro" "$work:build" "$SOURCE/tree:kernel:ro" -- /bin/bash -c \
		"set -eu; $(declare -f "$1")"'; "$@"' bash "$@"
}

# unit_variant NAME root|host CMAKE-OPTION...: build, run, tally. What a test could not check is a failure
# in the root, which has all that the tests use; a host may lack some of it.
unit_variant() {
	local name=$1 where=$2 work status=0 unchecked=$LAB_DIR/expected/unchecked
	shift 2
	work=$UNIT_SOURCE-$name
	mkdir -p "$work"
	rm -f -- "$work/junit.xml"
	if [[ $where == root ]]; then
		step "building the unit tests ($name)" \
			unit_in_root "$work" unit_build /run/src /run/build \
			-DHUGEODP_KERNEL_SOURCE=/run/kernel "$@"
		unit_in_root "$work" unit_ctest /run/build "${TEST_NAMES[@]}" || status=$?
	else
		unchecked=''
		step "building the unit tests ($name)" unit_build "$UNIT_SOURCE" "$work" \
			-DHUGEODP_KERNEL_SOURCE="$SOURCE/tree" "$@"
		unit_ctest "$work" "${TEST_NAMES[@]}" || status=$?
	fi
	tally_junit "unit-$name" "$status" "$work/junit.xml" "$unchecked"
}

# Sets UNIT_SOURCE, until unit_finish
unit_prepare() {
	root_unit_require
	source_require
	lock unit
	tree_open "$(project_tree)"
	UNIT_SOURCE=$(project_tree)/unit
	project_sync "$UNIT_SOURCE"
}

unit_finish() {
	tree_close "$(project_tree)"
	unlock unit
}

part_unit() {
	unit_prepare
	unit_variant gcc root
	unit_variant sanitizers root -DCMAKE_BUILD_TYPE=Debug -DHUGEODP_SANITIZERS=address,undefined
	unit_finish
}

# The same tests in other builds, and for other architectures
part_compilers() {
	local compiler
	unit_prepare
	unit_variant threads root -DCMAKE_BUILD_TYPE=Debug -DHUGEODP_SANITIZERS=thread
	unit_variant clang root -DCMAKE_C_COMPILER=clang
	if command -v cmake >/dev/null && pkg-config --exists libibverbs smartcols cmocka 2>/dev/null; then
		for compiler in gcc clang; do
			command -v "$compiler" >/dev/null || continue
			unit_variant "host-$compiler" host -DCMAKE_C_COMPILER="$compiler"
		done
	else
		say "no libibverbs-dev, libsmartcols-dev and libcmocka-dev on this host: built in the machine's root only"
	fi
	cross_test
	unit_finish
}

# part_vm OPTION... -- COMMAND...: output to the terminal and to $RUN_DIR/out; sets PART_STATUS. Call it
# outside of conditions, in which bash would go on after a failed build.
part_vm() {
	vm_options "$@"
	VM_TEE=$RUN_DIR/out
	vm_require
	PART_STATUS=0
	vm_run_built || PART_STATUS=$?
}

# part_prove PART KERNEL FILES [COMMAND [OPTION...]]: these tests, then COMMAND
part_prove() {
	local part=$1 kernel=$2
	part_vm --kernel "$kernel" --timeout 7200 "${@:5}" -- \
		/bin/bash -c "prove -v --timer --merge $3 || status=\$?; ${4-:}; exit \${status-0}"
	tally_tap "$part" "$PART_STATUS" "$LAB_DIR/expected/skips.$part" <"$RUN_DIR/out"
}

# part_tests LABEL: prints the files of the lab tests with this label, restricted to the
# tests named, if any. The CMakeLists.txt of a test sets its labels.
part_tests() {
	awk -v label="$1" -v only="${TEST_NAMES[*]}" '
		BEGIN { split(only, names, " "); for (i in names) wanted[names[i]] }
		only == "" || $1 in wanted {
			for (i = 2; i <= NF; i++)
				if ($i == label)
					printf "/usr/libexec/hugeodp/tests/%s.t ", $1
		}' "$STAGE/usr/libexec/hugeodp/tests/list"
}

# part_label PART KERNEL LABEL [COMMAND [OPTION...]]: the lab tests with this label
part_label() {
	local part=$1 kernel=$2 label=$3 files
	shift 3
	project_require
	files=$(part_tests "$label")
	if [[ -n $files ]]; then
		part_prove "$part" "$kernel" "$files" "$@"
	elif [[ ${#TEST_NAMES[@]} == 0 ]]; then
		tally fail "$part: no test has the label $label"
	fi
}

part_lab() {
	part_label lab debian rxe : --mem 4608 --gigapages 1
	# a machine without enough memory for the tables of all registered memory
	part_label lab-small debian rxe-small : --mem 2048 --hugepages 0
	# the short tests of the part hostile
	part_label lab-quick debian rxe-quick : --mem 4096
}

# part_mlx5_short PART KERNEL: the mlx5 driver in both page-fault schemes, with delayed events
part_mlx5_short() {
	local scheme
	for scheme in transport memory; do
		part_label "$1-$scheme" "$2" "mlx5-short-$scheme" : --device mlx5 \
			--mlx5 "scheme=$scheme,delay=1" --mem 4608 --gigapages 1
	done
}

part_mlx5-short() { part_mlx5_short mlx5-short debian; }

# The modules in the other kernel that they are made for
part_debian-7.2() {
	part_label debian-7.2 debian-7.2 rxe : --mem 4608 --gigapages 1
	part_mlx5_short debian-7.2-mlx5-short debian-7.2
}

# kmemleak reports objects that two consecutive scans find; such a report fails the test
# like any other of the kernel.
KMEMLEAK='for i in 1 2; do echo scan >/sys/kernel/debug/kmemleak; done; cat /sys/kernel/debug/kmemleak'

# The same on the debug kernel, and torture while allocations fail. Slow, so only on request.
part_debug() {
	part_label debug debug rxe "$KMEMLEAK" --mem 4608 --gigapages 1
	[[ ${#TEST_NAMES[@]} == 0 ]] || return 0
	part_stress_debug debug-inject 'torture.t --leg inject' 3
	part_stress_debug debug-inject-mlx5 'torture.t --leg inject' 3 --device mlx5 --mlx5 scheme=memory
}

# Attacks by an unprivileged user, on each device and on the debug kernel
part_hostile() {
	local scheme
	part_label hostile hugeodp hostile-rxe
	for scheme in transport memory; do
		part_label "hostile-mlx5-$scheme" hugeodp "hostile-mlx5-$scheme" : --device mlx5 \
			--mlx5 "scheme=$scheme"
		part_label "hostile-mlx5-$scheme-debug" debug "hostile-mlx5-$scheme" "$KMEMLEAK" \
			--device mlx5 --mlx5 "scheme=$scheme"
	done
	part_label hostile-debug debug hostile-rxe "$KMEMLEAK"
}

# The KUnit tests of the series
part_kunit() { part_prove kunit debug '/usr/libexec/hugeodp/kunit/*.t' "$KMEMLEAK"; }

# stress_minutes NAME: the value of the variable NAME, which may be unset
stress_minutes() {
	local minutes=${!1-}
	[[ $minutes =~ ^([1-9][0-9]{0,4})?$ ]] || usage_error "$1 wants minutes, not '$minutes'"
	MINUTES=$minutes
}

# part_stress NAME KERNEL PROGRAM AFTER [OPTION...]: PROGRAM with its arguments, then AFTER. Little
# memory, so that allocations fail soon. Without prove, which buffers the output.
part_stress() {
	local name=$1 command=/usr/libexec/hugeodp/stress/$3
	part_vm --kernel "$2" --mem 2048 --hugepages 96 --timeout 7200 "${@:5}" -- \
		/bin/bash -c "echo ${command%% *} ..; $command 2>&1 || status=\$?
			$4; exit \${status-0}"
	tally_tap "$name" "$PART_STATUS" "$LAB_DIR/expected/skips.$name" <"$RUN_DIR/out"
}

# part_stress_debug NAME PROGRAM MINUTES-OR-NOTHING [OPTION...]: on the debug kernel, where setup and
# teardown are slow. A leg of torture that has not covered all events takes up to a quarter of an hour
# more, or three times as long.
part_stress_debug() {
	part_stress "$1" debug "$2${3:+ --minutes $3}" "$KMEMLEAK" \
		--timeout $(((${3:-60} * 3 + 120) * 60)) "${@:4}"
}

# The same on the mlx5 model; reports of strict mode are failures, too
part_stress_mlx5() { part_stress_debug "$1-mlx5" "$1.t" "$2" --device mlx5 --mlx5 scheme=memory; }

# Random ioctls, a million of them on each device or as many as fit into HUGEODP_FUZZ_MINUTES
part_fuzz() {
	stress_minutes HUGEODP_FUZZ_MINUTES
	part_stress_debug fuzz fuzz.t "$MINUTES"
	part_stress_mlx5 fuzz "$MINUTES"
}

# Random transfers during random events (torture), for HUGEODP_TORTURE_MINUTES or ten
# minutes
part_torture() {
	stress_minutes HUGEODP_TORTURE_MINUTES
	part_stress_debug torture torture.t "$MINUTES"
}

# The same on each device
part_torture-debug() {
	part_torture
	part_stress_mlx5 torture "$MINUTES"
}

# Reproducers must fail on the stock kernel: one that passes there tests nothing
part_stock() { part_label stock debian-stock stock-rxe; }

part_rdma-core() {
	local kernel
	for kernel in debian-stock debian; do
		part_vm --kernel "$kernel" --timeout 1800 -- /bin/bash -c '
			cd /usr/libexec/rdma-core
			exec python3 /usr/libexec/hugeodp/pyverbs/patient.py \
				tests/run_tests.py --dev rxe0 -v -k odp 2>&1'
		[[ $PART_STATUS == [01] ]] || tally fail "rdma-core-$kernel: ended with status $PART_STATUS"
		tally_unittest "rdma-core-$kernel" "$LAB_DIR/expected/rdma-core.$kernel" "$RUN_DIR/out"
	done
}

# part_unittest NAME KERNEL PROGRAM [OPTION...]: the tests of a program of the Python package
part_unittest() {
	local name=$1 kernel=$2 program=$3
	part_vm --kernel "$kernel" --timeout 1800 "${@:4}" -- /bin/bash -c \
		"/usr/libexec/hugeodp/pyverbs/$program 2>&1"
	[[ $PART_STATUS == [01] ]] || tally fail "$name: ended with status $PART_STATUS"
	tally_unittest "$name" "$LAB_DIR/expected/$name" "$RUN_DIR/out"
}

# The Python package: its own tests, then rdma-core's with a page size request for every ODP MR
part_python() {
	part_unittest python debian test_hugeodp.py
	part_unittest python-mlx5 debian test_mlx5.py --device mlx5
	part_unittest python-stock debian-stock test_stock.py
	part_vm --timeout 1800 -- /bin/bash -c '
		cd /usr/libexec/rdma-core
		exec python3 /usr/libexec/hugeodp/pyverbs/rdma_core.py \
			tests/run_tests.py --dev rxe0 -v -k odp 2>&1'
	[[ $PART_STATUS == [01] ]] || tally fail "rdma-core-python: ended with status $PART_STATUS"
	tally_unittest rdma-core-python "$LAB_DIR/expected/rdma-core.debian" "$RUN_DIR/out"
}

# The mlx5 driver on the software device: lab tests, torture, and rdma-core's whole suite; and, with
# page faults reported the other way, its ODP tests: on the stock kernel without those of implicit
# MRs, because its driver completes a few retryable faults with an error.
part_mlx5() {
	local expected=$LAB_DIR/expected/rdma-core-all.mlx5 name
	part_mlx5_tests stock transport stock-
	# odp-corruption: strict mode reports the entries with a wrong address that this
	# test reproduces
	part_label mlx5-stock-transport-lenient stock stock-mlx5-transport-lenient : --device mlx5 \
		--mlx5 scheme=transport,lenient --mem 4608 --gigapages 1
	part_mlx5_tests hugeodp transport
	part_mlx5_tests hugeodp memory
	part_mlx5_profiles hugeodp
	[[ ${#TEST_NAMES[@]} == 0 ]] || return 0

	part_mlx5_torture mlx5-torture-transport hugeodp transport
	part_mlx5_torture mlx5-torture-memory hugeodp memory
	part_mlx5_suite stock transport "$expected.stock"
	grep -E 'test_odp\.OdpTestCase\.test_(mrex_)?odp_(rc|ud|xrc)_' "$expected.stock" \
		>"$RUN_DIR/expected"
	part_mlx5_suite stock memory "$RUN_DIR/expected" -k odp_rc_ -k odp_ud_ -k odp_xrc_
	part_mlx5_suite hugeodp transport "$expected.hugeodp"
	# of queue pairs that the driver does not know, only this scheme can report page faults
	name=tests.test_mlx5_devx.Mlx5DevxRcTrafficTest.test_devx_rc_qp_odp_traffic
	{
		grep -F test_odp "$expected.hugeodp"
		echo "passed $name"
	} >"$RUN_DIR/expected"
	part_mlx5_suite hugeodp memory "$RUN_DIR/expected" -k test_odp -k test_devx_rc_qp_odp_traffic
}

# part_mlx5_tests KERNEL SCHEME [PREFIX-OF-LABELS]: with one device, then with two
part_mlx5_tests() {
	local kernel=$1 scheme=$2 prefix=${3-}
	part_label "mlx5-$kernel-$scheme" "$kernel" "${prefix}mlx5-$scheme" : --device mlx5 \
		--mlx5 "scheme=$scheme" --mem 4608 --gigapages 1
	part_label "mlx5-two-$kernel-$scheme" "$kernel" "${prefix}mlx5-pair-$scheme" : \
		--device mlx5 --mlx5 "devices=2,scheme=$scheme"
	# the test needs the series
	[[ $kernel == stock ]] || part_label "mlx5-machines-$kernel-$scheme" "$kernel" \
		"mlx5-machines-$scheme" : --device mlx5 --mlx5 "machines=2,scheme=$scheme" --mem 2048
}

# part_mlx5_profiles KERNEL: a few tests on older and on newer firmware
part_mlx5_profiles() {
	local profile
	for profile in old new; do
		part_label "mlx5-profile-$profile" "$1" "mlx5-profile-$profile" : --device mlx5 \
			--mlx5 "profile=$profile" --mem 4608 --gigapages 1
	done
}

# part_mlx5_torture NAME KERNEL SCHEME [OPTION...]: the legs of torture.t for a device that cannot be
# removed
part_mlx5_torture() {
	part_stress "$1" "$2" 'torture.t --minutes 3' : --device mlx5 --mlx5 "scheme=$3" "${@:4}"
}

# Under the kernel's checkers, with the mix of page faults that is hardest for the driver
part_mlx5-debug() {
	local scheme
	for scheme in transport memory; do
		part_label "mlx5-debug-$scheme" debug "mlx5-$scheme" "$KMEMLEAK" --device mlx5 \
			--mlx5 "scheme=$scheme,faults=1" --mem 4608 --gigapages 1
	done
}

# Without an IOMMU, QEMU maps a few regions of memory once
# shellcheck disable=SC2016 # expanded in the machine
IOMMU_SEEN='[[ $(mlx5-model-counters dma_unmaps) -gt 100 ]] || {
	echo "not ok 1 - the driver maps memory through an IOMMU"; status=1; }'

# The same tests with an IOMMU between the device and the memory. The model sees only what the driver
# has mapped at that time: strict mode reports any other access.
part_iommu() {
	local mode scheme
	for mode in strict lazy; do
		scheme=transport
		[[ $mode == strict ]] || scheme=memory
		part_label "iommu-$mode" debian "iommu-$scheme" "$IOMMU_SEEN" --device mlx5 --iommu "$mode" \
			--mlx5 "scheme=$scheme,delay=1" --mem 4608 --gigapages 1
		[[ ${#TEST_NAMES[@]} == 0 ]] || continue
		part_mlx5_torture "iommu-torture-$mode" debian "$scheme" --iommu "$mode"
	done
}

# part_mlx5_suite KERNEL SCHEME EXPECTED [ARG...]: the tests of rdma_cm need an address
part_mlx5_suite() {
	local name=mlx5-$1-$2 kernel=$1 scheme=$2 expected=$3
	shift 3
	# shellcheck disable=SC2016 # expanded in the machine
	part_vm --device mlx5 --mlx5 "scheme=$scheme" --kernel "$kernel" --timeout 3600 -- /bin/bash -c '
		ip address add 10.99.1.1/24 dev ib0
		ip link set ib0 up
		cd /usr/libexec/rdma-core
		exec python3 /usr/libexec/hugeodp/pyverbs/forking.py \
			tests/run_tests.py --dev mlx5_0 -v "$@" 2>&1' bash "$@"
	[[ $PART_STATUS == [01] ]] || tally fail "$name: ended with status $PART_STATUS"
	tally_unittest "$name" "$expected" "$RUN_DIR/out"
}

# The benchmarks, short: check that they complete with all figures, whatever their
# values
part_bench() {
	local file dir=$RUN_DIR/results
	tally_check 'bench/completes' "$LAB_DIR/lab" bench --quick "$dir"
	for file in results.json results.md prefetch.svg faults.svg; do
		tally_check "bench/$file" test -s "$dir/$file"
	done
	tally_check 'bench/cache-completes' "$LAB_DIR/lab" bench --quick --cache "$dir"
	for file in cache.json cache.md cache-kv-hits.svg; do
		tally_check "bench/$file" test -s "$dir/$file"
	done
}

# Slow because of its many roots, so only on request
part_packages() {
	local suite kernel
	for suite in "${DEB_SUITES[@]}"; do
		deb_test "$suite"
	done
	for kernel in debian-stock debian-7.2-stock; do
		deb_dkms "$kernel" "$RUN_DIR/deb/$DEBIAN_HEADERS_SUITE" "$RUN_DIR/deb/dkms-root"
	done
	model_test "$RUN_DIR/deb/model"
	rpm_test "$RUN_DIR/deb/$RPM_SUITE"
}

# Needs a root of its own as well
part_clients() { clients_test; }

# The patches of clients/, in one more root
part_adopters() { adopters_test; }

# The kernel series as mail: applied, compared with what the lab builds, and checked; its selftests
part_series() {
	mail_test
	selftests_test
}

# The kernel after each patch of the series
part_bisect() { bisect_test; }

# Lines and branches of the kernel side that the lab tests run
part_coverage() { coverage_test; }

# Data races that KCSAN finds in the kernel side under lab tests and torture
part_races() { races_test; }

# Defects in the kernel side, which its lab tests must find
part_mutants() { mutants_test; }

# Mutants of what the unit tests cover, for HUGEODP_MUTATE_MINUTES or an hour: a random sample, or that of
# HUGEODP_SEED, of HUGEODP_MUTATE_TARGETS or all. Builds and tests are in memory.
part_mutate() {
	local status=0 targets seed=()
	stress_minutes HUGEODP_MUTATE_MINUTES
	[[ -z ${HUGEODP_SEED-} ]] || seed=(--seed "$HUGEODP_SEED")
	read -ra targets <<<"${HUGEODP_MUTATE_TARGETS-}"
	unit_prepare
	root_exec "$UNIT_SOURCE:src:ro" "$SOURCE/tree:kernel:ro" -- env PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH=/run/src/tests/mutate python3 -m mutate --kernel /run/kernel --work /run/work \
		--minutes "${MINUTES:-60}" "${seed[@]}" "${targets[@]}" 2>&1 |
		tee "$RUN_DIR/out" || status=$?
	unit_finish
	tally_tap mutate "$status" /dev/null <"$RUN_DIR/out"
}

# Models of the kernel series; needs a root of its own, too
part_models() { models_test; }

# Those tests of the lab that start many machines
SELF_MACHINES=(failure mlx5 names)

# self_prove PART NAME...: run these tests of the lab, restricted to the tests named, if any
self_prove() {
	local part=$1 status=0 name files=()
	shift
	for name; do
		[[ ${#TEST_NAMES[@]} != 0 && " ${TEST_NAMES[*]} " != *" $name "* ]] ||
			files+=("$LAB_DIR/tests/$name.t")
	done
	[[ ${#files[@]} != 0 ]] || return 0
	LAB=$LAB_DIR/lab prove -v --timer "${files[@]}" 2>&1 | tee "$RUN_DIR/out" || status=$?
	tally_tap "$part" "$status" "$LAB_DIR/expected/skips.$part" <"$RUN_DIR/out"
}

part_self() {
	local file name names=()
	for file in "$LAB_DIR"/tests/*.t; do
		name=$(basename "$file" .t)
		[[ " ${SELF_MACHINES[*]} " == *" $name "* ]] || names+=("$name")
	done
	self_prove self "${names[@]}"
}

part_machines() { self_prove machines "${SELF_MACHINES[@]}"; }
