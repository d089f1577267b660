#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The program of the README compiles as C and as C++, uses names as other programs do, and survives a
# registration that fails.
# usage: check-readme.sh README INCLUDE_DIR CC
set -euo pipefail

readme=$1 include=$2 cc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

awk '/^```c$/ { code = 1; next } /^```$/ { code = 0 } code' "$readme" >"$dir/readme"
grep -q ibv_reg_mr_ex "$dir/readme" || { echo "no program in $readme"; exit 1; }
{
	grep '^#include' "$dir/readme"
	cat <<-'PROGRAM'
		#include <errno.h>
		#define TEXT_(x) #x
		#define TEXT(x) TEXT_(x)

		#ifdef __cplusplus
		extern "C" {
		#endif
		/* no registration succeeds */
		struct ibv_mr *fails(struct ibv_pd *pd, struct ibv_mr_init_attr *attr) __asm__("hugeodp_reg_mr_ex");
		struct ibv_mr *fails(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
		{
			(void)pd;
			(void)attr;
			errno = EOPNOTSUPP;
			return NULL;
		}
		int ibv_mr_page_shift(struct ibv_mr *mr) { return mr->handle ? 12 : 21; }
		#ifdef __cplusplus
		}
		#endif

		static int program(struct ibv_pd *pd, size_t length)
		{
	PROGRAM
	grep -v '^#include' "$dir/readme"
	cat <<-'PROGRAM'
			free(buf);
			return shift;
		}

		/* a table of functions, and names that are looked up */
		struct table { struct ibv_mr *(*ibv_reg_mr_ex)(struct ibv_pd *, struct ibv_mr_init_attr *); };

		int main(void)
		{
			struct table table = { ibv_reg_mr_ex };
			const char *name = TEXT(ibv_reg_mr_ex);

			if (table.ibv_reg_mr_ex != fails || name[0] != 'i')
				return 1;
			return program(NULL, 32000000) == -EOPNOTSUPP ? 0 : 2;
		}
	PROGRAM
} >"$dir/program.c"
cp "$dir/program.c" "$dir/program.cc"

try() { # COMPILER STANDARD FILE OPTION...
	"$1" -std="$2" -D_GNU_SOURCE -Wall -Wextra -Werror "${@:4}" -I"$include" -o "$dir/program" "$dir/$3"
	"$dir/program"
	echo "ok: ${1##*/} -std=$2"
}
try "$cc" c11 program.c
try "$cc" c2x program.c
if command -v c++ >/dev/null; then
	try c++ c++20 program.cc -Wno-missing-field-initializers
else
	echo "NOT CHECKED: C++, without a C++ compiler"
fi
