#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Page size requests for on-demand paging MRs: what REG_MR, QUERY_MR, MR_MODIFY_ODP and
# QUERY_ODP_PAGES return for huge and for small pages.

# shellcheck source=/dev/null
source "$(dirname "$0")/rxe_odp_setup.sh"

ODP_POOL=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
ODP_POOL_WAS=$(cat "$ODP_POOL" 2>/dev/null)

cleanup() {
	odp_cleanup
	[ -z "$ODP_POOL_WAS" ] || echo "$ODP_POOL_WAS" >"$ODP_POOL"
}

trap cleanup EXIT
odp_setup "$(dirname "$0")/rxe_odp_page_size"
[ -n "$ODP_POOL_WAS" ] || odp_skip "needs huge pages of 2 MiB"
echo "$((ODP_POOL_WAS + 2))" >"$ODP_POOL"
"$(dirname "$0")/rxe_odp_page_size" "$ODP_DEV_A"
