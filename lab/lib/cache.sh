# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The cache: entries, which never change once they have their name, and trees, which one build after the other
# changes.

# cache_use DIR: record the use; true if it exists
cache_use() { [[ -d $1 ]] && touch -c "$1"; }

# cache_add DIR: add $RUN_DIR/new, which is complete, to the cache. What is there has to be on the disk: after
# a power cut, an entry with empty files would be used as if it were complete.
cache_add() {
	mkdir -p "$(dirname "$1")"
	sync --file-system "$RUN_DIR/new"
	mv -T "$RUN_DIR/new" "$1"
	cache_collect "$(dirname "$1")"
}

# tree_open DIR: begin to use a directory that one build after the other changes, until tree_close DIR. If the
# host went down in between, files there may be without their content, and newer than what they are made of.
tree_open() {
	local mark=$1.in-use
	if [[ -e $mark ]] && ! cmp -s "$mark" "$BOOT_ID"; then
		say "the host restarted during a build in $1, which starts from scratch"
		rm -rf -- "$1"
	fi
	mkdir -p "$1"
	cp "$BOOT_ID" "$mark"
}

tree_close() {
	sync --file-system "$1"
	rm -f -- "$1.in-use"
}

# cache_make [--tree DIR] ENTRY LOCK TEXT COMMAND...: record the use of ENTRY, a directory of the cache, which
# the step COMMAND makes first if needed, under the lock LOCK; an argument {} of the command is the directory
# to make. With --tree, that directory is kept for the next build.
cache_make() {
	local tree='' entry name text word command=()
	if [[ $1 == --tree ]]; then
		tree=$2
		shift 2
	fi
	entry=$1 name=$2 text=$3
	shift 3
	cache_use "$entry" && return 0
	host_require
	lock "$name"
	if [[ ! -d $entry ]]; then
		run_dir_create
		for word; do
			[[ $word != '{}' ]] || word=$RUN_DIR/new
			command+=("$word")
		done
		[[ -z $tree ]] || tree_open "$tree"
		step "$text" "${command[@]}"
		cache_add "$entry"
		[[ -z $tree ]] || tree_close "$tree"
	fi
	unlock "$name"
}

# cache_collect DIR: remove what was not used for two days; the trees of kernels that were not
# built for two weeks, results of KVM trials of that age, and the project's trees of roots that
# are gone
cache_collect() {
	local dir
	find "$1" -mindepth 1 -maxdepth 1 -mmin +2880 -exec rm -rf -- {} +
	for dir in "$CACHE_DIR"/{kernel,kvm}; do
		[[ ! -d $dir ]] ||
			find "$dir" -mindepth 1 -maxdepth 1 -mmin +20160 -exec rm -rf -- {} +
	done
	for dir in "$CACHE_DIR"/project/*; do
		[[ ! -d $dir || -d $CACHE_DIR/root/${dir##*/} ]] || rm -rf -- "$dir" "$dir.in-use"
	done
}
