# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The mlx5 devices: the driver creates them without further commands.

mlx5_active() {
	local device vendor ports state found=''
	for device in /sys/bus/pci/devices/*; do
		read -r vendor <"$device/vendor"
		[[ $vendor == 0x15b3 ]] || continue
		found=1
		state=''
		ports=("$device"/infiniband/mlx5_*/ports/1)
		read -r state 2>/dev/null <"${ports[0]}/state" || true
		[[ $state == *ACTIVE ]] || return 1
	done
	[[ -n $found ]]
}

mlx5_up() {
	load mlx5_ib ib_ipoib rdma_ucm
	wait_for 300 mlx5_active
	export HUGEODP_LAB_DEVICE=mlx5_0
}
