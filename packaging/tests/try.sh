#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests the installed packages of this project on a kernel with the series, as a new user would. Run
# it in a root without any other file of this project. Writes TAP, with the output of Python's
# unittest in between.
# usage: try.sh SOURCE (contains README.md, the tests of the Python package, and the test of the
# tutorial with its page)
set -uo pipefail

source=$1
# shellcheck source-path=SCRIPTDIR source=check.sh
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

# compile PROGRAM FILE: with the command of README.md
compile() {
	# shellcheck disable=SC2046 # several words
	cc -o "$1" "$2" $(pkg-config --cflags --libs libhugeodp)
}

# The program of README.md, completed
readme_program() {
	cat <<-'END'
		#include <stdio.h>
	END
	# shellcheck disable=SC2016 # not a command
	sed -n '/^```c$/,/^```$/p' "$source/README.md" | grep '^#include'
	cat <<-'END'
		static int shift_of(struct ibv_pd *pd, size_t length)
		{
	END
	# shellcheck disable=SC2016 # not a command
	sed -n '/^```c$/,/^```$/p' "$source/README.md" | grep -v -e '^```' -e '^#include'
	cat <<-'END'
			return mr ? shift : -1;
		}

		int main(void)
		{
			size_t length = 16 << 20;
			struct ibv_device **list = ibv_get_device_list(NULL);
			struct ibv_context *ctx = list && list[0] ? ibv_open_device(list[0]) : NULL;
			struct ibv_pd *pd = ctx ? ibv_alloc_pd(ctx) : NULL;

			if (!pd)
				return 1;
			printf("%d\n", shift_of(pd, length));
			return 0;
		}
	END
}

readme() {
	readme_program >readme.c && compile readme readme.c && [[ $(./readme) == 21 ]]
}

hello() {
	compile hello /usr/share/doc/libhugeodp-dev/examples/hello-huge-odp.c &&
		[[ $(./hello) == *'in pages of 2048 KiB' ]]
}

# The same with libhugeodp.a and the shared libibverbs
static() {
	local archive
	archive=$(pkg-config --variable=libdir libhugeodp)/libhugeodp.a
	# shellcheck disable=SC2046 # several words
	cc -o static readme.c "$archive" $(pkg-config --cflags --libs libibverbs) &&
		[[ $(readelf -d static) != *libhugeodp* && $(./static) == 21 ]]
}

# The program uses the library of these packages
library() {
	local file
	file=$(realpath "$(ldd ./readme | awk '/libhugeodp/ { print $3 }')")
	[[ $(dpkg -S "$file") == libhugeodp1:* ]]
}

pages() {
	local page
	for page in 7/hugeodp.7 7/hugeodp-tutorial.7 3/ibv_reg_mr_ex.3hugeodp 3/ibv_mr_page_shift.3hugeodp; do
		[[ -n $(zcat "/usr/share/man/man$page.gz") ]] || return 1
	done
}

tool() {
	local device
	device=$(echo /sys/class/infiniband/*)
	device=${device%% *}
	[[ $(hugeodp info) == *"${device##*/}"* && $(hugeodp run -- ./readme) == 21 ]] &&
		hugeodp info --json | python3 -m json.tool >/dev/null
}

# Its own points are comments here
tutorial() { "$source/tutorial/tutorial.sh" 2>&1 | sed 's/^/# /'; }

python() { (cd "$source/pyverbs/tests" && python3 -B ./test_hugeodp.py -v) 2>&1; }

removed() {
	dpkg --purge python3-hugeodp hugeodp-tools libhugeodp-dev libhugeodp1 hugeodp-kernel-source &&
		[[ -z $(find /usr /etc /var/lib/dpkg/info -name '*hugeodp*') ]]
}

cd "$(mktemp -d)" || exit
check "the program of README.md" readme
check "the library is the one of the package" library
check "the static library" static
check "the example" hello
check "manual pages" pages
check "the command" tool
check "the tutorial, word for word" tutorial
check "the tests of the Python package" python
check "removed without a trace" removed
checked
