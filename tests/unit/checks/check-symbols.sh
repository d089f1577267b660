#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The library exports the symbols of the map, the header declares the same
# symbols, and each function has a manual page.
# usage: check-symbols.sh LIBRARY MAP HEADER MAN_DIR
set -euo pipefail

library=$1 map=$2 header=$3 man=$4

exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[TtDdBbRrVWi]/ { print $3 }' |
	sed -E 's/@+/ /' | sort)
mapped=$(awk '/^HUGEODP_[0-9.]+ \{/ { node = $1 }
	/local:/ { node = "" }
	node && /^\t\t[a-z_0-9]+;/ { sub(/;/, "", $1); print $1, node }' "$map" | sort)
declared=$(sed 's@/\*.*\*/@@' "$header" | tr '\n' ' ' | sed 's@/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/@@g' |
	grep -oE '\b(ibv|hugeodp)_[a-z_0-9]+\(' | tr -d '(' | sort -u)
# functions that the header renames
renamed=$(tr '\n\t' '  ' <"$header" |
	sed -E 's/;/;\n/g' | sed -nE 's/.*\b(ibv_[a-z_0-9]+)\(.*\) +__asm__\("(hugeodp_[a-z_0-9]+)"\);.*/\1 \2/p')
paged=$(sed -nE '/^# NAME/,/^# /s/^(((ibv|hugeodp)_[a-z_0-9]+(, )?)+) - .*/\1/p' "$man"/*.3.md |
	tr -s ', ' '\n' | sort -u)

compare() { # what left right
	if ! diff <(echo "$2") <(echo "$3"); then
		echo "not ok: $1 differ" >&2
		exit 1
	fi
	echo "ok: $1 agree ($(echo "$2" | wc -l) symbols)"
}

names=$(echo "$mapped" | cut -d' ' -f1 | sort -u)
compare "library and map" "$exported" "$mapped"
compare "map and header" "$names" \
	"$(printf '%s\n' "$declared" "$(echo "$renamed" | cut -d' ' -f1)" | sort -u)"
# pages describe the name that programs use
compare "map and manual pages" "$(comm -23 <(echo "$names") <(echo "$renamed" | cut -d' ' -f2 | sort))" \
	"$paged"
