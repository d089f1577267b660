#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# UCX's own program for measurements, two ranks.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

# shellcheck disable=SC2317 # called by in_both_modes
both() {
	local mpi=(pml ob1 btl "self,sm,tcp" --)
	with_odp "ucx_perftest, get" 16 ranks "${mpi[@]}" ucx_perftest -t ucp_get -s 4194304 -n 4 -w 1
	with_odp "ucx_perftest, messages" 16 ranks "${mpi[@]}" \
		ucx_perftest -t tag_bw -s 4194304 -n 4 -w 1
}

ucx_settings
in_both_modes both
tap_done
