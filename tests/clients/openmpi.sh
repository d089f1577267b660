#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Open MPI over UCX, two ranks that compare all bytes.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

# shellcheck disable=SC2317 # called by in_both_modes
transfer() {
	with_odp "Open MPI" 16 ranks pml ucx osc ucx -- "$here/mpi-transfer"
	ok "Open MPI, $MODE: all bytes are right" grep -qx "all bytes are right" "$dir/out"
}

ucx_settings
in_both_modes transfer
tap_done
