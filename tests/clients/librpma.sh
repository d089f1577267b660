#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# librpma, which uses on-demand paging only where a plain registration fails: two processes that compare
# all bytes.
#
# ok calls the functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

transfer() {
	run_all both "$here/rpma-transfer" "$address" 7204 >"$dir/out" 2>&1
}

by_rdma librpma 12 transfer
ok "librpma: all bytes are right" grep -qx "all bytes are right" "$dir/out"
ok "librpma: all regions on demand, in both processes" all_on_demand "$dir/report.both" 2
# 8 MiB of the server, and twice 8 of the client
ok "librpma: blocks of 2M for all of the memory" json "$dir/report.both" \
	"sum(r['deregistered'] for r in v) >= 3 and sum(r['blocks_mapped'].get('2M', 0) for r in v) == 12"
show_reports
tap_done
