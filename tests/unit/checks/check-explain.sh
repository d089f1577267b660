#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# hugeodp explain and advise of processes: blocks, obstacles, ranges, entries, changes.
# usage: check-explain.sh HUGEODP
set -euo pipefail

hugeodp=$1
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"
# shellcheck source-path=SCRIPTDIR source=tool.sh
source "$(dirname "$0")/tool.sh"

# A process with memory at addresses that are known, until it is killed.
start_holder() {
	: >"$dir/ready"
	python3 "$(dirname "$0")/../programs/memory.py" "$dir" >"$dir/ready" &
	holder=$!
	until grep -q ready "$dir/ready"; do kill -0 $holder; done
}

exits 0 explain --color always --min 4K $$
check "... colour where asked for" grep -q $'\033' "$dir/out"
exits 0 explain --min 4K $$
check "... none in a file" [ "$(tr -dc '\033' <"$dir/out")" = "" ]
exits 0 explain --json --min 4K --sizes "2M|4K" $$
json 'v["pid"] == '$$' and v["name"] == "check-explain.s"'
json 'len(v["mappings"]) > 5'
json 'all(m["page_shift"] in (0, 12, 21) for m in v["mappings"])'
json 'all(("reason" in m) == (m["page_shift"] < 21) for m in v["mappings"])'
json 'any(m["name"].endswith("bash") for m in v["mappings"])'
json 'v["bytes"] == sum(m["end"] - m["start"] for m in v["mappings"] if m["page_shift"])'
json 'v["no_access_bytes"] == sum(m["end"] - m["start"] for m in v["mappings"] if not m["page_shift"])'
json 'not any(m["page_shift"] for m in v["mappings"] if m["name"].startswith("[vvar"))'
json 'v["bytes"] == v["huge_bytes"] + v["could_bytes"] + v["base_bytes"]'
exits 0 explain $$ --json --min=4K
json 'v["left_out"] == 0 and len(v["mappings"]) > 5'
exits 0 explain $$ --min 8E
said out "shorter than 8E left out, see --min"

echo "# no process, no permission, a process that has ended"
exits 3 explain 99999999
said err "no process 99999999"
exits 3 explain --json $$ 99999999
json '[p["pid"] for p in v] == ['$$']'
# a zombie: its parent does not wait for it
python3 -c 'import os, signal, sys
pid = os.fork()
if not pid:
    os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
signal.pause()' >"$dir/zombie" &
parent=$!
until [ -s "$dir/zombie" ]; do kill -0 $parent; done
for command in explain advise; do
	exits 1 $command "$(<"$dir/zombie")"
	said err "No such process; the process has ended, or is a thread of the kernel"
done
kill $parent
wait $parent || true
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --clear-groups true 2>"$dir/err"; then
	via=(setpriv --reuid=65534 --clear-groups)
	for command in explain advise; do
		exits 1 $command $$
		said err "run it as root, by sudo, for processes of other users"
	done
	# as in a container
	via=(setpriv --bounding-set=-all)
	exits 1 explain $$
	said err "root needs CAP_SYS_PTRACE for processes of others"
	via=()
else
	echo "NOT CHECKED: processes of other users, without root"
fi

echo "# names"
start_holder
exits 0 explain --json $holder
json 'any(m["name"].endswith("/\u00e4\U0001f600") for m in v["mappings"])'
json 'any(m["name"].endswith("/\ufffd\ufffd\ufffdx\ufffd") for m in v["mappings"])'
json 'any(m["name"].endswith("/red\u001b[31m") for m in v["mappings"])'
for command in explain advise; do
	exits 0 $command --color never $holder
	check "a name does not control the terminal" [ "$(tr -dc '\033' <"$dir/out")" = "" ]
	said out "process $holder: na?[31m"
	said out "/red?[31m"
	LC_ALL=C.UTF-8 exits 0 $command --color never $holder
	check "... has the characters of the terminal" grep -q $'/\xc3\xa4' "$dir/out"
	LC_ALL=C exits 0 $command --color never $holder
	check "... and no others" [ "$(LC_ALL=C tr -dc '\200-\377' <"$dir/out")" = "" ]
done

echo "# totals"
exits 0 explain --json $holder
json 'v["no_access_bytes"] >= 64 << 30 and v["bytes"] < 4 << 30'
json 'sum(m["end"] - m["start"] for m in v["mappings"] if m["page_shift"]) == v["bytes"]'
json 'all(v[k] == sum(m.get(k, 0) for m in v["mappings"])
	for k in ("huge_bytes", "could_bytes", "base_bytes", "base_pages"))'
if [ -r /proc/self/numa_maps ]; then
	json 'v["nodes"] and all(n["base_pages"] * __import__("mmap").PAGESIZE == n["bytes"] for n in v["nodes"])'
	json 'sum(n["bytes"] for n in v["nodes"]) >= sum(m["rss"] for m in v["mappings"] if not m["name"])'
else
	echo "NOT CHECKED: NUMA nodes, which the kernel does not have"
fi

echo "# ranges"
hidden=10010000000-11010000000
exits 0 explain --json --range $hidden $holder
json 'v["bytes"] == 0 and v["no_access_bytes"] == 64 << 30 and v["unmapped_bytes"] == 0'
exits 0 explain --range 0x$hidden $holder
said out "65536 MiB not counted: memory that cannot be read"
exits 3 explain --range 1000-2000 $holder
said err "nothing is mapped from 0x1000 to 0x2000"
check "... prints nothing else" [ ! -s "$dir/out" ]
exits 3 advise --range 1000-2000 $holder
exits 0 explain --json --range 10000000000-10002000000 $holder
json 'v["bytes"] == v["unmapped_bytes"] == 16 << 20'

echo "# several processes"
exits 0 explain --min 4K $$ $holder
check "... both" [ "$(grep -c '^process ' "$dir/out")" = 2 ]
exits 0 explain --json $holder $$ $holder
json "[p['pid'] for p in v] == [$holder, $$, $holder]"
exits 0 advise --json $holder $$
json "[p['pid'] for p in v] == [$holder, $$]"

echo "# tables"
exits 0 explain --color never $holder
check "... with a headline" \
	grep -q "^ADDRESS  *SIZE  *RSS  *HUGE  *COULD  *BASE  *PAGE  *NAME$" "$dir/out"
check "... no blanks at the end of a line" [ "$(grep -c ' $' "$dir/out")" = 0 ]
check "... within 80 columns but for names" \
	[ "$(grep -E '^[0-9a-f]+-' "$dir/out" | grep -cE '^[^/]{81}')" = 0 ]
said out " 64G "
exits 0 explain --noheadings --output name,Size $holder
check "... no headings" [ "$(grep -c ADDRESS "$dir/out")" = 0 ]
exits 0 explain --output size,name $holder
check "... two columns" grep -q "^ *SIZE NAME$" "$dir/out"
exits 0 advise --noheadings --output change $holder
check "... no headings" [ "$(grep -c CHANGE "$dir/out")" = 0 ]

thp=/sys/kernel/mm/transparent_hugepage
if [ "$(cat $thp/hpage_pmd_size 2>/dev/null)" != 2097152 ] || grep -q '\[never\]' $thp/enabled; then
	echo "NOT CHECKED: blocks, without transparent huge pages of 2 MiB"
	kill $holder
	wait $holder || true
	exit "$failed"
fi

of() { # COMMAND OFFSET_MIB LENGTH_MIB OPTION...: of a part of the memory, as JSON
	local command=$1 from=$2 length=$3
	shift 3
	exits 0 "$command" --json "$@" --range "$(printf '%x-%x' \
		$(((1 << 40) + (from << 20))) $(((1 << 40) + ((from + length) << 20))))" $holder
}

echo "# blocks"
of explain 0 16
# where memory is scarce, the first two blocks have small pages
json 'v["huge_bytes"] == v["mappings"][0]["thp_bytes"] == v["blocks"][0]["now"] << 21'
json 'v["blocks"][0]["could"] == 6 and v["could_bytes"] == 12 << 20'
json 'v["base_bytes"] == (4 << 20) - v["huge_bytes"]'
json 'v["obstacle_count"] == (0 if v["blocks"][0]["now"] == 2 else 1)'
of explain 32 16
json 'v["base_pages"] == 4096 and v["obstacle_count"] == 3'
json '[(o["reason"], o["blocks"]) for o in v["obstacles"]] ==
	[("MADV_NOHUGEPAGE", 2), ("memory of smaller pages", 1), ("MADV_NOHUGEPAGE", 5)]'
json '[o["obstacle_address"] - (1 << 40) >> 20 for o in v["obstacles"]] == [32, 36, 38]'
json '[o["change"] for o in v["obstacles"]] == [
	"madvise((void *)0x10002000000, 0x400000, MADV_HUGEPAGE)",
	"madvise((void *)0x10002400000, 0x200000, MADV_HUGEPAGE), then " +
	"madvise((void *)0x10002400000, 0x200000, MADV_COLLAPSE)",
	"madvise((void *)0x10002600000, 0xa00000, MADV_HUGEPAGE)"]'
of explain 97 6
json 'v["could_bytes"] == 4 << 20 and v["base_bytes"] == 2 << 20'
json '[o["reason"] for o in v["obstacles"]] == ["unaligned start", "unaligned end"]'
json 'all(o["change"] == "allocate it by aligned_alloc(0x200000, 0x600000)" for o in v["obstacles"])'
of explain 128 8
json 'v["could_bytes"] == 4 << 20 and v["base_pages"] == 1024'
json '[o["change"] for o in v["obstacles"]] == [
	"madvise((void *)0x10008200000, 0x200000, MADV_COLLAPSE)",
	"madvise((void *)0x10008600000, 0x200000, MADV_COLLAPSE)"]'
of explain 160 48
json 'v["obstacle_count"] == 12 and len(v["obstacles"]) == 10'
json '[o["start"] - (1 << 40) >> 20 for o in v["obstacles"]] == list(range(160, 200, 4))'
exits 0 explain --range 1000a000000-1000d000000 $holder
said out "obstacles, the first 10 of 12:"
said out "  2M: 0 blocks now, 12 could be"
check "... ten of them" [ "$(grep -c '    madvise((void \*)0x' "$dir/out")" = 10 ]
# larger blocks first, and what is in the way of smaller ones inside
large=$((66 << 10))
of explain $large 1024 --sizes "1G|2M|base"
json '[(o["blocked_shift"], o["blocks"]) for o in v["obstacles"]] == [(30, 1), (21, 1)]'
json '[(b["page_shift"], b["could"]) for b in v["blocks"]] == [(30, 0), (21, 511)]'
# a range from within a block to within another
of explain 129 4
json 'v["bytes"] == 4 << 20 and v["could_bytes"] == 2 << 20 and v["blocks"][0]["could"] == 2'
json 'v["base_bytes"] == 2 << 20 and v["obstacles"][0]["start"] == 0x10008200000'

echo "# entries"
of explain 160 2 --pinned
json 'v["pinned"]["entries"] == v["mappings"][0]["entries"] == 512'
json '{w["page_shift"]: w["entries"] for w in v["pinned"]["with"]} == {12: 512, 21: 1, 30: 1}'
json '"allowed" not in v["pinned"]'
of explain 162 2 --pinned
json 'v["pinned"]["entries"] == 1'
of explain 160 4 --entries 513
json 'v["pinned"]["entries"] == v["pinned"]["allowed"] == 513 and v["pinned"]["fits"] is True'
exits 4 explain --json --entries 512 --range 1000a000000-1000a400000 $holder
json 'v["pinned"]["fits"] is False'
exits 4 explain --entries 512 --range 1000a000000-1000a400000 $holder
said out "entries: 513 of 512, which are too many; 2 in pages of 2M would fit"
said out "entries of pinned MRs: 513; with pages of 4K 1024, of 2M 2, of 1G 2"
exits 0 explain --entries 513 --range 1000a000000-1000a400000 $holder
said out "entries: 513 of 513, which fit"
check "... a column" grep -q "PAGE  *ENTRIES NAME" "$dir/out"
# the tables of a device are for all processes together
exits 4 explain --entries 513 --range 1000a000000-1000a400000 $holder $holder
said out "entries: 1026 of 513"

echo "# advise"
of advise 32 16
json 'v["entries"] == 4096 and v["table_bytes"] == 32768'
json 'v["entries_after"] == 8 and v["table_bytes_after"] == 64'
json '[(c["blocks"], c["entries"], c["faults"], c["table_bytes"]) for c in v["changes"]] ==
	[(7, 3577, 3577, 28616), (1, 511, 511, 4088)]'
json 'v["changes"][0]["change"] == "madvise((void *)0x10002000000, 0x1000000, MADV_HUGEPAGE)"'
of advise 97 6
json '[(c["change"], c["entries"]) for c in v["changes"]] ==
	[("allocate it by aligned_alloc(0x200000, 0x600000)", 511)]'
of advise 162 2
json 'v["changes"] == [] and v["entries"] == v["entries_after"] == 1'
exits 0 advise --range 1000a200000-1000a400000 $holder
said out "now 1 entries and faults, 8 bytes of tables; nothing to change"
of advise 64 8
if grep -q '\[madvise\]' $thp/enabled; then
	json 'v["changes"][0]["change"] == "madvise((void *)0x10004000000, 0x800000, MADV_HUGEPAGE)"'
	exits 0 advise --range 10004000000-10004800000 $holder
	said out "now 2048 entries and faults, 16384 bytes of tables; with all changes 4 and 32 bytes"
	said out "without a change of the program: echo always >$thp/"
fi
of advise $large 1024 --sizes "1G|2M|base"
json '[(c["page_shift"], c["entries"], c["alternative"]) for c in v["changes"]] ==
	[(30, 1022, False), (21, 511, True)]'
json 'v["entries"] == 1023 and v["entries_after"] == 1'
json 'v["changes"][0]["change"] == "mmap() it with MAP_HUGETLB | 30 << MAP_HUGE_SHIFT"'
pool=/sys/kernel/mm/hugepages/hugepages-1048576kB
if [ -d $pool ]; then
	json '[(p["page_size"], p["needed"]) for p in v["hugetlb"]] == [(1 << 30, 1)]'
	if [ "$(<$pool/free_hugepages)" = 0 ]; then
		json "v['hugetlb'][0]['change'] == 'echo $(($(<$pool/nr_hugepages) + 1)) >$pool/nr_hugepages'"
	fi
else
	echo "NOT CHECKED: the pool of 1 GiB, which the machine does not have"
fi
# nothing that can be registered
of advise 256 1024
json 'v["changes"] == [] and v["entries"] == 0'
kill $holder
wait $holder || true
exit "$failed"
