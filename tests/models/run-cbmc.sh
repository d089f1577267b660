#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# run-cbmc.sh TREE: check the arithmetic of the kernel's functions with CBMC, for all inputs and base
# pages of 4, 16 and 64 KiB, and that each seeded defect is found. TREE is a kernel tree with the
# series, or only the files that it changes. The functions are taken from there.
# shellcheck disable=SC2317 # the functions are called by ok
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
tree=$(cd "$1" && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
# shellcheck source=tests/lib/tap.sh
source "$here/../lib/tap.sh"

# extract FILE FUNCTION...: the definitions of functions
extract() {
	local file=$tree/$1 function
	shift
	for function in "$@"; do
		awk -v name="$function" '
			/^[#}]/ || /^$/ || /\*\/$/ { if (!found) head = "" }
			!found && $0 ~ "^[a-z].*[ *]" name "\\(" && !/;$/ { found = 1; printf "%s", head }
			!found && /^[a-z]/ { head = head $0 "\n" }
			!found && $0 ~ "^" name "\\(" { found = 1; printf "%s", head }
			found { print }
			found && /^}/ { exit }
			END { exit !found }' "$file" || {
			echo "no function $function in $file" >&2
			return 1
		}
	done
}

core=drivers/infiniband/core
sources_table() { grep -v '^#include' "$tree/$core/umem_odp_table.c"; }
sources_range() {
	extract "$core/umem_odp_pages.c" ib_umem_odp_bounds ib_umem_odp_check_range
	extract "$core/umem_odp_stats.c" ib_umem_odp_base_pages
}
sources_mlx5() {
	extract "$core/umem_odp_dma.c" odp_piece_entries
	extract drivers/infiniband/hw/mlx5/odp_mixed.c mlx5r_mixed_choose
}

# cbmc_prepare MODEL [SED]: the functions, with a defect if there is one
cbmc_prepare() {
	"sources_$1" >"$dir/include/source.c"
	if [[ -n ${2-} ]]; then
		cp "$dir/include/source.c" "$dir/include/good.c"
		sed -i -E "$2" "$dir/include/source.c"
		if cmp -s "$dir/include/source.c" "$dir/include/good.c"; then return 1; fi
	fi
}

# cbmc_run MODEL FUNCTION PAGE-SHIFT [OPTION...]
cbmc_run() {
	local status=0
	cbmc --function "$2" -I "$here/cbmc" -I "$dir/include" "-DPAGE_SHIFT=$3" --slice-formula \
		--no-malloc-may-fail --no-standard-checks --bounds-check --undefined-shift-check \
		"${@:4}" "$here/cbmc/$1.c" >"$dir/include/log" 2>&1 || status=$?
	grep -E ': FAILURE$|^VERIFICATION|error' "$dir/include/log" >"$dir/out" || true
	return "$status"
}

cbmc_holds() { cbmc_run "$@" && grep -q '^VERIFICATION SUCCESSFUL' "$dir/out"; }

cbmc_finds() {
	local status=0
	cbmc_run "$@" || status=$?
	[[ $status == 10 ]] && grep -q '^VERIFICATION FAILED' "$dir/out"
}

# holds MODEL FUNCTION [OPTION...]: for each size of base pages
holds() {
	local shift
	cbmc_prepare "$1"
	for shift in 12 14 16; do
		ok "$1, $2, base pages of $((1 << (shift - 10))) KiB: holds" cbmc_holds "$1" "$2" "$shift" "${@:3}"
	done
}

# finds NAME SED MODEL FUNCTION [OPTION...]: a defect in the function
finds() {
	ok "$1: is in the code" cbmc_prepare "$3" "$2"
	ok "$1: found" cbmc_finds "$3" "$4" 12 "${@:5}"
}

mkdir -p "$dir/include/rdma" "$dir/include/linux"
touch "$dir/include/linux/types.h"
cp "$tree/include/rdma/ib_odp_table.h" "$dir/include/rdma"

SHIFTS=(--unwind 66 --unwinding-assertions)

holds table levels "${SHIFTS[@]}"
holds table leaves
holds range ranges
holds range bounds
holds range base_pages
holds mlx5 pieces
holds mlx5 mixed --unwind 4 --unwinding-assertions

finds 'a size out of reach' 's/GENMASK_ULL\(ODP_CHUNK_SHIFT, 1\)/GENMASK_ULL(ODP_CHUNK_SHIFT + 1, 1)/' \
	table levels "${SHIFTS[@]}"
finds 'a write bit in the order' 's/ODP_ORDER_SHIFT\t2/ODP_ORDER_SHIFT\t1/' table leaves
finds 'an end beyond that of a process' 's/start, end - start\)/start, 0)/' range ranges
finds 'an end that wraps' 's/return \*end > \*start \? 0 : -EOVERFLOW/return 0/' range bounds
finds 'the last base page' 's/PAGE_ALIGN\(end\)/(end \& PAGE_MASK)/' range base_pages
finds 'the last piece' 's/table->nr - \(piece/table->nr - 1 - (piece/' mlx5 pieces
finds 'entries of the smallest size' 's/i > 1 \? i - 2 : 0/i - 1/' mlx5 mixed --unwind 4 --unwinding-assertions
tap_done
