#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The commands and the program of hugeodp-answers(7), word for word, and the output that it shows.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"
page=$(dirname "$(realpath "$0")")/hugeodp-answers.7.md

dir=$(mktemp -d)
thp=/sys/kernel/mm/transparent_hugepage/enabled
khugepaged=/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
thp_before=$(sed -E 's/.*\[(.*)\].*/\1/' $thp)
khugepaged_before=$(<$khugepaged)
pid=''
cleanup() {
	[ -z "$pid" ] || kill "$pid"
	echo "$thp_before" >"$thp"
	echo "$khugepaged_before" >"$khugepaged"
	rm -rf "$dir"
}
trap cleanup EXIT
# the setting of a distribution, and a hole that nobody else mends
echo madvise >"$thp"
echo 4000000000 >"$khugepaged"
cd "$dir"

# paragraphs SECTION NAME: its indented paragraphs, as NAME-1, NAME-2, ...: commands, then their output
paragraphs() {
	awk -v wanted="$1" -v name="$2" '
		/^#/ { title = $0; sub(/^#+ */, "", title); inside = index(title, wanted) == 1 }
		inside && /^    / { print substr($0, 5) >(name "-" n); last = NR; next }
		inside && last == NR - 1 { n++ }' n=1 "$page"
}

# A kernel that checks DMA keeps a second address in each entry of a table
words=1
[ ! -d /sys/kernel/debug/dma-api ] || words=2

# masked FILE [WORDS]: without what differs from one run to the next, with tables of one word for an entry
masked() {
	sed -E -e 's/^process [0-9]+:/process PID:/' -e 's/(0x)?7[ef][0-9a-f]{10}/ADDRESS/g' \
		-e '/mappings shorter than .* left out/d' -e 's/of 1G [12]$/of 1G N/' "$1" |
		awk -v words="${2-1}" 'NF == 4 && $2 ~ /^[0-9]+[KMG]$/ { $4 /= words } { $1 = $1; print }'
}

# same SHOWN OUTPUT
same() { diff <(masked "$1") <(masked "$2" "$words"); }

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$page" >answers.c
paragraphs DESCRIPTION program
for case in 1 2 3; do
	paragraphs "$case." "case$case"
done
ok "the page has five commands with their output" [ "$(find . -name '*-*' | wc -l)" = 10 ]

bash program-1 >out 2>err
ok "the program: no message" [ ! -s err ]
ok "the program prints what the page shows" same program-2 out

ok "the first command starts the program" [ "$(head -n 1 case1-1)" = "./answers wait &" ]
./answers wait &
pid=$!
mapped() { hugeodp mr --json --pid "$pid" | grep -q '"odp_blocks_mapped": *543'; }
ok "the program has mapped its regions" until_true mapped
for command in case1-1 case2-1 case3-1 case3-3; do
	line=$(tail -n 1 "$command")
	bash -c "${line//\$!/$pid}" >out 2>err || true
	ok "$line: prints what the page shows" same "${command%-*}-$((${command#*-} + 1))" out
done
status=0
hugeodp explain --entries 4096 --min 16M "$pid" >out || status=$?
ok "too many entries: status 4" [ "$status" = 4 ]
tap_done
