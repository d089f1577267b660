#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The commands and the program of hugeodp-tutorial(7), word for word, and the output that it shows.
# The packages of its first section are installed by the tests of the packages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"
page=$(dirname "$(realpath "$0")")/hugeodp-tutorial.7.md

dir=$(mktemp -d)
thp=/sys/kernel/mm/transparent_hugepage/enabled
before=$(sed -E 's/.*\[(.*)\].*/\1/' $thp)
trap 'echo "$before" >$thp; rm -rf "$dir"' EXIT
# the setting of a distribution
echo madvise >$thp
cd "$dir"

# section NUMBER: its indented lines: commands, and their output
section() {
	awk -v wanted="$1" '
		/^#/ { inside = ($1 == "##" && $2 == wanted ".") }
		inside && /^    / { print substr($0, 5) }' "$page"
}

# run NAME STATUS LINES: as a user would type them
run() {
	local name=$1 want=$2 got=0
	bash -c "$3" >out 2>err || got=$?
	ok "$name: status $want" [ "$got" = "$want" ]
}

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$page" >measure.c
ok "the page has a program" grep -q 'int main' measure.c

check=$(section 2)
ok "section 2 has one command" [ "$check" = "hugeodp check" ]
run "$check" 0 "$check"
ok "... the verdict" grep -q '^yes' out

build=$(section 6 | grep -v '^page shift\|^$')
shown=$(section 6 | grep '^page shift')
ok "section 6 shows two lines of output" [ "$(wc -l <<<"$shown")" = 2 ]
run "measure" 0 "$build"
ok "... without a message" [ ! -s err ]
# the times are those of another machine, and how they compare is a matter of bench/
ok "... prints what the page shows, but for the times" \
	diff <(sed -E 's/[0-9.]+ ms$/MS/' out) <(sed -E 's/[0-9.]+ ms$/MS/' <<<"$shown")

# a program as it is: it knows nothing of page sizes
cat >program.c <<'PROGRAM'
#include <infiniband/verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
	struct ibv_device **devices = ibv_get_device_list(NULL);
	struct ibv_context *context = ibv_open_device(devices[0]);
	struct ibv_pd *pd = ibv_alloc_pd(context);
	const size_t length = 16 << 20;
	void *buf = aligned_alloc(2 << 20, length);
	struct ibv_mr *mr;

	memset(buf, 0, length);
	mr = ibv_reg_mr(pd, buf, length, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND);
	puts(mr ? "registered" : "not registered");
	return mr && !ibv_dereg_mr(mr) ? 0 : 1;
}
PROGRAM
cc -o program program.c -libverbs
mapfile -t commands < <(section 3)
ok "section 3 has two commands" [ "${#commands[@]}" = 2 ]
ok "... explain" [ "${commands[0]}" = "hugeodp explain -- ./program" ]
run "${commands[0]}" 0 "${commands[0]}"
ok "... the program's own output" [ "$(<out)" = registered ]
ok "... the usual obstacle" grep -q 'no MADV_HUGEPAGE' err
ok "... and what removes it" grep -q 'madvise' err
run "${commands[1]}" 0 "${commands[1]}"
ok "... the program's own output" [ "$(<out)" = registered ]
ok "... a report about the region" grep -q '^hugeodp: .* 1 ' err
tap_done
