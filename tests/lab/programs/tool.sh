#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The hugeodp command on a machine with devices and huge pages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"

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
hugeodp explain "$pid" >"$dir/out"
ok "explain, text" grep -q 'MADV_NOHUGEPAGE\|unaligned' "$dir/out"

hugeodp mr --json -d "$device" >"$dir/mr"
ok "mr: the MR of a process" json "$dir/mr" \
	"any(m.get('pid') == $pid and m['length'] == 12345678 for m in v[0])"
ok "mr: its key, for root" json "$dir/mr" \
	"[m for m in v[0] if m.get('pid') == $pid and 'lkey' in m]"
if ! has_series; then
	ok "mr: no page size where the driver reports none" json "$dir/mr" \
		"not any('odp_page_shift' in m for m in v[0])"
else
	ok "mr: page size and counters" json "$dir/mr" \
		"[m for m in v[0] if m.get('pid') == $pid and m['odp_page_shift'] == 12 and
		  {'odp_table_bytes', 'odp_blocks_mapped', 'odp_faults', 'odp_invalidated'} <= m.keys()]"
fi
hugeodp mr >"$dir/out" 2>&1
ok "mr, text" grep -q "12345678 .* $pid python3" "$dir/out"

# without rights, each missing permission or file has its own message and status
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
refused() { # STATUS WORDS COMMAND...
	local want=$1 words=$2 got=0
	shift 2
	"$@" >"$dir/refused" 2>&1 || got=$?
	[[ $got == "$want" ]] && grep -qF -- "$words" "$dir/refused"
}
ok "explain: another user's process" \
	refused 1 "Permission denied; root" "${nobody[@]}" hugeodp explain "$pid"
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
