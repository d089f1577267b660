#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# UCX with its patch of clients/, which requests page sizes, on the machine's device.
#
# ok calls most functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

transfer() {
	port=$((port + 1))
	timeout -k 5 300 "$@" "$here/ucp-transfer" "$address" "$port" >"$dir/client" 2>&1
}

# put NAME SHARED BLOCKS VARIABLE...: a transfer with these settings and this many buffers that share an MR.
# The MRs for messages of UCX itself are pinned.
put() {
	local name="UCX, $1" shared=$2 blocks=$3 before
	shift 3
	rm -f "$dir"/{report,server,client}
	before=$(moved)
	ok "$name" transfer "${REPORT[@]}" "$@"
	# the buffers there and back are 2640 bytes short of 10 MiB
	ok "$name: by RDMA" test $(($(moved) - before)) -ge 9
	ok "$name: all bytes are right" both 2 "all bytes are right"
	ok "$name: $shared of the buffers in the memory region of another one" \
		both 2 "buffers in the memory region of another one: $shared"
	reported "$name: blocks as they should be, by the kernel's count" "$blocks"
}

transfers() {
	local three_in_2m="list(r['blocks_mapped']) == ['2M'] and r['blocks_mapped']['2M'] >= 3"
	# three huge pages; the first registration covers less of them, and is replaced
	put "UCX_IB_ODP_PAGE_SIZES='2M'" 1 "r['own_requests'] == r['upgraded']['2M'] == 2 and $three_in_2m" \
		UCX_IB_ODP_PAGE_SIZES=2M
	put "UCX_IB_ODP_PAGE_SIZES='2M|base'" 1 "r['upgraded'] == {'2M': 2} and $three_in_2m" \
		UCX_IB_ODP_PAGE_SIZES='2M|base'
	put "UCX_IB_ODP_PAGE_SIZES='base'" 0 \
		"r['own_requests'] == 2 and r['huge'] == 0 and list(r['blocks_mapped']) == ['4K']" \
		UCX_IB_ODP_PAGE_SIZES=base
	# each region has a second MR for what must be in order
	put "two MRs of each region" 1 "r['own_requests'] == r['upgraded']['2M'] == 4 and $three_in_2m" \
		UCX_IB_ODP_PAGE_SIZES=2M UCX_IB_PCI_RELAXED_ORDERING=on
	# the client moves its data through regions of UCX, which are pinned
	put "registrations that are not cached" 0 \
		"r['own_requests'] == r['upgraded']['2M'] == 2 and set(r['blocks_mapped']) <= {'2M'}" \
		UCX_IB_ODP_PAGE_SIZES=2M UCX_IB_REG_METHODS=direct UCX_RCACHE_ENABLE=n
	put "without a request" 0 "r['own_requests'] == 0 and list(r['blocks_mapped']) == ['4K']"

	rm -f "$dir"/{mr,report,client}
	transfer env UCX_IB_ODP_PAGE_SIZES=2M &
	CLIENT_PID=$! SERVER_PID=$!
	ok "UCX: blocks of 2M, seen from outside during a transfer" from_outside $((6 << 20))
}

# Memory without huge pages, or a kernel without requests
refusals() {
	local sentence='(supports no|cannot have a) page size of ODP_PAGE_SIZES'
	has_series && sentence='cannot have a page size of ODP_PAGE_SIZES: .+, at 0x'
	no_huge_pages
	rm -f "$dir"/{report,server,client}
	ok "UCX without huge pages: an error that says why" refused "$sentence" \
		transfer env UCX_IB_ODP_PAGE_SIZES=2M
	ok "UCX: a value that is not a page size" refused "'3M' is not a list of page sizes" \
		transfer env UCX_IB_ODP_PAGE_SIZES=3M
	# where on-demand paging of rxe copies the right bytes
	has_series || return 0
	ok "UCX without huge pages, base pages accepted" transfer env UCX_IB_ODP_PAGE_SIZES='2M|base'
	ok "UCX without huge pages: all bytes are right" both 2 "all bytes are right"
	ok "UCX without on-demand paging" transfer env UCX_IB_ODP_PAGE_SIZES=2M UCX_IB_ODP_MAX_SIZE=0
	ok "UCX without on-demand paging: a warning" grep -q 'ODP_PAGE_SIZES has no effect' "$dir/client"
}

export UCX_VFS_ENABLE=n UCX_WARN_UNUSED_ENV_VARS=n
# all data over RDMA, without copies; rdma_cm resolves the address to this device, TCP to its interface
export UCX_TLS=rc_verbs UCX_NET_DEVICES=$device:1 UCX_ZCOPY_THRESH=1
# the default of this release is no on-demand paging; and one MR for each region, as on most processors
export UCX_IB_ODP_MAX_SIZE=inf UCX_IB_PCI_RELAXED_ORDERING=off
# moved: MiB that went through the device
case $HUGEODP_DEVICE in
rxe)
	export UCX_IB_GID_INDEX=1
	moved() { echo $(($(cat "/sys/class/infiniband/$device/ports/1/hw_counters/sent_pkts") / 256)); }
	;;
mlx5)
	# with DevX, this release has no on-demand paging
	export UCX_IB_MLX5_DEVX=n
	moved() {
		"$here/mlx5-model-counters" bytes_sent bytes_written bytes_read |
			awk '{ n += $1 } END { print int(n / 2 ^ 20) }'
	}
	;;
esac
if has_series; then
	transfers
fi
refusals
tap_done
