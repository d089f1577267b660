#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Install into an empty prefix, then build and run a program in C and one in C++
# with only the options of pkg-config.
# usage: check-install.sh SOURCE_DIR CMAKE CC
set -euo pipefail

source=$1 cmake=$2 cc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
prefix=$dir/prefix

# says PATTERN COMMAND...: not grep -q, which exits at the first hit and breaks the writer's pipe
says() { "${@:2}" | grep -e "$1" >/dev/null; }

"$cmake" -S "$source" -B "$dir/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_INSTALL_PREFIX="$prefix" \
	-DHUGEODP_EXAMPLES=OFF -DHUGEODP_UNIT_TESTS=OFF -DHUGEODP_STATIC=ON >"$dir/log" || { cat "$dir/log"; exit 1; }
"$cmake" --build "$dir/build" >"$dir/log" || { cat "$dir/log"; exit 1; }
"$cmake" --install "$dir/build" >"$dir/log" || { cat "$dir/log"; exit 1; }

pc=$(find "$prefix" -name libhugeodp.pc)
libdir=$(dirname "$(find "$prefix" -name libhugeodp.so)")
export PKG_CONFIG_PATH=${pc%/*}
echo "version $(pkg-config --modversion libhugeodp)"
read -ra flags < <(pkg-config --cflags --libs libhugeodp)

cat >"$dir/consumer.c" <<'PROGRAM'
#include <infiniband/hugeodp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct ibv_mr_init_attr_odp request = { 0 };
	struct ibv_pd pd = { 0 };
	char text[HUGEODP_PAGE_SIZES_TEXT];
	uint64_t sizes;

	/* refused for its missing address, without any device */
	request.base.comp_mask = IBV_REG_MR_MASK_ODP;
	request.base.access = IBV_ACCESS_ON_DEMAND;
	if (ibv_reg_mr_ex(&pd, &request.base) || errno != EINVAL)
		return 1;
	if (ibv_query_mr_odp(NULL, NULL, 0) != EINVAL)
		return 2;
	if (ibv_query_device_odp(NULL, NULL, 0) != EINVAL)
		return 3;
	if (ibv_modify_mr_odp(NULL, 0, 1u << 31) != EINVAL)
		return 4;
	if (ibv_probe_odp_range(NULL, NULL, 0, 0, NULL, 0) != EINVAL)
		return 5;
	if (!*ibv_odp_reason_str(IBV_ODP_REASON_HOLE))
		return 6;
	if (hugeodp_parse_page_sizes("2M|base", &sizes) ||
	    sizes != (IBV_PAGE_SIZE_2M | IBV_PAGE_SIZE_BASE))
		return 7;
	if (hugeodp_format_page_sizes(IBV_PAGE_SIZE_2M, text, sizeof(text)) || strcmp(text, "2M"))
		return 8;
	puts(ibv_mr_page_shift ? "runs" : "");
	return 0;
}
PROGRAM
sed 's/{ 0 }/{}/' "$dir/consumer.c" >"$dir/consumer.cc"

"$cc" -std=c11 -Wall -Wextra -Wno-address -Werror -o "$dir/consumer" "$dir/consumer.c" "${flags[@]}"
LD_LIBRARY_PATH=$libdir "$dir/consumer"
says ' U hugeodp_reg_mr_ex@HUGEODP_1\.0$' nm -D "$dir/consumer"
says 'NEEDED.*\[libhugeodp\.so\.1\]' readelf -d "$dir/consumer"
echo "ok: C program"

# libraries in the other order, so that libibverbs' function of the same name is found first
"$cc" -std=c11 -Wno-address -o "$dir/other-order" "$dir/consumer.c" -libverbs "${flags[@]}"
LD_LIBRARY_PATH=$libdir "$dir/other-order"
says ' U hugeodp_reg_mr_ex@HUGEODP_1\.0$' nm -D "$dir/other-order"
echo "ok: C program, libibverbs first"

# the static library, with the shared libibverbs and with that of rdma-core
[ "$(nm --defined-only -g "$libdir/libhugeodp.a" | sed -nE 's/^[0-9a-f]+ . //p' | sort)" = \
	"$(nm -D --defined-only "$libdir/libhugeodp.so" | sed -nE 's/.* T (.*)@@HUGEODP_.*/\1/p' |
		grep -vx ibv_reg_mr_ex | sort)" ]
echo "ok: the static library defines what the shared one exports, and nothing else"
read -ra static_flags < <(pkg-config --cflags --libs libibverbs)
"$cc" -std=c11 -Wno-address -I"$prefix/include" -o "$dir/static" "$dir/consumer.c" "$libdir/libhugeodp.a" \
	"${static_flags[@]}"
"$dir/static"
[ "$(readelf -d "$dir/static" | grep -c 'NEEDED.*libhugeodp')" = 0 ]
echo "ok: C program with the static library"
if [ -e "$(pkg-config --variable=libdir libibverbs)/libibverbs.a" ]; then
	read -ra static_flags < <(pkg-config --static --cflags --libs libhugeodp)
	"$cc" -static -std=c11 -Wno-address -o "$dir/all-static" "$dir/consumer.c" "${static_flags[@]}" \
		2>"$dir/log" || { cat "$dir/log"; exit 1; }
	"$dir/all-static"
	[ "$(readelf -l "$dir/all-static" | grep -c INTERP)" = 0 ]
	echo "ok: C program that is linked statically"
else
	echo "NOT CHECKED: a program that is linked statically, without libibverbs.a"
fi

if command -v c++ >/dev/null; then
	c++ -std=c++17 -Wall -Wextra -Wno-address -Werror -o "$dir/consumer-cc" "$dir/consumer.cc" \
		"${flags[@]}"
	LD_LIBRARY_PATH=$libdir "$dir/consumer-cc"
	echo "ok: C++ program"
else
	echo "NOT CHECKED: C++, without a C++ compiler"
fi

cat >"$dir/CMakeLists.txt" <<'PROJECT'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(hugeodp 0.1 REQUIRED)
add_executable(by-cmake consumer.c)
target_compile_options(by-cmake PRIVATE -Wno-address)
target_link_libraries(by-cmake PRIVATE hugeodp::hugeodp)
add_executable(by-cmake-static consumer.c)
target_compile_options(by-cmake-static PRIVATE -Wno-address)
target_link_libraries(by-cmake-static PRIVATE hugeodp::hugeodp-static)
PROJECT
for step in "-S $dir -B $dir/by-cmake -DCMAKE_C_COMPILER=$cc -DCMAKE_PREFIX_PATH=$prefix" "--build $dir/by-cmake"; do
	read -ra arguments <<<"$step"
	env -u PKG_CONFIG_PATH "$cmake" "${arguments[@]}" >"$dir/log" || { cat "$dir/log"; exit 1; }
done
"$dir/by-cmake/by-cmake"
"$dir/by-cmake/by-cmake-static"
echo "ok: C program, with find_package()"

# the library links to libibverbs itself, so that programs need not
says 'NEEDED.*\[libibverbs\.so\.1\]' readelf -d "$libdir/libhugeodp.so"
[ "$(readelf -d "$libdir/libhugeodp.so" | grep -c 'SONAME.*\[libhugeodp\.so\.1\]')" = 1 ]
echo "ok: library"

preload=$libdir/hugeodp/libhugeodp-preload.so
[ "$("$prefix/bin/hugeodp" run -- env | sed -n 's/^LD_PRELOAD=//p' | xargs realpath)" = \
	"$(realpath "$preload")" ]
# the library exports exactly the interposed functions, with libibverbs' versions, and what libhugeodp
# calls
[ "$(nm -D --defined-only "$preload" | sed -nE 's/.* T (.*)@@IBVERBS_/\1 /p' | sort | tr '\n' ' ')" = \
	"ibv_dereg_mr 1.1 ibv_reg_mr 1.1 ibv_reg_mr_ex 1.15 ibv_reg_mr_iova 1.7 ibv_reg_mr_iova2 1.8 ibv_rereg_mr 1.1 " ]
others='hugeodp_preload_reg_mr_ex@@HUGEODP_PRELOAD_1.0 hugeodp_preload_requested@@HUGEODP_PRELOAD_1.0 '
[ "$(uname -m)" != x86_64 ] || others="dlsym dlvsym $others"
[ "$(nm -D --defined-only "$preload" | sed -nE '/@@IBVERBS_/d; s/.* [^A] //p' | sort | tr '\n' ' ')" = "$others" ]
# a dependency of a preloaded object takes the place of the copy that the program would load
[ "$(readelf -d "$preload" | grep -c 'NEEDED.*\[libibverbs')" = 0 ]
[ -s "$prefix/share/bash-completion/completions/hugeodp" ]
[ -s "$prefix/share/zsh/site-functions/_hugeodp" ]
[ -s "$prefix/share/fish/vendor_completions.d/hugeodp.fish" ]
echo "ok: hugeodp command and preloaded library"

if command -v pandoc >/dev/null; then
	for page in man1/hugeodp.1 man3/ibv_reg_mr_ex.3hugeodp man3/ibv_mr_page_shift.3hugeodp man7/hugeodp.7 man7/hugeodp-tutorial.7; do
		[ -s "$(find "$prefix" -path "*/$page")" ]
	done
	echo "ok: manual pages"
else
	echo "NOT CHECKED: manual pages, without pandoc"
fi
