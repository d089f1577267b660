#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs the tests of a build with coverage and prints, for each source file of the model, the number of
# its lines and how many of them the tests have run. The fuzzer's runs do not count.
# usage: coverage.sh BUILD SOURCE GCOV
set -euo pipefail

build=$1 source=$2 gcov=$3
objects=("$build"/CMakeFiles/mlx5{_model,_cache,-model,-model-replay}.dir)

find "$build" -name '*.gcda' -delete
ctest --test-dir "$build" -E '^mlx5-fuzz' --output-on-failure >&2
find "${objects[@]}" -name '*.gcno' -print0 | sort -z |
	xargs -0 "$gcov" --no-output 2>/dev/null | awk -v source="$source/" '
		/^File / {
			file = substr($0, 7, length($0) - 7)
			file = index(file, source) == 1 ? substr(file, length(source) + 1) : ""
		}
		/^Lines executed:/ && file ~ /\.c$/ {
			split(substr($0, 16), part, /% of /)
			run = int(part[1] * part[2] / 100 + 0.5)
			printf "%-22s %5d %5d %6.1f %%\n", file, part[2], run, part[1] | "sort"
			lines += part[2]
			executed += run
		}
		{ if (/^Lines executed:/ || /^No executable/) file = "" }
		END {
			close("sort")
			if (!lines)
				exit 1
			printf "%-22s %5d %5d %6.1f %%\n", "all", lines, executed, 100 * executed / lines
		}'
