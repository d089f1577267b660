# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# TAP for the lab's own tests. LAB is the lab to test.

LAB=${LAB:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)/lab}
TAP_COUNT=0
TAP_DIR=$(mktemp -d)
trap 'rm -rf -- "$TAP_DIR"' EXIT

# ok NAME COMMAND...: passed if the command succeeds
ok() {
	local name=$1
	shift
	TAP_COUNT=$((TAP_COUNT + 1))
	if "$@"; then
		echo "ok $TAP_COUNT - $name"
	else
		echo "not ok $TAP_COUNT - $name"
	fi
}

# is NAME GOT WANTED
is() {
	ok "$1" test "$2" = "$3"
	[[ $2 == "$3" ]] || printf '# got:    %q\n# wanted: %q\n' "$2" "$3"
}

# lab ARG...: runs the lab; sets STATUS, OUT and ERR
lab() {
	STATUS=0
	"$LAB" "$@" >"$TAP_DIR/out" 2>"$TAP_DIR/err" || STATUS=$?
	OUT=$(tr -d "\0" <"$TAP_DIR/out")
	ERR=$(cat "$TAP_DIR/err")
}

done_testing() { echo "1..$TAP_COUNT"; }
