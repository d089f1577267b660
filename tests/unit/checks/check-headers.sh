#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Each public header compiles alone and when included twice, in C and C++, without a warning.
# usage: check-headers.sh INCLUDE_DIR KERNEL_HEADERS_DIR CC
set -euo pipefail

include=$1 kernel_headers=$2 cc=$3
public=(infiniband/hugeodp.h infiniband/hugeodp_compat.h)
abi=rdma/ib_user_hugeodp.h

compile() { # compiler option... -- header...
	local command=()
	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	shift
	# not as system headers, about which a compiler is silent
	printf '#include <%s>\n' "$@" |
		"${command[@]}" -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
			-I"$include" -I"$kernel_headers" -
	echo "ok: ${command[*]}: $*"
}

for header in "${public[@]}" "$abi"; do
	compile "$cc" -x c -std=c11 -- "$header" "$header"
done
# supports COMPILER OPTION...: whether the compiler knows the standard
supports() { "$@" -fsyntax-only - </dev/null 2>/dev/null; }

# c2x and c++2b are the names of C23 and C++23 before the compilers had finished them
for standard in c99 c11 c17 c2x; do
	for header in "${public[@]}"; do
		compile "$cc" -x c -std=$standard -Wconversion -- "$header"
	done
done
compile "$cc" -x c -std=c11 -- infiniband/verbs.h "${public[@]}"
compile "$cc" -x c -std=c11 -- "${public[@]}" infiniband/verbs.h

for cxx in c++ clang++; do
	if ! command -v $cxx >/dev/null; then
		echo "NOT CHECKED: C++, without $cxx"
		continue
	fi
	for header in "${public[@]}" "$abi"; do
		compile $cxx -x c++ -std=c++17 -- "$header" "$header"
	done
	for standard in c++11 c++14 c++17 c++20 c++2b; do
		if ! supports $cxx -x c++ -std=$standard; then
			echo "NOT CHECKED: $standard, which $cxx does not support"
			continue
		fi
		for header in "${public[@]}"; do
			compile $cxx -x c++ -std=$standard -Wconversion -Wold-style-cast -- "$header"
		done
	done
done

# The ABI header needs no C library, so a compiler that supports -m32 is sufficient.
asm=/usr/include/$(gcc -print-multiarch 2>/dev/null || true)
if echo '#include <asm/types.h>' |
	"$cc" -m32 -x c -fsyntax-only -idirafter "$asm" - 2>/dev/null; then
	compile "$cc" -m32 -x c -std=c11 -idirafter "$asm" -- "$abi"
else
	echo "NOT CHECKED: 32 bit, which $cc does not support"
fi
