#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# hugeodp run and programs with a libibverbs of their own: each program gets the copy that it gets
# without the command, and its registrations are seen. The copies here need no device.
# usage: check-shim.sh HUGEODP INCLUDE_DIR CC
set -euo pipefail

hugeodp=$1 include=$2 cc=$3
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"

fake_libibverbs "$dir/a" one -Wl,-soname,libibverbs.so.1
fake_libibverbs "$dir/b" two

# linked, linked by another library, loaded by dlopen(3)
build "$dir/linked" program.c -L"$dir/a" -Wl,-rpath,"$dir/a" -l:libibverbs.so.1
build "$dir/libmiddle.so" -shared -fPIC -DPLUGIN program.c -L"$dir/a" -Wl,-rpath,"$dir/a" \
	-l:libibverbs.so.1
build "$dir/middle" -DMIDDLE main.c -L"$dir" -Wl,-rpath,"$dir" -lmiddle
build "$dir/opens" -DOPENS main.c -Wl,-rpath,"$dir"
# a second copy in the same process: linked by its path, as it has no name to compare
build "$dir/libother.so" -shared -fPIC -DPLUGIN program.c "$dir/b/libibverbs.so.1"

same() { # WHAT COMMAND...: the same output and status with and without the command
	local what=$1 plain=0 status=0
	shift
	"$@" >"$dir/plain" 2>&1 || plain=$?
	"$hugeodp" run --json --report="$dir/report" -- "$@" >"$dir/out" 2>&1 || status=$?
	check "$what: the same status" [ "$plain:$status" = 0:0 ]
	check "$what: the same output" diff "$dir/plain" "$dir/out"
}

# registrations NUMBER: of all processes in the report
registrations() {
	check "... $1 registrations in the report" python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(sum(line["registrations"] for line in lines) != int(sys.argv[2]))' "$dir/report" "$1"
	rm -f "$dir/report"
}

same "linked" "$dir/linked"
registrations 2
same "linked by a library" "$dir/middle"
check "... with its own copy" grep -q "one: new function" "$dir/out"
registrations 2
same "loaded by dlopen" "$dir/opens" libmiddle.so
check "... with its own copy" grep -q "one: new function" "$dir/out"
registrations 2
same "two copies" "$dir/opens" libmiddle.so "$dir/libother.so" libmiddle.so
check "... of both" [ "$(grep -c 'two: reg' "$dir/out"):$(grep -c 'one: reg' "$dir/out")" = 2:4 ]
registrations 6
same "unloaded and loaded again" "$dir/opens" libmiddle.so - "$dir/libother.so" - libmiddle.so
registrations 6

echo "# functions that are looked up on a handle"
build "$dir/handle" -DLIBRARY='"libibverbs.so.1"' program.c -Wl,-rpath,"$dir/a"
for copy in a b; do
	build "$dir/libhandle-$copy.so" -shared -fPIC -DPLUGIN -DLIBRARY="\"$dir/$copy/libibverbs.so.1\"" \
		program.c
done
# on other architectures they are not seen
reached() { if [ "$(uname -m)" = x86_64 ]; then echo "$1"; else echo "$2"; fi; }
same "by a program" "$dir/handle"
check "... the first interface, too" grep -qx "one: first interface" "$dir/out"
registrations "$(reached 2 0)"
same "by two libraries, of two copies" "$dir/opens" "$dir/libhandle-a.so" "$dir/libhandle-b.so" \
	"$dir/libhandle-a.so"
check "... both" [ "$(grep -c 'two: reg' "$dir/out"):$(grep -c 'one: reg' "$dir/out")" = 2:4 ]
registrations "$(reached 6 0)"
same "... unloaded and loaded again" "$dir/opens" "$dir/libhandle-b.so" - "$dir/libhandle-a.so" - \
	"$dir/libhandle-b.so" libmiddle.so
registrations "$(reached 8 2)"
for i in 2 1; do
	build "$dir/libnext$i.so" -shared -fPIC -DNEXT=$i main.c
done
build "$dir/next" -DNEXT=0 -rdynamic main.c -L"$dir" -Wl,-rpath,"$dir" -Wl,--no-as-needed -lnext1 -lnext2
same "lookups of the next function" "$dir/next"
check "... in the order of the objects" [ "$(tr '\n' ' ' <"$dir/out")" = "0 1 2 0 1 2 " ]
rm -f "$dir/report"

"$hugeodp" run cat /proc/self/maps >"$dir/out"
check "a program without libibverbs has the module" grep -q libhugeodp-preload "$dir/out"
check "... and nothing that it depends on" [ "$(grep -cE 'libibverbs|libnl' "$dir/out")" = 0 ]
exit "$failed"
