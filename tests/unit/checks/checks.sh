# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Helpers of the check-*.sh scripts, which read failed; and of those that run programs under "hugeodp
# run", which set include and cc: a copy of libibverbs that needs no device, and programs that use it.
# shellcheck disable=SC2034,SC2154

dir=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$dir"' EXIT
failed=0

check() { # WHAT CONDITION...
	local what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "not ok: $what"
		failed=1
	fi
}

# build OUTPUT ARGUMENT...: compile a program below programs/
build() {
	local output=$1
	shift
	(cd "$(dirname "${BASH_SOURCE[0]}")/../programs" &&
		"$cc" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$include" -o "$output" "$@")
}

# fake_libibverbs DIRECTORY NAME OPTION...: a copy that prints NAME in each call
fake_libibverbs() {
	local to=$1 name=$2
	shift 2
	mkdir -p "$to"
	build "$to/libibverbs.so.1" -shared -fPIC -DCOPY="\"$name\"" libibverbs.c \
		-Wl,--version-script=libibverbs.map "$@"
}
