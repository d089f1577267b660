# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Common programs between two devices of the mlx5 model, or on one; the devices' counters show that
# the data went through them.

# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"

near=mlx5_0 far=mlx5_0
peer=127.0.0.1 # address of the server
there=()       # command line before that of the server
dir=$(mktemp -d)

counter() { mlx5-model-counters -d "$1" "$2"; } # DEVICE NAME

serve() {
	"${there[@]}" "$@" >"$dir/server" 2>&1 &
	server=$!
}

# meet COMMAND...: the client, as soon as the server listens
meet() {
	local end=$((SECONDS + 240))
	until "$@" >"$dir/client" 2>&1; do
		if ((SECONDS > end)) || ! kill -0 "$server" 2>/dev/null; then
			kill "$server" 2>/dev/null || true
			return 1
		fi
	done
	wait "$server"
}

# both COMMAND...: the server on the far device, the client on the near one
both() {
	serve "$@" -d "$far"
	meet "$@" -d "$near" "$peer"
}

# by_address ARG...: both ends of rping, which compares what comes back
by_address() {
	serve rping -s -a "$peer" -V "$@"
	meet rping -c -a "$peer" -V "$@"
}

# wait_until SECONDS COMMAND...
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
	done
}

active() {
	local state=''
	read -r state 2>/dev/null <"/sys/class/infiniband/$1/ports/1/state" || true
	[[ $state == *ACTIVE ]]
}
pci_of() { basename "$(readlink -f "/sys/class/infiniband/$1/device")"; }

# bind DEVICE, unbind DEVICE: the driver to or from its PCI function
declare -A pci
unbind() {
	pci[$1]=$(pci_of "$1")
	echo "${pci[$1]}" >/sys/bus/pci/drivers/mlx5_core/unbind
}
bind() {
	echo "${pci[$1]}" >/sys/bus/pci/drivers/mlx5_core/bind
	wait_until 60 active "$1"
}
