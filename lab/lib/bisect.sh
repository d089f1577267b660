# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The kernel after each patch of the series: git bisect must be able to stop at any of them. Only the
# folders and files that the series changes are compiled.

# The kernel's own tests, besides the lab's configuration; each exists from its patch on
BISECT_CONFIG=(CONFIG_KUNIT=y CONFIG_INFINIBAND_ODP_KUNIT_TEST=y CONFIG_RUNTIME_TESTING_MENU=y CONFIG_TEST_HMM=y)

# Sets BISECT_TARGETS, for make, from the files that the series touches
bisect_targets() {
	local file
	local -A targets=()
	while IFS= read -r file; do
		case $file in
		drivers/*.c) targets[${file%/*}/]=1 ;;
		tools/*) ;;
		*.c) targets[${file%.c}.o]=1 ;;
		esac
	done <"$RUN_DIR/touched"
	BISECT_TARGETS=("${!targets[@]}")
}

bisect_objects() {
	local target
	for target in "${BISECT_TARGETS[@]}"; do
		if [[ $target == */ ]]; then
			find "$RUN_DIR/bisect/obj/$target" -name '*.o' ! -name 'built-in*' -print0
		elif [[ -e $RUN_DIR/bisect/obj/$target ]]; then
			printf '%s\0' "$RUN_DIR/bisect/obj/$target"
		fi
	done
}

# bisect_symbols NAME: $RUN_DIR/defined.NAME, and $RUN_DIR/missing.NAME, which are defined elsewhere
# or nowhere
bisect_symbols() {
	local all=$RUN_DIR/symbols
	bisect_objects | xargs -0 nm >"$all"
	sed -nE 's/^[0-9a-f]+ [A-TV-Z] //p' "$all" | sort -u >"$RUN_DIR/defined.$1"
	sed -nE 's/^ +U //p' "$all" | sort -u | comm -23 - "$RUN_DIR/defined.$1" >"$RUN_DIR/missing.$1"
}

# bisect_step COMMIT: compile it
bisect_step() {
	local commit=$1 tree=$RUN_DIR/bisect file
	mail_git checkout -q "$commit"
	while IFS= read -r file; do
		sync_file "$RUN_DIR/linux/$file" "$tree/$file"
	done <"$RUN_DIR/touched"
	kernel_make "$tree" -s KCONFIG_ALLCONFIG="$RUN_DIR/config" allnoconfig
	kernel_make "$tree" "${BISECT_TARGETS[@]}"
	bisect_symbols "$commit"
}

# bisect_one COMMIT: the same without an error or a warning
bisect_one() {
	local log=$RUN_DIR/bisect.log status=0
	# not in a condition, where bash ignores set -e
	(
		set -e
		bisect_step "$1"
	) >"$log" 2>&1 &
	wait "$!" || status=$?
	grep -F -A 5 'warning:' "$log" && status=1
	[[ $status == 0 ]] || tail -n 40 "$log"
	return "$status"
}

# bisect_linked COMMIT LAST: no file needs what only a later patch defines
bisect_linked() {
	local needed
	needed=$(comm -12 "$RUN_DIR/missing.$1" "$RUN_DIR/defined.$2")
	[[ -z $needed ]] || { echo "not defined yet: $needed" && return 1; }
}

bisect_test() {
	local series commits=() commit last
	local -x CCACHE_DIR=$CACHE_DIR/ccache
	host_kernel_require
	source_require
	run_dir_create
	mail_format --from "$MAIL_SENDER" "$SOURCE/tree" "$RUN_DIR/mail"
	mail_repository
	for series in "${MAIL_SERIES[@]}"; do
		mail_git am -q --empty=drop "$RUN_DIR/mail/$series.mbox"
	done
	(cd "$RUN_DIR/want" && find . -type f -printf '%P\n') >"$RUN_DIR/touched"
	bisect_targets
	{
		cat "$LAB_DIR/kernel/config"
		printf '%s\n' "${BISECT_CONFIG[@]}"
	} >"$RUN_DIR/config"
	cp -al "$SOURCE/tree" "$RUN_DIR/bisect"
	mkdir -p "$RUN_DIR/bisect/obj"
	# each with its subject
	mapfile -t commits < <(mail_git log --reverse --format='%H %s')
	for commit in "${commits[@]}"; do
		say "compiling: ${commit#* }"
		tally_check "bisect/compiles: ${commit#* }" bisect_one "${commit%% *}"
	done
	last=${commits[-1]%% *}
	tally_check bisect/configuration kconfig_check "$RUN_DIR/bisect/obj/.config" "$RUN_DIR/config"
	for commit in "${commits[@]}"; do
		tally_check "bisect/links: ${commit#* }" bisect_linked "${commit%% *}" "$last"
	done
}
