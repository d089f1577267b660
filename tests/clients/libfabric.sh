#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fi_pingpong of libfabric, which compares the data.
#
# ok and in_both_modes call the functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

# pingpong ARGUMENT...: the server and then the client
pingpong() {
	local server status=0
	# without the address the server looks for one by the name of localhost
	timeout -k 5 120 "${WRAPPER[@]}" fi_pingpong "$@" -s "$address" >"$dir/server" 2>&1 &
	server=$!
	alive_until "$server" listening 47592 || true
	timeout -k 5 120 "${WRAPPER[@]}" fi_pingpong "$@" -s "$address" "$address" \
		>"$dir/out" 2>&1 || status=$?
	wait "$server" || status=$?
	return "$status"
}

both() {
	# -c compares data
	with_odp "fi_pingpong (libfabric)" 40 \
		pingpong -p verbs -e msg -d "$device" -c -I 5 -S 4194304
}

export FI_VERBS_USE_ODP=1 FI_VERBS_IFACE=$interface
in_both_modes both
tap_done
