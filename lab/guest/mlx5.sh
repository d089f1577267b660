# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The mlx5 device: the driver is part of the kernel and brings it up by itself.

mlx5_active() {
	local state=''
	read -r state 2>/dev/null </sys/class/infiniband/mlx5_0/ports/1/state || true
	[[ $state == *ACTIVE ]]
}

mlx5_up() {
	wait_for 60 mlx5_active
	export HUGEODP_LAB_DEVICE=mlx5_0
}
