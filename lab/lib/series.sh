# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Our changes to the kernel source: kernel/tree/ is laid over it, then the patches of
# kernel/patches/series are applied in order.

series_files() {
	(
		cd "$TOP_DIR" || exit
		[[ ! -d kernel/tree ]] || find kernel/tree -type f -print0
		[[ ! -d kernel/patches ]] || find kernel/patches -type f -print0
	)
}

# series_patches FOLDER: the patches of the list in a folder of kernel/
series_patches() {
	local folder=$TOP_DIR/kernel/$1
	[[ ! -f $folder/series ]] ||
		grep -v -e '^#' -e '^[[:space:]]*$' "$folder/series" | sed "s,^,$folder/,"
}

# series_apply PRISTINE OUT: OUT gets only the files that differ from the pristine tree
series_apply() {
	local pristine=$1 out=$2
	mkdir -p "$out"
	if [[ -d $TOP_DIR/kernel/tree ]]; then
		cp -a "$TOP_DIR/kernel/tree/." "$out/"
	fi
	series_patch "$pristine" "$out" patches
}

# series_selftests PRISTINE OUT: the same for the selftests, which are not part of the
# kernels
series_selftests() {
	local pristine=$1 out=$2
	mkdir -p "$out/tools/testing/selftests/rdma"
	cp -a "$TOP_DIR/kernel/selftests/rdma/." "$out/tools/testing/selftests/rdma/"
	series_patch "$pristine" "$out" selftests
}

# series_patch PRISTINE OUT FOLDER: apply the patches of a folder
series_patch() {
	local pristine=$1 out=$2 patch file
	while IFS= read -r patch; do
		while IFS= read -r file; do
			if [[ ! -e $out/$file && -e $pristine/$file ]]; then
				mkdir -p "$out/$(dirname "$file")"
				cp -a "$pristine/$file" "$out/$file"
			fi
		done < <(sed -nE 's/^(---|\+\+\+) [ab]\/([^\t]*).*/\2/p' "$patch")
		patch -d "$out" -p1 --no-backup-if-mismatch --fuzz=0 -s <"$patch" ||
			die "$patch does not apply"
	done < <(series_patches "$3")
}

# series_makefile PRISTINE OUT FOLDER LINE: append a line to the Makefile of a folder
series_makefile() {
	mkdir -p "$2/$3"
	[[ -e $2/$3/Makefile ]] || cp "$1/$3/Makefile" "$2/$3/"
	echo "$4" >>"$2/$3/Makefile"
}

# series_sync PRISTINE APPLIED TREE: TREE (once a copy of PRISTINE) becomes PRISTINE with APPLIED
# over it; a file that is already right keeps its time stamp, so that only changed files are
# recompiled.
series_sync() {
	local pristine=$1 applied=$2 tree=$3 list=$3.overlaid file
	# record the union first, so that an interrupted sync still lists each file that
	# it may have replaced
	(cd "$applied" && find . -type f) | cat - <(cat "$list" 2>/dev/null) | sort -u >"$list.new"
	mv "$list.new" "$list"
	while IFS= read -r file; do
		if [[ -e $applied/$file ]]; then
			sync_file "$applied/$file" "$tree/$file"
		else
			sync_file "$pristine/$file" "$tree/$file"
		fi
	done <"$list"
	(cd "$applied" && find . -type f) >"$list"
}
