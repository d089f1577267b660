#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The mlx5 model: the device is there, and a machine that lost it says so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

vm() { lab run --device mlx5 --mem 1024 --hugepages 0 --kernel debian-stock "$@"; }
not() { ! "$@"; }

# shellcheck disable=SC2016 # expanded in the machine
vm -- bash -c 'ibv_devinfo | grep -c PORT_ACTIVE; mlx5-model-counters commands_failed
	echo "$HUGEODP_DEVICE $HUGEODP_LAB_DEVICE"'
is 'the port is active, no command failed' "$STATUS:$OUT" $'0:1\n0\nmlx5 mlx5_0'

vm --mlx5 scheme=memory,delay=1,log="$TAP_DIR/log" -- true
is 'options of the model' "$STATUS" 0
ok 'counters in the log' grep -q '^commands ' "$TAP_DIR/log"

# shellcheck disable=SC2016 # expanded in the machine
vm --mlx5 devices=2,log="$TAP_DIR/log" -- bash -c 'for device in mlx5_0 mlx5_1; do
		ibv_devinfo -d $device | grep -oE "PORT_ACTIVE|port_lid:.*" | tr -s "\t " " "
		mlx5-model-counters -d $device commands_failed
	done'
is 'two devices' "$STATUS:$OUT" $'0:PORT_ACTIVE\nport_lid: 1\n0\nPORT_ACTIVE\nport_lid: 2\n0'
is 'counters of both in the log' "$(grep -c '^commands ' "$TAP_DIR/log")" 2

# the stock kernel writes misaligned entries for more than one huge page
wrong() {
	lab run --device mlx5 --kernel debian-stock "$@" -- /usr/libexec/hugeodp/tests/odp-corruption-stock.t
}
wrong
is 'what hardware may not accept: status' "$STATUS" 70
ok 'what hardware may not accept: report' grep -q '^mlx5_0: strict: .* not aligned' "$TAP_DIR/err"
wrong --mlx5 lenient
is 'permitted: status' "$STATUS" 0
ok 'permitted: no report' not grep -q strict "$TAP_DIR/err"

lab run --device mlx5 --mlx5 scheme=none -- true
is 'a wrong option' "$STATUS" 2
lab run --device mlx5 --mlx5 devices=3 -- true
is 'too many devices' "$STATUS" 2
lab run --device rxe --mlx5 devices=2 -- true
is 'options of a device that is not there' "$STATUS" 2

# a cache with a path that is too long for a socket address
long=$TAP_DIR/$(printf '%0120d' 0)
mkdir "$long"
cache=$("$LAB" --help | sed -n 's/^Everything built is kept in \([^ ]*\) .*/\1/p')
ln -s "$cache" "$long/cache"
HUGEODP_CACHE=$long/cache vm -- true
is 'a long path of the cache' "$STATUS" 0

model() { pgrep -f "mlx5-model .*/run/$pid/" >/dev/null; }
# starts a machine that would run for long; sets pid
start() {
	started=$TAP_DIR/started
	: >"$started"
	set -m
	env --default-signal "$LAB" run --device mlx5 --mem 1024 --hugepages 0 --kernel debian-stock -- \
		bash -c 'echo started; exec sleep 1000' >"$started" 2>"$TAP_DIR/err" &
	pid=$!
	set +m
	until grep -q started "$started"; do
		kill -0 "$pid"
	done
}

start
ok 'the model runs' model
pkill -KILL -f "mlx5-model .*/run/$pid/"
STATUS=0
wait "$pid" || STATUS=$?
is 'the model is killed: status' "$STATUS" 71
ok 'the model is killed: message' grep -q 'the mlx5 device model ended before the machine' "$TAP_DIR/err"
ok 'the model is killed: nothing is left' test ! -e "$cache/run/$pid"

start
kill -INT -- "-$pid"
STATUS=0
wait "$pid" || STATUS=$?
is 'interrupted: status' "$STATUS" 130
ok 'interrupted: no model is left' not model
ok 'interrupted: no directory is left' test ! -e "$cache/run/$pid"

# Several machines in the same lab, simulated by processes that just end
LAB_DIR=$(dirname "$LAB")
# shellcheck disable=SC2034 # of host.sh
TOP_DIR=$(dirname "$LAB_DIR")
for part in common host progress vm mlx5; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/lib/$part.sh"
done
VM_TEE=/dev/null
touch "$TAP_DIR/mlx5.log" "$TAP_DIR/qemu.log"

# machine STATUS: its model ends with this status, by itself; sets LOST
machine() {
	VM_STATUS=0 LOST=no
	mlx5_defaults
	mlx5_prepare "$TAP_DIR"
	: >"$TAP_DIR/up"
	bash -c 'echo up >"$1"; exec sleep 1' bash "$TAP_DIR/up" &
	JOB_PID=$!
	# as long as it is a copy of this shell, a signal would run its trap
	until [[ -s $TAP_DIR/up ]]; do
		kill -0 "$JOB_PID"
	done
	(exit "$1") &
	HELPER_PID=$!
	mlx5_watch
	mlx5_finish "$TAP_DIR" 2>/dev/null || LOST=yes
}
machine 9
is 'a model that dies: the machine is lost' "$LOST" yes
machine 0
is 'the next machine is not' "$LOST" no
done_testing
