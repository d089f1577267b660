#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The distribution's kernel: the files that are fetched and built for it, and the modules that each
# of its images loads.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

vm() { lab run --mem 1024 --hugepages 16 "$@"; }

# inside KERNEL DEVICE MODULE...: sets OUT to the kernel, the number of active ports, and for each
# module where modprobe finds it and whether the loaded one was built out of the kernel's tree
inside() {
	local kernel=$1 device=$2
	shift 2
	# shellcheck disable=SC2016 # expanded in the machine
	vm --kernel "$kernel" --device "$device" -- bash -euc 'echo "$HUGEODP_KERNEL $(uname -r)"
		ibv_devinfo | grep -c PORT_ACTIVE
		for module in "$@"; do
			tree=in-tree
			! grep -q O /sys/module/$module/taint || tree=out-of-tree
			file=$(modinfo -F filename $module)
			file=${file#*/modules/*/}
			echo "$module ${file%%/*} $tree"
		done' bash "$@"
	OUT=$(sed -E '1s/ 7\.3\.[0-9]+\+deb[0-9]+-amd64$/ RELEASE/' <<<"$OUT")
}

inside debian-stock rxe rdma_rxe veth
is 'debian-stock: the kernel, active ports, its own modules' "$STATUS:$OUT" \
	'0:debian-stock RELEASE
2
rdma_rxe kernel in-tree
veth kernel in-tree'
inside debian-stock mlx5 mlx5_ib ib_ipoib
is 'debian-stock on mlx5' "$STATUS:$OUT" '0:debian-stock RELEASE
1
mlx5_ib kernel in-tree
ib_ipoib kernel in-tree'
inside debian rxe rdma_rxe hugeodp veth
is "debian: our modules, beside the distribution's" "$STATUS:$OUT" '0:debian RELEASE
2
rdma_rxe updates out-of-tree
hugeodp updates out-of-tree
veth kernel in-tree'
inside debian mlx5 mlx5_ib hugeodp ib_uverbs
is 'debian on mlx5' "$STATUS:$OUT" '0:debian RELEASE
1
mlx5_ib updates out-of-tree
hugeodp updates out-of-tree
ib_uverbs kernel in-tree'

vm --kernel debian-stock --device none -- bash -euc 'grep -x "HugePages_Total: *16" /proc/meminfo
	losetup -f; echo "BUG: made up by a test" >/dev/kmsg'
is 'a pool of huge pages, a module on demand, a complaint of the kernel' \
	"$STATUS:$(tr -s ' \n' ' ' <<<"$OUT")" '70:HugePages_Total: 16 /dev/loop0 '

vm --kernel debian-stock --icount --console -- nproc
is 'counted instructions' "$STATUS:$OUT" 0:1
ok 'the console' grep -q 'Linux version 7.3.*-amd64 ' "$TAP_DIR/err"

lab run --kernel vanilla -- true
ok 'an unknown kernel: the names of all' grep -q 'are stock hugeodp debug gcov kcsan debian debian-stock debian-7.2 debian-7.2-stock ' <<<"$ERR"

# The functions of debian.sh, with fake packages and builds
LAB_DIR=$(dirname "$LAB")
TOP_DIR=$TAP_DIR/tree
for part in common cache host progress project packages debian vm; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/lib/$part.sh"
done

apt-cache() {
	local name
	for name in image-7.3.4+deb13 binary-unsigned-7.3.4+deb13 binary-7.3.4+deb13 \
		binary-7.3.4+deb13-rt binary-7.3.4+deb13-cloud; do
		printf 'Package: linux-%s-amd64\nVersion: 7.3.4-1\nDepends: x\n\n' "$name"
	done
	printf 'Package: linux-binary-7.3.5+deb13-amd64\nVersion: 7.3.5-1\n\n'
}
is 'the release of a version' "$(debian_release 7.3.4-1)" 7.3.4+deb13-amd64
is 'of another one' "$(debian_release 7.3.5-1)" 7.3.5+deb13-amd64
is 'of one that is gone' "$(debian_release 7.3.3-1)" ''

# shellcheck disable=SC2034 # of source.sh
SOURCE_VERSION=7.3
# shellcheck disable=SC2154 # of debian.sh
is 'the versions of the kernels' \
	"$(for name in $debian_names; do debian_version "$name"; done | paste -sd' ')" '7.3 7.3 7.2 7.2'

# the key of the modules depends on their sources and on nothing else
mkdir -p "$TOP_DIR"/{kernel/modules,kernel-headers/rdma,lab}
DEBIAN_FILES=$TAP_DIR/stock HEADERS_ROOT=$TAP_DIR/headers
changed() { # NAME yes|no
	local key
	key=$(debian_modules_key)
	is "the key of the modules, after $1" "$([[ $key == "$last" ]] && echo no || echo yes)" "$2"
	last=$key
}
echo 1 >"$TOP_DIR/kernel/modules/build"
last=$(debian_modules_key)
changed nothing no
echo 1 >"$TOP_DIR/lab/packages"
changed 'a file that they are not made of' no
chmod +x "$TOP_DIR/kernel/modules/build"
changed 'the mode of a file' yes
echo 1 >"$TOP_DIR/kernel-headers/rdma/abi.h"
changed 'the interface' yes
HEADERS_ROOT=$TAP_DIR/headers-2
changed 'the headers' yes
DEBIAN_FILES=$TAP_DIR/stock-2
changed "the distribution's kernel" yes
DEBIAN_FILES=$TAP_DIR/stock

# the build, and the image: a copy of the distribution's files gets the modules
mkdir -p "$TAP_DIR/run" "$TAP_DIR/stock/modules/usr/lib/modules/r"
echo r >"$TAP_DIR/stock/release"
RUN_DIR=$TAP_DIR/run
# shellcheck disable=SC2034 # of debian.sh
SOURCE=$TAP_DIR
debian_initramfs() { :; }
root_exec() {
	case $* in
	*depmod*) ;;
	*)
		echo "$*" >"$TAP_DIR/command"
		mkdir "$RUN_DIR/modules/out" && (cd "$RUN_DIR/modules/out" && touch "${BUILT[@]}")
		;;
	esac
}
build() {
	STATUS=0
	BUILT=("$@")
	(
		set -e
		debian_modules_make "$TAP_DIR/modules"
		debian_image_make "$TAP_DIR/new" "$TAP_DIR/modules"
	) 2>"$TAP_DIR/err" &
	wait "$!" || STATUS=$?
}
build hugeodp.ko rdma_rxe.ko mlx5_ib.ko
is 'built: status' "$STATUS" 0
is 'built: in the tree of modules' "$(cd "$TAP_DIR/new/modules/usr/lib/modules/r" && echo */*)" \
	'updates/hugeodp.ko updates/mlx5_ib.ko updates/rdma_rxe.ko'
ok 'built: not in that of the distribution' test ! -e "$TAP_DIR/stock/modules/usr/lib/modules/r/updates"
ok 'built: from the unpacked source' grep -q 'modules/build --keep /run/work/tree /run/source/tree ' "$TAP_DIR/command"
mv "$TOP_DIR" "$TOP_DIR-gone"
# shellcheck disable=SC2034 # of source.sh
SOURCE_PACKAGE=linux-source-7.2
build hugeodp.ko rdma_rxe.ko mlx5_ib.ko
ok 'built: from an archive' \
	grep -q 'modules/build --keep /run/work/tree /run/source/archive/linux-source-7.2.tar.xz ' "$TAP_DIR/command"
mv "$TOP_DIR-gone" "$TOP_DIR"
build hugeodp.ko rdma_rxe.ko
ok 'a module is missing: status' test "$STATUS" != 0
ok 'a module is missing: named' grep -q mlx5_ib.ko "$TAP_DIR/err"

# the debugger
# shellcheck disable=SC2034 # of vm.sh
VM_KERNEL=debian VM_GDB=1234 KERNEL=$TAP_DIR/new
vm_gdb_hint 2>"$TAP_DIR/err"
is 'a debugger: no symbols, and no file that has them' "$(grep -c 'no symbols' "$TAP_DIR/err"):$(
	sed -n 's/.*waiting for: //p' "$TAP_DIR/err")" \
	"1:gdb -ex 'target remote :1234' -ex continue"
done_testing
