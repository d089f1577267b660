#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# KVM is used where a guest starts with it, and only there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
LAB_DIR=$(dirname "$LAB")
# shellcheck disable=SC2034 # of host.sh
TOP_DIR=$(dirname "$LAB_DIR")
for part in common cache host progress accel; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/lib/$part.sh"
done

vm() { lab run --device none --mem 1024 --hugepages 0 --kernel debian-stock "$@"; }

# the first machine of a kernel may have to wait until it is built, which is reported as well
vm --accel tcg -- true
vm --accel tcg -- true
is 'emulation: status' "$STATUS" 0
is 'emulation: printed' "$ERR" 'lab: the machine: kernel debian-stock, device none, accelerator tcg'
vm --accel kvm -- true
if [[ $STATUS == 0 ]]; then
	is 'KVM, which works: printed' "$ERR" \
		'lab: the machine: kernel debian-stock, device none, accelerator kvm'
else
	ok 'KVM, which does not work: reason' grep -q '^lab: .*KVM does not work on this host: ' "$TAP_DIR/err"
fi

# The choice, with a fake trial
CACHE_DIR=$TAP_DIR/cache ROOT=root
trials=$TAP_DIR/trials
accel_trial() {
	echo tried >>"$trials"
	[[ $WORKS == yes ]]
}

# choice WORKS ACCEL ICOUNT: prints the accelerator that is chosen, and the number of
# trials since the host booted
choice() {
	WORKS=$1 VM_ACCEL=$2 VM_ICOUNT=$3
	: >>"$trials"
	(accel_choose && echo "$ACCEL $(wc -l <"$trials")") 2>"$TAP_DIR/err"
}

# host DEVICE: simulate a boot of the host with DEVICE as /dev/kvm
host() {
	ACCEL_DEVICE=$1
	rm -rf -- "$trials" "$CACHE_DIR"
}

host /dev/null
is 'it works: the first time' "$(choice yes '' '')" 'kvm 1'
is 'it works: later, without a trial' "$(choice no '' '')" 'kvm 1'
is 'counted instructions' "$(choice yes '' 1)" 'tcg 1'
is '--accel tcg' "$(choice yes tcg '')" 'tcg 1'
host /dev/null
is 'it hangs: the first time' "$(choice no '' '')" 'tcg 1'
is 'it hangs: later, without a trial' "$(choice yes '' '')" 'tcg 1'
is '--accel kvm' "$(choice no kvm '')" ''
ok '--accel kvm: reason' grep -q 'KVM does not work on this host: a guest does not start' "$TAP_DIR/err"
host "$TAP_DIR/none"
is 'no device' "$(choice yes '' '')" 'tcg 0'
done_testing
