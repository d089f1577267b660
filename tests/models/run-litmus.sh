#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# run-litmus.sh TREE KERNEL: check the litmus tests with the memory model of the kernel's source in
# KERNEL, and that each seeded defect is found. TREE is a kernel tree with the series, or only the files
# that it changes.
#
# A line of a test that ends with "// BUGn: TEXT" becomes TEXT in the variant n, which must be found; a
# line that ends with "// NOT-BUGn:" is in the variant only.
# shellcheck disable=SC2317 # the functions are called by ok
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
tree=$(cd "$1" && pwd -P)
model=$(cd "$2/tools/memory-model" && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
# shellcheck source=tests/lib/tap.sh
source "$here/../lib/tap.sh"

# litmus_run TEST [N]: the test, or its variant N
litmus_run() {
	sed -E -e "s,^([[:space:]]*)[^[:space:]].*// BUG${2-none}: ?(.*)\$,\1\2," \
		-e "s, *// NOT-BUG${2-none}:.*,," -e '\,// NOT-BUG,d' -e 's, *// BUG.*,,' \
		"$1" >"$dir/test.litmus"
	(cd "$model" && herd7 -conf linux-kernel.cfg "$dir/test.litmus") >"$dir/out" 2>&1
}

litmus_holds() {
	litmus_run "$1" && grep -q '^Observation .* Never ' "$dir/out" && ! grep -q '^Flag' "$dir/out"
}

litmus_finds() {
	litmus_run "$@" && grep -qE '^Observation .* (Sometimes|Always) |^Flag data-race' "$dir/out"
}

# Each access without a lock is named by a test, or has a reason in the list
litmus_complete() {
	local file line text status=0
	while IFS= read -r line; do
		file=${line%%:*}
		text=${line#*:}
		grep -hoP '(@code |^)\Q'"$file"'\E: \K.*' "$here"/litmus/* | sed 's/ # .*//' >"$dir/texts"
		grep -qFf "$dir/texts" <<<"$text" || {
			echo "no litmus test: $line"
			status=1
		}
	done < <(cd "$tree" && grep -HE '(READ|WRITE)_ONCE\(|\<smp_|[^_]cmpxchg\(|mmu_interval_(read|set)' \
		drivers/infiniband/core/umem_odp_{blocks,dma,look,pages,populate,resize,stats,table}.c \
		drivers/infiniband/hw/mlx5/odp{,_pages,_mixed}.c \
		drivers/infiniband/sw/rxe/rxe_odp{,_pages}.c | grep -vE ':[[:space:]]*(/\*|\*)')
	return "$status"
}

ok 'the tests name code that is there' "$here/check-code.sh" "$tree" "$here"/litmus/*.litmus
ok 'each access without a lock has a test' litmus_complete

for file in "$here"/litmus/*.litmus; do
	name=$(basename "$file" .litmus)
	ok "$name: holds" litmus_holds "$file"
	variants=$(grep -oE '// BUG[0-9]+' "$file" | grep -oE '[0-9]+' | sort -u)
	for n in ${variants:-none}; do
		ok "$name: defect $n found" litmus_finds "$file" "$n"
	done
done
tap_done
