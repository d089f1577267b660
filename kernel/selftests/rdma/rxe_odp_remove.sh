#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A device that has on-demand paging MRs and traffic is removed: by its user, and with its network
# device.

# shellcheck source=/dev/null
source "$(dirname "$0")/rxe_odp_setup.sh"

ODP_OUT=$(mktemp)
ODP_PID=''

cleanup() {
	[ -z "$ODP_PID" ] || kill -KILL "$ODP_PID" 2>/dev/null
	odp_cleanup
	rm -f "$ODP_OUT"
}

ready() { grep -q ready "$ODP_OUT"; }
ended() { ! kill -0 "$ODP_PID" 2>/dev/null; }
gone() { ! rdma link show "$ODP_DEV_A/1" >/dev/null 2>&1; }
succeeded() { wait "$ODP_PID"; }

# removed NAME COMMAND...: two results
removed() {
	local name=$1

	shift
	: >"$ODP_OUT"
	"$(dirname "$0")/rxe_odp_remove" "$ODP_DEV_A" "$ODP_DEV_B" >"$ODP_OUT" &
	ODP_PID=$!
	odp_wait 120 ready || ktap_exit_fail_msg "no traffic"
	if timeout 120 "$@" && odp_wait 120 gone; then
		ktap_test_pass "$name: the device is gone"
	else
		ktap_test_fail "$name: the device is gone"
	fi
	if odp_wait 120 ended && succeeded; then
		ktap_test_pass "$name: its process ends by itself"
	else
		ktap_test_fail "$name: its process ends by itself"
	fi
	ODP_PID=''
	odp_cleanup
}

trap cleanup EXIT
odp_setup "$(dirname "$0")/rxe_odp_remove"
ktap_print_header
ktap_set_plan 4
removed "rdma link del" rdma link del "$ODP_DEV_A"
odp_setup "$(dirname "$0")/rxe_odp_remove"
removed "ip link del" ip -n "$ODP_NS_A" link del "$ODP_VETH_A"
ktap_finished
