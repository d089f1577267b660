#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The example test of a README compiles with the current helpers of tests/lib.
# usage: check-skeleton.sh README TESTS_LIB INCLUDE_DIR CC
set -euo pipefail

readme=$1 lib=$2 include=$3 cc=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

awk '/^```c$/ { code = 1; next } /^```$/ { code = 0 } code' "$readme" >"$dir/test.c"
grep -q 'int main' "$dir/test.c" || { echo "no test program in $readme"; exit 1; }
"$cc" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$include" -I"$lib" -I"$lib/memory" -c -o /dev/null "$dir/test.c"
