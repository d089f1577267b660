# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Two rxe devices, one on each end of a veth pair wide enough for a path MTU of 4096.

rxe_active() {
	local state=''
	read -r state 2>/dev/null <"/sys/class/infiniband/$1/ports/1/state" || true
	[[ $state == *ACTIVE ]]
}

rxe_up() {
	load veth rdma_rxe rdma_ucm
	# no duplicate address detection, so that a GID is usable at once
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
	echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
	ip -batch - <<-'END'
		link add veth0 mtu 4500 type veth peer name veth1 mtu 4500
		address add 10.99.0.1/24 dev veth0
		address add 10.99.0.2/24 dev veth1
		link set veth0 up
		link set veth1 up
	END
	rdma link add rxe0 type rxe netdev veth0
	rdma link add rxe1 type rxe netdev veth1
	wait_for 120 rxe_active rxe0
	wait_for 120 rxe_active rxe1
}
