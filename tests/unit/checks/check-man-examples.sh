#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Each manual page has the required sections, and its examples compile: each
# fenced C block of EXAMPLE is a separate source file.
# usage: check-man-examples.sh MAN_DIR INCLUDE_DIR CC
set -euo pipefail

man=$1 include=$2 cc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

for page in "$man"/*.md; do
	sections=(NAME SYNOPSIS DESCRIPTION EXAMPLE "SEE ALSO")
	[[ $page == *.3.md ]] && sections+=("RETURN VALUE" ERRORS)
	for section in "${sections[@]}"; do
		grep -qx "# $section" "$page" || { echo "not ok: ${page##*/} has no $section"; failed=1; }
	done
	grep -q '^Since: ' "$page" || { echo "not ok: ${page##*/} has no line \"Since\""; failed=1; }

	blocks=$dir/${page##*/}
	awk -v out="$blocks" '
		/^# / { example = ($0 == "# EXAMPLE") }
		/^```$/ && code { close(file); code = 0 }
		code { print > file }
		example && /^```c$/ { code = 1; file = out "." ++n ".c" }' "$page"
	found=0
	for block in "$blocks".*.c; do
		[ -e "$block" ] || continue
		found=$((found + 1))
		if "$cc" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$include" -c -o /dev/null "$block"
		then
			echo "ok: ${block##*/}"
		else
			echo "not ok: ${block##*/}"
			failed=1
		fi
	done
	[ "$found" -gt 0 ] || { echo "not ok: ${page##*/} has no C example"; failed=1; }
done
exit "$failed"
