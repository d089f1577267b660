#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The hugeodp command with devices of a fake libibverbs: verdicts, advice, exit statuses.
# usage: check-devices.sh HUGEODP INCLUDE_DIR CC
set -euo pipefail

hugeodp=$1 include=$2 cc=$3
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"

fake_libibverbs "$dir/a" one -Wl,-soname,libibverbs.so.1

# with DEVICES STATUS ARGUMENT...: output to $dir/out and $dir/err
with() {
	local devices=$1 want=$2 got=0
	shift 2
	FAKE_DEVICES=$devices LD_LIBRARY_PATH=$dir/a "$hugeodp" "$@" >"$dir/out" 2>"$dir/err" || got=$?
	check "$* with \"$devices\": status $want" [ "$got" = "$want" ]
}
said() { check "... says '$2'" grep -qF -- "$2" "$dir/$1"; }

with "" 3 check
said out "no: no RDMA device; "
said out "rdma link add rxe0 type rxe"
with "plain" 3 check
said out "no: plain: does not support on-demand paging; use another device"
with "closed" 3 check
said out "no: closed: cannot be opened: No such file or directory; load the module ib_uverbs"
with "closed plain odp" 3 check
said out "no: odp: on-demand paging in base pages only; boot a kernel with the hugeodp series"
said out "  closed               cannot be opened: No such file or directory"
said out "  plain                does not support on-demand paging"
with "closed plain odp" 3 check --device plain
said out "no: plain: does not support"
check "... and shows no other device" [ "$(grep -c '^  odp' "$dir/out")" = 0 ]

with "" 0 info
said err "no RDMA device; load its driver"
with "" 0 mr
check "... prints one line" [ "$(wc -l <"$dir/err")" = 1 ]
with "closed" 1 info
said out "load the module ib_uverbs"
with "odp" 3 info --device other
said err "no RDMA device other"
exit "$failed"
