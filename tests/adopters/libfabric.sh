#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The verbs provider of libfabric with its patch of clients/, which requests page sizes, on the machine's device.
#
# ok calls most functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

transfer() {
	port=$((port + 1))
	timeout -k 5 300 "$@" "$here/fi-transfer" "$address" "$port" >"$dir/client" 2>&1
}

# fabric SIZES SHARED BLOCKS: a transfer with this request, with this many buffers that share an MR
fabric() {
	local name="libfabric, FI_VERBS_ODP_PAGE_SIZES='$1'"
	rm -f "$dir"/{report,server,client}
	ok "$name" transfer "${REPORT[@]}" env FI_VERBS_ODP_PAGE_SIZES="$1"
	ok "$name: all bytes are right" both 2 "all bytes are right"
	ok "$name: $2 of the buffers in the memory region of another one" \
		both 2 "buffers in the memory region of another one: $2"
	reported "$name: blocks as they should be, by the kernel's count" "$3"
}

transfers() {
	# three huge pages; the first registration covers less of them, and is replaced
	fabric 2M 1 "r['own_requests'] == r['upgraded']['2M'] == 2 and list(r['blocks_mapped']) == ['2M'] and
		r['blocks_mapped']['2M'] >= 3"
	fabric '2M|base' 1 "r['upgraded'] == {'2M': 2} and list(r['blocks_mapped']) == ['2M']"
	fabric base 0 "r['own_requests'] == 2 and r['huge'] == 0 and list(r['blocks_mapped']) == ['4K']"

	rm -f "$dir"/{report,server,client}
	ok "libfabric, without a request" transfer "${REPORT[@]}"
	ok "libfabric, without a request: all bytes are right" both 2 "all bytes are right"
	reported "libfabric, without a request: base pages" \
		"r['own_requests'] == 0 and list(r['blocks_mapped']) == ['4K']"
}

# Memory without huge pages, or a kernel without requests
refusals() {
	local sentence='(supports no|cannot have a) page size of odp_page_sizes'
	has_series && sentence='cannot have a page size of odp_page_sizes: .+, at 0x'
	no_huge_pages
	rm -f "$dir"/{report,server,client}
	ok "libfabric without huge pages: an error that says why" refused "$sentence" \
		transfer env FI_VERBS_ODP_PAGE_SIZES=2M
	ok "libfabric: a value that is not a page size" refused 'Invalid value of odp_page_sizes' \
		transfer env FI_VERBS_ODP_PAGE_SIZES=3M
	# where on-demand paging of rxe copies the right bytes
	has_series || return 0
	ok "libfabric without huge pages, base pages accepted" \
		transfer env FI_VERBS_ODP_PAGE_SIZES='2M|base'
	ok "libfabric without huge pages: all bytes are right" both 2 "all bytes are right"
}

# warnings are off by default: refusals are among them
export FI_VERBS_USE_ODP=1 FI_MR_CACHE_MONITOR=memhooks FI_PROVIDER=verbs FI_LOG_LEVEL=warn
export FI_VERBS_IFACE=$interface
if has_series; then
	transfers
fi
refusals
tap_done
