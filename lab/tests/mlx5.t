#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The mlx5 model: the device is there, and a machine that lost it says so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

vm() { lab run --device mlx5 --mem 1024 --hugepages 0 --kernel stock "$@"; }
not() { ! "$@"; }

# shellcheck disable=SC2016 # expanded in the machine
vm -- bash -c 'ibv_devinfo | grep -c PORT_ACTIVE; mlx5-model-counters commands_failed
	echo "$HUGEODP_DEVICE $HUGEODP_LAB_DEVICE"'
is 'the port is active, no command failed' "$STATUS:$OUT" $'0:1\n0\nmlx5 mlx5_0'

vm --mlx5 scheme=memory,strict,delay=1,log="$TAP_DIR/log" -- true
is 'options of the model' "$STATUS" 0
ok 'counters in the log' grep -q '^commands ' "$TAP_DIR/log"

# shellcheck disable=SC2016 # expanded in the machine
vm --mlx5 devices=2,log="$TAP_DIR/log" -- bash -c 'for device in mlx5_0 mlx5_1; do
		ibv_devinfo -d $device | grep -oE "PORT_ACTIVE|port_lid:.*" | tr -s "\t " " "
		mlx5-model-counters -d $device commands_failed
	done'
is 'two devices' "$STATUS:$OUT" $'0:PORT_ACTIVE\nport_lid: 1\n0\nPORT_ACTIVE\nport_lid: 2\n0'
is 'counters of both in the log' "$(grep -c '^commands ' "$TAP_DIR/log")" 2

lab run --device mlx5 --mlx5 scheme=none -- true
is 'a wrong option' "$STATUS" 2
lab run --device mlx5 --mlx5 devices=3 -- true
is 'too many devices' "$STATUS" 2
lab run --device rxe --mlx5 devices=2 -- true
is 'options of a device that is not there' "$STATUS" 2

cache=$("$LAB" --help | sed -n 's/^Everything built is kept in \([^ ]*\) .*/\1/p')
model() { pgrep -f "mlx5-model .*/run/$pid/" >/dev/null; }
# starts a machine that would run for long; sets pid
start() {
	started=$TAP_DIR/started
	: >"$started"
	set -m
	env --default-signal "$LAB" run --device mlx5 --mem 1024 --hugepages 0 --kernel stock -- \
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
ok 'the model is killed: message' grep -q 'the mlx5 device model died' "$TAP_DIR/err"
ok 'the model is killed: nothing is left' test ! -e "$cache/run/$pid"

start
kill -INT -- "-$pid"
STATUS=0
wait "$pid" || STATUS=$?
is 'interrupted: status' "$STATUS" 130
ok 'interrupted: no model is left' not model
ok 'interrupted: no directory is left' test ! -e "$cache/run/$pid"
done_testing
