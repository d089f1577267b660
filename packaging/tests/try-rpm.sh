#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests the installed RPMs of this project, as far as no device is needed. usage:
# try-rpm.sh library|program|tool|preload|python|pages|completion
set -euo pipefail

libdir=$(rpm --eval '%{_libdir}')
# the directories that an RPM-based system searches by default
export LD_LIBRARY_PATH=$libdir PKG_CONFIG_PATH=$libdir/pkgconfig
sitearch=$(echo "$libdir"/python3.*/site-packages)
export PYTHONPATH=$sitearch PYTHONDONTWRITEBYTECODE=1
cd "$(mktemp -d)"

compile() {
	# shellcheck disable=SC2046 # several words
	cc -Wall -Wextra -Werror -o "$1" "$2" $(pkg-config --cflags --libs libhugeodp)
}

try_library() {
	readelf -d "$libdir/libhugeodp.so" | grep 'SONAME.*\[libhugeodp\.so\.1\]'
	[[ $(readlink -f "$libdir/libhugeodp.so.1") == "$libdir"/libhugeodp.so.1.* ]]
}

try_program() {
	cat >program.c <<-'END'
		#include <errno.h>
		#include <stdio.h>
		#include <infiniband/hugeodp.h>

		int main(void)
		{
			struct ibv_mr_init_attr_odp request = { 0 };
			struct ibv_pd pd = { 0 };

			/* refused for its missing address, without any device */
			request.base.comp_mask = IBV_REG_MR_MASK_ODP;
			request.base.access = IBV_ACCESS_ON_DEMAND;
			if (ibv_reg_mr_ex(&pd, &request.base) || errno != EINVAL)
				return 1;
			return puts(ibv_odp_reason_str(IBV_ODP_REASON_HOLE)) < 0;
		}
	END
	compile program program.c
	./program | grep .
	ldd ./program | grep -F "libhugeodp.so.1 => $libdir/libhugeodp.so.1 "
	nm -D ./program | grep ' U hugeodp_reg_mr_ex@HUGEODP_1\.0$'
	compile hello /usr/share/doc/libhugeodp-devel/examples/hello-huge-odp.c
}

try_tool() {
	hugeodp --help | grep '^usage: hugeodp'
	hugeodp explain --json $$ | python3 -m json.tool >/dev/null
}

# the library of the package is preloaded
try_preload() {
	hugeodp run -- cat /proc/self/maps | grep -F "$libdir/hugeodp/libhugeodp-preload.so"
}

try_python() {
	python3 -c 'import hugeodp; print(hugeodp._core.__file__)' | grep "^$sitearch/"
}

# all pages exist, and references to another page are valid
try_pages() {
	local page to
	cd /usr/share/man
	for page in man1/hugeodp.1.gz man3/*.3hugeodp.gz man7/hugeodp.7.gz man7/hugeodp-tutorial.7.gz; do
		to=$(zcat "$page" | sed -n '1s/^\.so //p')
		zcat "${to:-${page%.gz}}.gz" | grep '^\.SH NAME' >/dev/null
	done
}

try_completion() {
	# shellcheck source=/dev/null
	source /usr/share/bash-completion/completions/hugeodp
	complete -p hugeodp
}

"try_$1"
