#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The main job of README.md: the table there is the one that a demo prints.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
README=$(dirname "$LAB")/../README.md

# rows <TABLE: its rows, with numbers only where they are the same for each file. A block of 2 MiB is
# 512 of 4 KiB; the last one may be there in part.
rows() {
	sed -nE '/^ *(pinned +ODP|page sizes|page shift|blocks|fault|table|SHA)/{ s/ +/ /g; s/^ //; p }' |
		awk '/^(blocks|fault)/ { $4 = $4 > ($5 - 1) * 512 && $4 <= $5 * 512 ? "512*" : "?"; $5 = "1*" }
			/^table/ { $4 = $4 > 500 * $5 ? "more" : "?"; $5 = "less" } 1'
}

# The program itself fails if a sum is wrong or a count is not possible
lab demo
printed=$(rows <<<"$OUT")
readme=$(sed -n '/demo-table: begin/,/demo-table: end/p' "$README" | rows)
is 'the demo: status' "$STATUS" 0
is 'the demo: rows' "$(wc -l <<<"$printed")" 7
is 'the demo: 512 blocks of 4 KiB for each of 2 MiB' "$(grep -c ' 512\* 1\*$' <<<"$printed")" 2
is 'the table of README.md' "$readme" "$printed"
ok 'the demo: perftest' grep -qE '^ *65536 +500 ' <<<"$OUT"

lab demo now
is 'an argument: status' "$STATUS" 2
ok 'an argument: message' grep -q 'demo takes no arguments' <<<"$ERR"
done_testing
