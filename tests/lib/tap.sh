# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Test Anything Protocol for the tests that are shell scripts.

TAP_N=0 TAP_FAILED=0

# True if the kernel answers page size requests; "stock" ends the names of those that do not
has_series() { [[ ${HUGEODP_KERNEL-} != *stock ]]; }

# ok NAME COMMAND...: a test point, passed if the command succeeds; else prints the files in $dir
ok() {
	local name=$1
	shift
	TAP_N=$((TAP_N + 1))
	if "$@"; then
		echo "ok $TAP_N - $name"
	else
		echo "not ok $TAP_N - $name"
		TAP_FAILED=1
		show
	fi
}

show() {
	local file
	for file in "${dir:?}"/*; do
		[[ -f $file ]] || continue
		echo "# ${file##*/}:"
		tail -c 1500 "$file" | sed 's/^/#   /'
	done
}

# json FILE EXPRESSION: evaluates it with the parsed values "v", one for each line of the file
json() {
	python3 -c '
import json, sys
v = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(0 if eval(sys.argv[2]) else 1)' "$1" "$2" 2>/dev/null
}

# until_true COMMAND...: waits until another process has made it true
until_true() {
	local end=$((SECONDS + 300))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done 2>/dev/null
}

tap_done() {
	echo "1..$TAP_N"
	exit "$TAP_FAILED"
}
