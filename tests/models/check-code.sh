#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# check-code.sh TREE MODEL...: is what the models name still in the kernel's source? A model has lines
# "@code FILE: TEXT"; TREE is a kernel tree with the series, or only the files that it changes.
set -euo pipefail

tree=$1
shift
status=0

for model in "$@"; do
	if ! grep -q '@code ' "$model"; then
		echo "$model: names no code" >&2
		status=1
	fi
	while IFS= read -r line; do
		line=${line#*@code }
		if ! grep -qF -- "${line#*: }" "$tree/${line%%: *}"; then
			echo "$model: ${line%%: *} does not contain: ${line#*: }" >&2
			status=1
		fi
	done < <(grep '@code ' "$model")
done
exit "$status"
