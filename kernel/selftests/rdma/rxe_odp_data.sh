#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# RDMA READ and WRITE between on-demand paging MRs of two rxe devices: the data of every byte.

# shellcheck source=/dev/null
source "$(dirname "$0")/rxe_odp_setup.sh"

trap odp_cleanup EXIT
odp_setup "$(dirname "$0")/rxe_odp_data"
"$(dirname "$0")/rxe_odp_data" "$ODP_DEV_A" "$ODP_DEV_B"
