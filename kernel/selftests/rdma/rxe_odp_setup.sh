#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Two rxe devices, each on one end of a veth pair in a network namespace of its own. To be sourced;
# the caller's trap calls odp_cleanup.

# shellcheck source=/dev/null
source "$(dirname "$0")/../kselftest/ktap_helpers.sh"

ODP_NS_A="odp-a-$$"
ODP_NS_B="odp-b-$$"
ODP_VETH_A="odpa$$"
ODP_VETH_B="odpb$$"
ODP_DEV_A="odp_a_$$"
ODP_DEV_B="odp_b_$$"

odp_skip() {
	ktap_print_header
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

odp_cleanup() {
	rdma link del "$ODP_DEV_A" 2>/dev/null
	rdma link del "$ODP_DEV_B" 2>/dev/null
	ip netns del "$ODP_NS_A" 2>/dev/null
	ip netns del "$ODP_NS_B" 2>/dev/null
}

# odp_wait SECONDS COMMAND...: wait until it succeeds
odp_wait() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

odp_active() { rdma link show "$1/1" 2>/dev/null | grep -q 'state ACTIVE'; }

# odp_up NAMESPACE VETH ADDRESS DEVICE
odp_up() {
	ip -n "$1" link set lo up &&
		ip -n "$1" address add "$3" dev "$2" &&
		ip -n "$1" link set "$2" up &&
		ip netns exec "$1" rdma link add "$4" type rxe netdev "$2"
}

# odp_setup PROGRAM: skips the test if something is missing
odp_setup() {
	[ "$(id -u)" = 0 ] || odp_skip "needs root"
	[ -x "$1" ] || odp_skip "$1 is not built (needs libibverbs)"
	command -v rdma >/dev/null || odp_skip "needs rdma of iproute2"
	modprobe -q rdma_rxe
	modprobe -q veth
	rdma system show 2>/dev/null | grep -q 'netns shared' ||
		odp_skip "needs RDMA devices that all network namespaces share"
	if ! ip netns add "$ODP_NS_A" || ! ip netns add "$ODP_NS_B" ||
		! ip link add "$ODP_VETH_A" netns "$ODP_NS_A" type veth \
			peer name "$ODP_VETH_B" netns "$ODP_NS_B"; then
		odp_skip "needs network namespaces and veth"
	fi
	if ! odp_up "$ODP_NS_A" "$ODP_VETH_A" 192.0.2.1/24 "$ODP_DEV_A" ||
		! odp_up "$ODP_NS_B" "$ODP_VETH_B" 192.0.2.2/24 "$ODP_DEV_B"; then
		odp_skip "needs rxe"
	fi
	if ! odp_wait 60 odp_active "$ODP_DEV_A" || ! odp_wait 60 odp_active "$ODP_DEV_B"; then
		ktap_exit_fail_msg "rxe did not become active"
	fi
}
