#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Our modules beside every module of the distribution that uses the RDMA core, then the distribution's
# own in their place, then ours again, all in one boot.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

not_printed() { ! grep -q "$1" <<<"$OUT"; }

# shellcheck disable=SC2016 # expanded in the machine
lab run --kernel debian --mem 3072 --timeout 1800 -- bash -euc '
	cd "/lib/modules/$(uname -r)"
	# The build refuses structs with a changed layout (layout.t). Here a module of
	# the distribution that gets one of our structs would crash, and the report of
	# the kernel ends the run with status 70. hfi1: the tracing of this kernel warns
	# of two events of its own.
	mapfile -t users < <(sed -nE "s,^[^:]*/([^/:]*)\.ko[^:]*:.*/ib_core\.ko.*,\1,p" modules.dep |
		sort -u | grep -vx hfi1)
	loaded() { [[ -e /sys/module/${1//-/_} ]]; }
	tree() { grep -q O "/sys/module/$1/taint" && echo ours || echo theirs; }
	active() { grep -qs ACTIVE "/sys/class/infiniband/$1/ports/1/state"; }
	links_up() {
		local i end=$((SECONDS + 120))
		for i in 0 1; do
			rdma link add rxe$i type rxe netdev veth$i
			until active rxe$i; do ((SECONDS < end)); done
		done
	}
	links_down() { rdma link delete rxe0 && rdma link delete rxe1; }
	check() { "/usr/libexec/hugeodp/tests/$1.t" >/tmp/out 2>&1 || { cat /tmp/out >&2; return 1; }; }

	for module in "${users[@]}"; do
		modprobe "$module" || echo "not loaded: $module"
	done
	missing=0
	for module in "${users[@]}"; do
		loaded "$module" || { missing=$((missing + 1)) && echo "not there: $module"; }
	done
	echo "users ${#users[@]}, missing $missing"
	for module in hugeodp rdma_rxe mlx5_ib ib_core ib_uverbs; do
		echo "$module $(tree $module)"
	done
	check data-iova && echo "data, all of them loaded"

	links_down
	# a module that another one uses stays until a later pass
	for ((pass = 0; pass < 8; pass++)); do
		for module in "${users[@]}" hugeodp; do
			! loaded "$module" || rmmod "$module" 2>/dev/null || true
		done
	done
	for module in hugeodp rdma_rxe mlx5_ib; do
		! loaded $module || echo "still there: $module"
	done
	# modprobe would load ours
	modprobe -a ib_uverbs rdma_ucm ip6_udp_tunnel
	insmod kernel/drivers/infiniband/sw/rxe/rdma_rxe.ko*
	links_up
	echo "rdma_rxe $(tree rdma_rxe)"
	[[ ! -e /sys/class/infiniband/rxe0/hugeodp_abi ]] && echo "no mark"
	(cd /usr/libexec/rdma-core && python3 /usr/libexec/hugeodp/pyverbs/patient.py tests/run_tests.py \
		--dev rxe0 -v -k odp_rc) >/tmp/out 2>&1 || { cat /tmp/out >&2; exit 1; }
	grep -qE "^Ran [1-9]" /tmp/out && grep -qE "^OK( |\$)" /tmp/out && echo "rdma-core"

	links_down
	rmmod rdma_rxe
	modprobe rdma_rxe
	links_up
	echo "rdma_rxe $(tree rdma_rxe)"
	check data-iova && echo "data, once more"'
echo "$OUT$ERR" | sed 's/^/# /'
is 'status' "$STATUS" 0
is 'all of them are loaded' "$(sed -nE 's/^users [1-9][0-9]+, //p' <<<"$OUT")" 'missing 0'
is 'whose they are' "$(grep -E '^(hugeodp|rdma_rxe|mlx5_ib|ib_core|ib_uverbs) ' <<<"$OUT" | tr '\n' ,)" \
	'hugeodp ours,rdma_rxe ours,mlx5_ib ours,ib_core theirs,ib_uverbs theirs,rdma_rxe theirs,rdma_rxe ours,'
ok 'ours: data beside all of them' grep -q '^data, all of them loaded$' <<<"$OUT"
ok 'ours are gone' not_printed 'still there'
ok 'theirs: no mark of ours' grep -qx 'no mark' <<<"$OUT"
ok "theirs: rdma-core's tests" grep -qx 'rdma-core' <<<"$OUT"
ok 'ours again: data' grep -qx 'data, once more' <<<"$OUT"
done_testing
