#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The hugeodp command on a machine with devices and huge pages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"

not() { ! "$@"; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
source=kernel
has_series || source=library

status=0
hugeodp check --json >"$dir/check" || status=$?
if ! has_series; then
	# rxe has base pages only; mlx5 has the flag for memory of the pool
	ok "check: the kernel limits it" json "$dir/check" \
		"(v[0]['verdict'] in ('no', 'limited') and 'kernel' in v[0]['advice'] and
		 $status == (3 if v[0]['verdict'] == 'no' else 0))"
else
	ok "check: yes, and no advice" json "$dir/check" \
		"(v[0]['verdict'] == 'yes' and 'by the kernel' in v[0]['reason'] and
		 'advice' not in v[0] and $status == 0)"
fi

hugeodp info --json >"$dir/info"
ok "info: both devices" json "$dir/info" 'len(v[0]["devices"]) >= 2 or v[0]["devices"]'
ok "info: on-demand paging, answered by the $source" json "$dir/info" \
	"all(d['odp'] and d['source'] == '$source' and 4096 in d['page_sizes'] for d in v[0]['devices'])"
ok "info: the pool of huge pages" json "$dir/info" \
	'any(p["page_size"] == 2 << 20 and p["pages"] >= 256 for p in v[0]["system"]["hugetlb"])'
device=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["devices"][0]["name"])' <"$dir/info")
hugeodp info >"$dir/out"
ok "info, text" grep -q "^$device" "$dir/out"
mark=/sys/class/infiniband/$device/hugeodp_abi side=none
[[ ! -e $mark ]] || case $(<"$mark") in
	core) side=series ;;
	driver) side=modules ;;
esac
ok "info: the kernel side is $side, by the mark of the device" json "$dir/info" \
	"v[0]['devices'][0]['kernel_side'] == '$side'"
ok "... in the text, too" grep -q "^  kernel side  *$side\$" "$dir/out"
ok "info: the kernel answers if it is ours" json "$dir/info" \
	"all((d['kernel_side'] == 'none') == (d['source'] == 'library') for d in v[0]['devices'])"
ok "info of one device" json <(hugeodp info --json -d "$device") 'len(v[0]["devices"]) == 1'

# a process with memory of two kinds and an MR over one, held until the file "go" exists
mkfifo "$dir/go"
python3 - "$device" "$dir/go" >"$dir/ready" <<'PROGRAM' &
import mmap, sys
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD

LOCAL_WRITE, ON_DEMAND = 1 << 0, 1 << 6

def memory(flags):
    return mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | flags)

hugetlb, plain = memory(0x40000), memory(0)
plain.madvise(mmap.MADV_NOHUGEPAGE)
with Context(name=sys.argv[1]) as context, PD(context) as pd:
    with MR(pd, 12345678, LOCAL_WRITE | ON_DEMAND) as mr:
        print("ready", flush=True)
        open(sys.argv[2]).read()
PROGRAM
pid=$!
until grep -q ready "$dir/ready"; do kill -0 $pid; done
hugeodp explain --json "$pid" >"$dir/explain"
ok "explain: hugetlb memory could have huge pages" json "$dir/explain" \
	'any(m["page_shift"] == 21 and "hugepage" in m["name"] for m in v[0]["mappings"])'
ok "explain: other memory can not, and why" json "$dir/explain" \
	'any(m.get("reason") in ("MADV_NOHUGEPAGE", "unaligned start") for m in v[0]["mappings"])'
ok "explain: blocks of the hugetlb pool" json "$dir/explain" \
	'any(b["page_shift"] == 21 and b["now"] + b["could"] == 8 for m in v[0]["mappings"]
	     if "hugepage" in m["name"] for b in m["blocks"])'
hugeodp explain --min 16M "$pid" >"$dir/out"
ok "explain, text" grep -q 'MADV_NOHUGEPAGE\|unaligned' "$dir/out"

hugeodp mr --json -d "$device" >"$dir/mr"
ok "mr: the MR of a process" json "$dir/mr" \
	"any(m.get('pid') == $pid and m['length'] == 12345678 for m in v[0])"
ok "mr: its key, for root" json "$dir/mr" \
	"[m for m in v[0] if m.get('pid') == $pid and 'lkey' in m]"
if ! has_series; then
	ok "mr: no page size where the driver reports none" json "$dir/mr" \
		"not any('page_shift' in m or 'entries' in m for m in v[0])"
else
	ok "mr: page size and counters" json "$dir/mr" \
		"[m for m in v[0] if m.get('pid') == $pid and m['kind'] == 'odp' and
		  m['page_shift'] == 12 and {'entries', 'device_bytes', 'odp_table_bytes',
		  'odp_blocks_mapped', 'odp_faults', 'odp_invalidated'} <= m.keys()]"
fi
hugeodp mr >"$dir/out" 2>&1
ok "mr, text" grep -q "12345678 .* $pid python3" "$dir/out"
ok "mr, text: the last line is a whole one" [ -z "$(tail -c 1 "$dir/out")" ]

ok "mr: of this process only" json <(hugeodp mr --json --pid $pid) \
	"v[0] and all(m['pid'] == $pid for m in v[0])"
ok "mr: of a process without any" json <(hugeodp mr --json --pid 1) "v[0] == []"
hugeodp mr --json --processes >"$dir/processes"
ok "mr: sums of the process" json "$dir/processes" \
	"[p for p in v[0] if p.get('pid') == $pid and p['name'] == 'python3' and p['regions'] == 1 and
	  p['length'] == 12345678 and p['base_pages'] == 3015 and p['huge_pages'] == 6]"
ok "mr: each process once" json "$dir/processes" \
	"len({p.get('pid', p.get('kernel')) for p in v[0]}) == len(v[0])"
ok "mr: the sums are those of the regions" python3 - "$dir/mr" "$dir/processes" <<'PROGRAM'
import json, sys
mrs, processes = (json.load(open(name)) for name in sys.argv[1:])
for p in processes:
    own = [m for m in mrs if m.get("pid") == p.get("pid") and m.get("kernel") == p.get("kernel")]
    assert p["regions"] == len(own) and p["length"] == sum(m["length"] for m in own), p
    for key in "entries", "device_bytes", "odp_blocks_mapped", "odp_table_bytes":
        assert p.get(key, 0) == sum(m.get(key, 0) for m in own), (key, p)
assert sum(p["regions"] for p in processes) == len(mrs)
PROGRAM
hugeodp mr --processes --noheadings >"$dir/out"
ok "mr: sums, text" grep -q "^ *1 *12345678 *3015 *6 .* $pid python3" "$dir/out"
ok "mr: no headings" not grep -q OWNER "$dir/out"
hugeodp mr --json --sort bytes >"$dir/out"
ok "mr: sorted" json "$dir/out" \
	'[m["length"] for m in v[0]] == sorted((m["length"] for m in v[0]), reverse=True)'
hugeodp mr --openmetrics >"$dir/out"
ok "mr: metrics" grep -qx "hugeodp_region_bytes{pid=\"$pid\",name=\"python3\"} 12345678" "$dir/out"
ok "mr: the end of the metrics" [ "$(tail -n 1 "$dir/out")" = "# EOF" ]
ok "mr: every line is one of OpenMetrics" not grep -qvE \
	'^(# (TYPE|HELP) hugeodp_[a-z_]+ .+|# EOF|hugeodp_[a-z_]+\{pid="[0-9]*",name="[^"]*"\} [0-9]+)$' "$dir/out"
hugeodp mr --watch=1 --json --pid $pid >"$dir/out" &
watcher=$!
until [[ $(wc -l <"$dir/out") -ge 3 ]]; do kill -0 $watcher; done
# an asynchronous command of a script ignores SIGINT
kill $watcher
got=0
wait $watcher || got=$?
ok "mr: repeated until it is ended" [ "$got" = 143 ]
ok "mr: one line each time" json "$dir/out" \
	"len(v) >= 3 and all(len(list) == 1 and list[0]['length'] == 12345678 for list in v)"

# without rights, each missing permission or file has its own message and status
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
refused() { # STATUS WORDS COMMAND...
	local want=$1 words=$2 got=0
	shift 2
	"$@" >"$dir/refused" 2>&1 || got=$?
	[[ $got == "$want" ]] && grep -qF -- "$words" "$dir/refused"
}
ok "explain: another user's process" \
	refused 1 "Permission denied; run it as root" "${nobody[@]}" hugeodp explain "$pid"
modes=$(stat -c '%a %n' /dev/infiniband/uverbs*)
chmod 600 /dev/infiniband/uverbs*
ok "info: a device that may not be opened" \
	refused 1 "cannot be opened: Permission denied" "${nobody[@]}" hugeodp info
while read -r mode name; do
	chmod "$mode" "$name"
done <<<"$modes"
ok "info: a device that may be opened" refused 0 "$device" "${nobody[@]}" hugeodp info
ok "info: no file for the device" refused 3 "the kernel has $device, but libibverbs does not" \
	unshare -m bash -c "mount -t tmpfs none /dev/infiniband && hugeodp info -d $device"
ok "explain: no /proc" refused 1 "/proc is not mounted" \
	unshare -m bash -c "umount -l /proc && hugeodp explain $pid"
ok "info: no /sys" refused 0 "not known: no /sys/kernel/mm here" \
	unshare -m bash -c "umount -l /sys && hugeodp info"
echo >"$dir/go"
wait $pid
hugeodp mr --json -d "$device" >"$dir/mr"
ok "mr: gone with the process" json "$dir/mr" "not any(m.get('pid') == $pid for m in v[0])"
tap_done
