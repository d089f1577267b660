# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The kernel series as mail, see kernel/format-series: what a maintainer would get, applied and checked;
# and its selftests.

MAIL_SENDER='Lab Test <lab@example.org>'
# in the order in which they apply
MAIL_SERIES=(fixes mm rdma mlx5 pinned)

mail_format() { "$TOP_DIR/kernel/format-series" "$@"; }

# mail_refused STATUS ARG...: format-series ends with this status and writes nothing
mail_refused() {
	local want=$1 status=0 out=$RUN_DIR/refused
	shift
	mail_format "$@" "$out" || status=$?
	[[ $status == "$want" && ! -e $out ]]
}

mail_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "$RUN_DIR/linux" \
		-c user.name=lab -c user.email=lab@example.org "$@"
}

# $RUN_DIR/want: the files that the series touches, as the lab builds them. $RUN_DIR/linux: a
# repository with the pristine ones, for git am
mail_repository() {
	local file
	series_apply "$SOURCE/tree" "$RUN_DIR/want"
	series_selftests "$SOURCE/tree" "$RUN_DIR/want"
	mkdir -p "$RUN_DIR/linux"
	mail_git init -q
	while IFS= read -r file; do
		[[ ! -e $SOURCE/tree/$file ]] ||
			(cd "$SOURCE/tree" && cp --parents "$file" "$RUN_DIR/linux")
	done < <(cd "$RUN_DIR/want" && find . -type f)
	mail_git add -f .
	mail_git commit -qm pristine
}

mail_same() { diff -r --exclude=.git "$RUN_DIR/want" "$RUN_DIR/linux"; }

# The whole files that the series adds
mail_new_sources() {
	(cd "$RUN_DIR/want" && find . -name '*.[ch]') | while IFS= read -r file; do
		[[ -e $SOURCE/tree/$file ]] || echo "$file"
	done
}

# Run kernel-doc of the source, which prints nothing if there is no error
mail_kernel_doc() {
	local files out
	mapfile -t files < <(mail_new_sources)
	[[ ${#files[@]} != 0 ]] || return 1
	out=$(cd "$RUN_DIR/want" && PYTHONDONTWRITEBYTECODE=1 \
		python3 "$SOURCE/tree/scripts/kernel-doc" -Wall -none "${files[@]}" 2>&1) || return
	[[ -z $out ]] || { echo "$out" && return 1; }
}

# Compile the changed files for i386: without errors, and without warnings in new files
mail_build_i386() {
	local tree=$RUN_DIR/i386 option status=0
	local -x CCACHE_DIR=$CACHE_DIR/ccache
	cp -al "$SOURCE/tree" "$tree"
	cp -r --remove-destination "$RUN_DIR/want/." "$tree/"
	kernel_make "$tree" ARCH=i386 -s defconfig
	for option in INFINIBAND INFINIBAND_USER_ACCESS INFINIBAND_ON_DEMAND_PAGING MLX5_CORE MLX5_CORE_EN \
		MLX5_INFINIBAND; do
		"$tree/scripts/config" --file "$tree/obj/.config" -e "$option"
	done
	kernel_make "$tree" ARCH=i386 -s olddefconfig
	grep -qx CONFIG_INFINIBAND_ON_DEMAND_PAGING=y "$tree/obj/.config" || return
	kernel_make "$tree" ARCH=i386 W=1 mm/hmm.o lib/scatterlist.o drivers/infiniband/core/ \
		drivers/infiniband/hw/mlx5/ >"$RUN_DIR/i386.log" 2>&1 || status=$?
	mail_new_sources | sed 's,^\./,,' >"$RUN_DIR/new-sources"
	if [[ $status != 0 ]] || grep -F 'warning:' "$RUN_DIR/i386.log" | grep -Ff "$RUN_DIR/new-sources"; then
		tail -n 40 "$RUN_DIR/i386.log"
		return 1
	fi
}

# mail_each: one result for each mail and each exception
mail_each() {
	local state name status=0
	python3 "$LAB_DIR/lib/mail_check.py" "$SOURCE/tree" "$LAB_DIR/expected/checkpatch" \
		"$MAIL_SENDER" "$RUN_DIR/mail" >"$RUN_DIR/out" || status=$?
	while read -r state name; do
		tally "$state" "series/$name"
	done <"$RUN_DIR/out"
	[[ $status == 0 ]] || tally fail "series: mail_check.py ended with status $status"
}

# The selftests of the series in the source's own frame, and the headers that they include
selftests_tree() {
	local tree=$1 top=$SOURCE/tree/tools/testing/selftests
	mkdir -p "$tree/usr/include"
	series_selftests "$SOURCE/tree" "$tree"
	cp -r "$top"/{lib.mk,kselftest,kselftest.h,kselftest_harness.h} "$tree/tools/testing/selftests/"
	cp -r "$SOURCE/tree/include/uapi/rdma" "$tree/usr/include/"
	series_apply "$SOURCE/tree" "$RUN_DIR/selftests-series"
	cp "$RUN_DIR"/selftests-series/include/uapi/rdma/*.h "$tree/usr/include/rdma/"
}

selftests_build() {
	root_exec "$1:linux" -- \
		make -C /run/linux/tools/testing/selftests/rdma USERCFLAGS=-Werror
}

# selftests_run KERNEL TREE NAME...: in a machine without devices, as the tests make their own
selftests_run() {
	local kernel=$1 tree=$2
	shift 2
	# shellcheck disable=SC2016 # expanded in the machine
	part_vm --kernel "$kernel" --device none --share "$tree" --timeout 1800 -- /bin/bash -c '
		cd /mnt/share/tools/testing/selftests/rdma
		for name; do
			echo "$name.t .."
			"./$name.sh" || status=$?
		done
		exit "${status-0}"' bash "$@"
}

# The selftest of HMM, which the series extends. Its Makefile builds all tests of mm only.
selftests_hmm_build() {
	local tree=$1 tools=$SOURCE/tree/tools
	mkdir -p "$tree/tools/testing" "$tree/lib" "$tree/mm"
	cp -r "$tools/include" "$tree/tools/"
	cp -r "$tools/testing/selftests" "$tree/tools/testing/"
	cp "$SOURCE/tree/mm/gup_test.h" "$tree/mm/"
	series_apply "$SOURCE/tree" "$tree"
	root_exec "$tree:linux" -- /bin/bash -c 'cd /run/linux/tools/testing/selftests/mm &&
		gcc -O2 -Wall -Werror -D_GNU_SOURCE -I. -I.. -I../../../.. -o hmm-tests \
			hmm-tests.c vm_util.c hugepage_settings.c -lpthread'
}

# Snapshots of pages and of blocks, and faults. The module has no coherent memory here.
selftests_hmm_run() {
	mkdir -p "$1/run"
	cp "$1/tools/testing/selftests/mm/hmm-tests" "$1/run/"
	part_vm --kernel debug --device none --share "$1/run" --timeout 1800 -- /bin/bash -c '
		echo hmm-tests.t ..
		exec /mnt/share/hmm-tests -V hmm_device_coherent -V hmm2_device_coherent \
			-t blocks -t snapshot -t compound -t anon_read -t anon_write_huge \
			-t anon_write_hugetlbfs -t migrate_anon_huge_fault'
}

# The selftests must pass with the series, and the one of the data must fail without it
selftests_test() {
	local tree=$RUN_DIR/selftests names=() file
	root_require
	selftests_tree "$tree"
	tally_check series/selftests-build selftests_build "$tree"
	# a test is a script and a program of one name
	for file in "$TOP_DIR"/kernel/selftests/rdma/*.sh; do
		file=${file%.sh}
		[[ ! -f $file.c ]] || names+=("${file##*/}")
	done
	[[ -x $tree/tools/testing/selftests/rdma/${names[0]} ]] || return 0
	selftests_run hugeodp "$tree" "${names[@]}"
	tally_tap series "$PART_STATUS" /dev/null <"$RUN_DIR/out"
	selftests_run stock "$tree" rxe_odp_data
	tally_check series/data-is-wrong-on-stock grep -q '^not ok .* the address$' "$RUN_DIR/out"
	selftests_hmm
}

selftests_hmm() {
	local tree=$RUN_DIR/selftests-hmm
	tally_check series/selftest-hmm-build selftests_hmm_build "$tree"
	[[ -x $tree/tools/testing/selftests/mm/hmm-tests ]] || return 0
	selftests_hmm_run "$tree"
	tally_tap series "$PART_STATUS" /dev/null <"$RUN_DIR/out"
}

# All checks of the mail. If a series does not apply, the test ends.
mail_test() {
	local series mail=$RUN_DIR/mail
	host_kernel_require
	source_require
	tally_check series/no-mail-without-sender mail_refused 2 "$SOURCE/tree"
	tally_check series/no-mail-from-placeholder mail_refused 2 \
		--from 'hugeodp maintainers <maintainers@hugeodp.invalid>' "$SOURCE/tree"
	tally_check series/no-source mail_refused 2 --from "$MAIL_SENDER" "$LAB_DIR"
	tally_check series/format mail_format --from "$MAIL_SENDER" "$SOURCE/tree" "$mail"
	[[ -d $mail ]] || return 0
	mail_repository
	for series in "${MAIL_SERIES[@]}"; do
		tally_check "series/am-$series" mail_git am -q --empty=drop "$mail/$series.mbox"
	done
	tally_check series/same-as-lab mail_same
	tally_check series/kernel-doc mail_kernel_doc
	tally_check series/i386 mail_build_i386
	tally_check series/syzkaller "$TOP_DIR/kernel/syzkaller/check" "$SOURCE/tree" \
		"$RUN_DIR/want"
	mail_each
}
