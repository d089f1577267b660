#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Build a source distribution and a wheel of the package without a network, import the wheel, and check
# what needs no device: version, help, sizes, memory, errors, types.
# usage: check-wheel.sh SOURCE_DIR BUILD_DIR CMAKE PYTHON
set -euo pipefail

source=$1 build=$2 cmake=$3 python=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PYTHONDONTWRITEBYTECODE=1

for module in build setuptools wheel Cython pyverbs; do
	"$python" -c "import $module" 2>/dev/null || {
		echo "NOT CHECKED: the wheel, without the Python module $module"
		exit 77
	}
done

DESTDIR=$dir/stage "$cmake" --install "$build" >"$dir/log" || { cat "$dir/log"; exit 1; }
pc=$(find "$dir/stage" -name libhugeodp.pc)
libdir=$(dirname "$(find "$dir/stage" -name libhugeodp.so)")
# the paths in the file are those of the prefix
sed -E -i "s,^(prefix|libdir|includedir)=,&$dir/stage," "$pc"

mkdir "$dir/source"
cp -r "$source/pyverbs" "$dir/source"
cp "$source/CMakeLists.txt" "$dir/source"
version=$(sed -nE 's/^\tVERSION ([0-9.]+)$/\1/p' "$source/CMakeLists.txt")

# quietly COMMAND...: output only if it fails
quietly() { "$@" >"$dir/log" 2>&1 || { cat "$dir/log"; return 1; }; }

cd "$dir"
PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=$dir/none quietly \
	"$python" -m build --no-isolation --sdist --outdir "$dir/dist" source/pyverbs
[ -s "dist/hugeodp-$version.tar.gz" ]
echo "ok: source distribution, without the library"

# from the source distribution alone
tar -xf "dist/hugeodp-$version.tar.gz"
if PKG_CONFIG_LIBDIR=$dir/none "$python" -m build --no-isolation --wheel "hugeodp-$version" \
	>"$dir/log" 2>&1; then
	echo "not ok: built without the library"
	exit 1
fi
grep -q "install libhugeodp with its headers first" "$dir/log"
echo "ok: a message without the library"
PKG_CONFIG_PATH=${pc%/*} quietly \
	"$python" -m build --no-isolation --wheel --outdir "$dir/dist" "hugeodp-$version"
"$python" -m zipfile -e dist/hugeodp-"$version"-*.whl "$dir/installed"
[ -e installed/hugeodp/py.typed ]
[ ! -e installed/hugeodp/_core.c ]
grep -qx "Version: $version" installed/hugeodp-"$version".dist-info/METADATA
echo "ok: wheel"

export LD_LIBRARY_PATH=$libdir PYTHONPATH=$dir/installed
"$python" "$source/pyverbs/tests/test_package.py" "$version"
if "$python" -c 'import mypy' 2>/dev/null; then
	(cd "$dir/source/pyverbs" && "$python" -m mypy --strict --cache-dir="$dir/cache")
	cat >"$dir/program.py" <<-'PROGRAM'
		import hugeodp
		from pyverbs.pd import PD

		def register(pd: PD) -> int:
		    memory = hugeodp.alloc(1 << 21, "2M|base", populate=True, node=0)
		    memory[0] = memory[1:][0]
		    with hugeodp.MR(pd, memory, page_sizes="2M|base") as mr:
		        shift: int = mr.page_shift
		        state: hugeodp.State = mr.modify(4 << 10)
		        shift += hugeodp.prefetch(mr, write=True, progress=lambda done: done > 1)
		    try:
		        with hugeodp.MR(pd, memory, pinned=True, max_entries=1, iova=0) as mr:
		            shift += mr.iova + mr.pages.entries
		    except hugeodp.HugeOdpError as e:
		        shift += e.entries or 0
		    return shift + state.page_size
	PROGRAM
	MYPYPATH=$dir/installed "$python" -m mypy --strict --ignore-missing-imports \
		--cache-dir="$dir/cache" "$dir/program.py"
	echo "ok: types"
else
	echo "NOT CHECKED: types, without mypy"
fi
