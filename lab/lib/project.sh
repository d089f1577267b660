# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# This project, built natively inside the machine's root and installed into a stage directory
# that the machine lays over it.

# Names of all files of the working copy, NUL-separated
tree_files() {
	(
		cd "$TOP_DIR" || exit
		if git rev-parse --git-dir >/dev/null 2>&1; then
			git ls-files -zco --exclude-standard
		else
			find . -type f -not -path './.git/*' -not -path './build*/*' -printf '%P\0'
		fi
	)
}

# The files that the build uses
project_files() { tree_files | grep -zvE '^(lab|kernel|clients|\.ci)/'; }

# project_sync TREE: makes TREE a copy of these files; unchanged files keep their time
# stamps, as in series_sync
project_sync() {
	local tree=$1 file
	mkdir -p "$tree"
	while IFS= read -r -d '' file; do
		sync_file "$TOP_DIR/$file" "$tree/$file"
	done < <(cat <(project_files) <(cd "$tree" && find . -type f -printf '%P\0') | sort -zu)
}

# The sources and objects of the project in this root
project_tree() { echo "$CACHE_DIR/project/${ROOT##*/}"; }

project_build() {
	local work=$1 out=$2
	mkdir -p "$work/build" "$out"
	project_sync "$work/src"
	# shellcheck disable=SC2016 # expanded inside the root
	root_exec "$work/src:src:ro" "$work/build:build" "$out:stage" "$SOURCE/tree:kernel:ro" -- \
		/bin/bash -euc '
		cmake -S /run/src -B /run/build -DCMAKE_INSTALL_PREFIX=/usr \
			-DCMAKE_BUILD_TYPE=RelWithDebInfo -DHUGEODP_LAB_TESTS=ON -DHUGEODP_PYTHON=ON \
			-DHUGEODP_UNIT_TESTS=OFF \
			-DHUGEODP_KERNEL_SOURCE=/run/kernel
		cmake --build /run/build -j "$(nproc)"
		DESTDIR=/run/stage cmake --install /run/build
	'
}

# Sets STAGE (and ROOT) to the installed project, built first if needed
project_require() {
	local key
	root_require
	source_require
	key=$({
		echo "${ROOT##*/}"
		cat "$SOURCE/version"
		sed -n '/^project_build/,/^}/p' "$LAB_DIR/lib/project.sh"
		project_files | hash_files "$TOP_DIR"
	} | hash_text)
	STAGE=$CACHE_DIR/stage/$key
	cache_make --tree "$(project_tree)" "$STAGE" project 'building the project' \
		project_build "$(project_tree)" {}
}
