# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Helpers of scripts that run the hugeodp command, whose path is in hugeodp, after checks.sh.
# shellcheck disable=SC2154

# the command line that runs the command, if any
via=()
# exits STATUS ARGUMENT...: output to $dir/out and $dir/err
exits() {
	local want=$1 got=0
	shift
	"${via[@]}" "$hugeodp" "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
	check "hugeodp $*: exit status $want" [ "$got" = "$want" ]
}

said() { check "... says '$2'" grep -qF -- "$2" "$dir/$1"; }

json() { # expression of the parsed value "v"
	check "... JSON: $1" python3 -c '
import json, sys
v = json.load(open(sys.argv[1]))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' "$dir/out" "$1"
}
