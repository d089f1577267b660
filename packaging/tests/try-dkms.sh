#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests the installed package hugeodp-dkms on the kernel that it built modules for, which has no RDMA
# module loaded. Writes TAP.
set -uo pipefail

release=$(uname -r)
source=$(echo /usr/src/hugeodp-*)
# shellcheck source-path=SCRIPTDIR source=check.sh
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

built() { grep -q '^hugeodp.*: installed' < <(dkms status -k "$release"); }

# from FOLDER MODULE...: check that modprobe loads the modules from FOLDER
from() {
	local folder=$1 module
	shift
	for module in "$@"; do
		[[ $(modinfo -k "$release" -F filename "$module") == */"$release/$folder/"* ]] || return 1
	done
}

loaded() {
	modprobe -a veth rdma_rxe ib_uverbs &&
		ip link add veth8 type veth peer name veth9 &&
		rdma link add dkms0 type rxe netdev veth8 &&
		[[ $(</sys/class/infiniband/dkms0/hugeodp_abi) == driver ]] &&
		rdma link delete dkms0 &&
		modprobe -r rdma_rxe hugeodp
}

removed() {
	dpkg --purge hugeodp-dkms && from kernel rdma_rxe mlx5_ib && ! modinfo -k "$release" hugeodp 2>&1 &&
		modprobe rdma_rxe && [[ ! -e /sys/module/hugeodp ]]
}

check "DKMS has built the modules" built
check "modprobe prefers them" from updates/dkms hugeodp rdma_rxe mlx5_ib
check "they load into the distribution's kernel, and unload" loaded
check "a kernel that is not installed is named" \
	refuses 'linux-headers-7.3.0-none' "$source/kernel/modules/dkms-build" 7.3.0-none /nowhere
check "headers of a kernel are needed" \
	refuses 'no headers' "$source/kernel/modules/build" / /nowhere / /tmp/out
check "removal leaves the distribution's modules" removed
checked
