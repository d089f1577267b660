#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A SCSI target (tgt) and an initiator (QEMU's block driver with libiscsi), both over iSER in user space,
# which know nothing of on-demand paging. The target reads and writes the initiator's memory by RDMA.
#
# ok calls the functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

mib=16
target=iqn.2025-01.test.hugeodp:disk
# what QEMU calls itself; over iSER, tgt before 1.0.95 requires the name and the address to match
initiator_name=iqn.2008-11.org.linux-kvm
url=iser://$address/$target/1
# not in $dir, whose files ok prints
data=$(mktemp -d)

admin() { tgtadm --lld iser "$@"; }

target_up() {
	mkdir -p /run/tgtd
	# the pool of the RDMA buffers is shared memory of huge pages; a buffer is as long as one command of
	# qemu-img, as longer ones end the connection
	run_all target tgtd -f --iser pool_sz_mb=128,buf_sz_kb=2048 >"$dir/tgtd" 2>&1 &
	TARGET=$!
	alive_until "$TARGET" admin --mode system --op show >"$dir/system" 2>&1 || return
	truncate -s "${mib}M" "$data/disk"
	admin --mode target --op new --tid 1 --targetname "$target" &&
		admin --mode logicalunit --op new --tid 1 --lun 1 --backing-store "$data/disk" &&
		admin --mode target --op bind --tid 1 --initiator-address ALL &&
		admin --mode target --op bind --tid 1 --initiator-name "$initiator_name" &&
		alive_until "$TARGET" cm_listening 3260
}

target_down() {
	admin --mode target --op delete --force --tid 1 && admin --mode system --op delete && wait "$TARGET"
}

# image COMMAND ARGUMENT...: the initiator
image() { run_all initiator qemu-img "$@" >"$dir/out" 2>&1; }

# initiator WHAT: what it registered
initiator() {
	ok "tgt, $1: all regions of the initiator on demand" all_on_demand "$dir/report.initiator" 1
	ok "tgt, $1: blocks of 2M in the initiator's buffers" json "$dir/report.initiator" \
		"v[0]['blocks_mapped'].get('2M')"
	show_reports
	rm -f "$dir/report.initiator"
}

random_file "$data/file" "$mib"
ok "tgt: the target is up" target_up
by_rdma "tgt: a file is written through the initiator" "$mib" \
	image convert -n -f raw -O raw "$data/file" "$url"
ok "tgt: all bytes of it are in the target's file" cmp "$data/file" "$data/disk"
initiator written
random_file "$data/disk" "$mib"
by_rdma "tgt: other bytes are read through the initiator" "$mib" \
	image convert -f raw -O raw "$url" "$data/copy"
ok "tgt: all bytes are those of the target's file" cmp "$data/copy" "$data/disk"
initiator "read"
hugeodp mr --json -d "$device" >"$dir/mr" || true
ok "tgt: blocks of 2M in the target's pool" mapped_huge "$dir/mr" 1 $((64 << 20))
ok "tgt: the target ends" target_down
ok "tgt: all regions of the target on demand" all_on_demand "$dir/report.target" 1
show_reports
rm -rf "$data"
tap_done
