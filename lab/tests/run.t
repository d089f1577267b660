#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# lab/lab run passes arguments to the command, and output and status to the caller.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

vm() { lab run --device none --mem 1024 --hugepages 0 --kernel debian-stock "$@"; }

# shellcheck disable=SC2016 # literally
arguments=('two words' "it's \"quoted\"" '$HOME `id` \ *' $'new\nline\n' '' '--' 'ü')
vm -- printf '%s\0' "${arguments[@]}"
is 'status 0' "$STATUS" 0
printf '%s\0' "${arguments[@]}" >"$TAP_DIR/wanted"
ok 'arguments arrive as they are' cmp "$TAP_DIR/wanted" "$TAP_DIR/out"

# shellcheck disable=SC2016 # expanded in the machine
vm -- bash -c 'echo out; echo err >&2; echo "$HUGEODP_LAB $HUGEODP_KERNEL $HUGEODP_DEVICE"; exit 42'
is 'exit status' "$STATUS" 42
is 'standard output' "$OUT" $'out\n1 debian-stock none'
is 'standard error, after the line about the machine' "$(sed '1s/^lab: the machine: .*/-/' <<<"$ERR")" \
	$'-\nerr'

# shellcheck disable=SC2016
vm -- bash -c 'kill -SEGV $$'
is 'a signal is 128 and its number' "$STATUS" 139

vm -- /no/such/program
is 'no such program' "$STATUS" 127

mkdir "$TAP_DIR/share"
echo hello >"$TAP_DIR/share/file, with comma"
vm --share "$TAP_DIR/share" -- bash -c \
	'cat "/mnt/share/file, with comma" && ! touch /mnt/share/new 2>/dev/null'
is 'shared directory, read-only' "$STATUS:$OUT" 0:hello

lab run --kernel debian-stock -- bash -c 'cat /sys/class/infiniband/rxe[01]/ports/1/state
	grep HugePages_Total /proc/meminfo'
is 'rxe is active, huge pages are there' "$(tr -s ' \n' ' ' <<<"$OUT")" \
	'4: ACTIVE 4: ACTIVE HugePages_Total: 256 '
done_testing
