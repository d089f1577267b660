#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# qperf, which knows nothing of on-demand paging: messages, RDMA and atomic operations. The program
# compares the results of the last two of these tests, no others.
#
# ok calls the functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

tests=(rc_bw rc_rdma_write_bw rc_rdma_read_bw ver_rc_fetch_add ver_rc_compare_swap)

# measure: meanwhile the MRs are listed, as the server is killed before it could deregister its own
measure() {
	local server client status=0
	run_all server qperf >"$dir/server" 2>&1 &
	server=$!
	alive_until "$server" listening 19765 || return
	# -cm1: connections by addresses, as rxe requires
	run_all client qperf "$address" -cm1 -m 4M -t 2 -to 60 "${tests[@]}" >"$dir/client" 2>&1 &
	client=$!
	while kill -0 "$client" 2>/dev/null; do
		hugeodp mr --json -d "$device" >>"$dir/mr" || true
	done
	wait "$client" || status=$?
	qperf "$address" quit >>"$dir/client" || status=$?
	wait "$server" || status=$?
	return "$status"
}

measured() { [[ $(grep -cE '^ +(bw|msg_rate) += +[0-9.]+ [a-zA-Z]+/sec$' "$dir/client") == "${#tests[@]}" ]]; }

by_rdma qperf 24 measure
ok "qperf: each test measured something" measured
sed 's/^/# /' "$dir/client"
ok "qperf: all regions of the client on demand" all_on_demand "$dir/report.client" 1
ok "qperf: all regions of the server on demand" all_on_demand "$dir/report.server" "${#tests[@]}"
ok "qperf: blocks of 2M in each buffer of the client" json "$dir/report.client" \
	"[r['huge'] for r in v] == [${#tests[@]}] and v[0]['blocks_mapped']['2M'] >= ${#tests[@]}"
# the other two have 8 bytes
ok "qperf: huge pages for the server's buffers for messages and RDMA" json "$dir/report.server" \
	"sum(r['huge'] for r in v) == 3"
ok "qperf: blocks of 2M, seen from outside while data flows, in both ends" \
	json "$dir/mr" "any(sum(m['length'] == 4 << 20 and m['kind'] == 'odp' and
		m['page_shift'] == 21 and m['odp_blocks_mapped'] > 0 for m in mrs) == 2 for mrs in v)"
show_reports
tap_done
