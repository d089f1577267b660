#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# kernel/modules/check-layout: modules with another layout of a struct are refused. pahole is
# replaced by a fake. kernel/modules/build: other kernels are refused.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

CHECK=$(dirname "$LAB")/../kernel/modules/check-layout
export FAKE=$TAP_DIR/types
mkdir -p "$TAP_DIR"/{bin,kdir,modules/net,out,types}
touch "$TAP_DIR/kdir/vmlinux" "$TAP_DIR/modules/ib_core.ko" "$TAP_DIR/modules/ib_uverbs.ko"
xz <"$TAP_DIR/kdir/vmlinux" >"$TAP_DIR/modules/net/mlx5_core.ko.xz"
cat >"$TAP_DIR/bin/pahole" <<'END'
#!/bin/bash
# pahole -C STRUCT,... ... FILE: the structs as they are written for that file, or for all
file=$(basename "${!#}")
for struct in ${2//,/ }; do
	cat "$FAKE/$struct.$file" 2>/dev/null || sed "s/NAME/$struct/" "$FAKE/any"
done
exit 1
END
chmod +x "$TAP_DIR/bin/pahole"
cat >"$FAKE/any" <<'END'
struct NAME {
	int                        first;                /*     0     4 */
	struct mutex               lock __attribute__((__aligned__(8))); /*     8    32 */
	u32                        table[4][2];          /*    40    32 */

	/* size: 72, cachelines: 2, members: 3 */
};
END

# layout: sets STATUS and ERR
layout() {
	STATUS=0
	PATH=$TAP_DIR/bin:$PATH "$CHECK" "$TAP_DIR/kdir" "$TAP_DIR/modules" "$TAP_DIR/out" \
		>"$TAP_DIR/out.txt" 2>"$TAP_DIR/err" || STATUS=$?
	ERR=$(<"$TAP_DIR/err")
}

layout
is 'the same layouts: status' "$STATUS" 0
ok 'the same layouts: counted' grep -q '^check-layout: [1-9][0-9]* structs' "$TAP_DIR/out.txt"

# attributes that BTF does not have do not count
sed -e 's/ __attribute__.*; / ; /' -e 's/\[4\]\[2\]/[8]/' -e 's/NAME/ib_mr/' "$FAKE/any" >"$FAKE/ib_mr.ib_core.ko"
layout
is 'alignments and dimensions: status' "$STATUS" 0

sed -e 's/NAME/ib_mr/' -e 's/    40    32/    48    32/' "$FAKE/any" >"$FAKE/ib_mr.ib_core.ko"
layout
is 'a member elsewhere: status' "$STATUS" 1
ok 'a member elsewhere: the struct is named' grep -q 'struct ib_mr of .* is not that of ib_core' <<<"$ERR"
rm "$FAKE/ib_mr.ib_core.ko"

sed -e 's/NAME/ib_device_ops/' -e 's/size: 72/size: 80/' "$FAKE/any" >"$FAKE/ib_device_ops.rdma_rxe.ko"
layout
is 'a struct that is longer: status' "$STATUS" 1
: >"$FAKE/ib_device_ops.rdma_rxe.ko"
layout
ok 'a struct that is not there' grep -q 'rdma_rxe has no struct ib_device_ops' <<<"$ERR"
rm "$FAKE/ib_device_ops.rdma_rxe.ko"

rm "$TAP_DIR/modules/net/mlx5_core.ko.xz"
layout
ok 'a module of the kernel that is not there' grep -q 'no module mlx5_core' <<<"$ERR"
rm "$TAP_DIR/kdir/vmlinux"
layout
ok 'no types of the kernel' grep -q 'vmlinux' <<<"$ERR"

# build RELEASE SOURCE: sets STATUS and ERR
build() {
	STATUS=0
	mkdir -p "$TAP_DIR/kdir/include/generated" "$TAP_DIR/source"/{drivers/infiniband/{sw/rxe,hw/mlx5,core},include/{,uapi/}rdma}
	echo "#define UTS_RELEASE \"$1\"" >"$TAP_DIR/kdir/include/generated/utsrelease.h"
	printf '%s\n' "VERSION = ${2%%.*}" "PATCHLEVEL = $(cut -d. -f2 <<<"$2")" "SUBLEVEL = ${2##*.}" >"$TAP_DIR/source/Makefile"
	touch "$TAP_DIR/source"/{drivers/infiniband/core/umem_odp.c,include/rdma/ib_umem_odp.h,include/uapi/rdma/ib_user_ioctl_{cmds,verbs}.h}
	"$(dirname "$CHECK")/build" "$TAP_DIR/source" "$TAP_DIR/kdir" "$TAP_DIR/modules" "$TAP_DIR/built" \
		>/dev/null 2>"$TAP_DIR/err" || STATUS=$?
	ERR=$(<"$TAP_DIR/err")
}

build 7.1.13+deb13-amd64 7.1.13
is 'a kernel without modules' "$STATUS:$ERR" \
	'1:build: there are modules for Linux 7.2 and 7.3, not for 7.1.13+deb13-amd64'
build 7.2.12+deb13-amd64 7.2.11
is 'the source of another release' "$STATUS:$ERR" \
	'1:build: the source is that of Linux 7.2.11, the headers are those of 7.2.12+deb13-amd64'
build 7.2.12+deb13-amd64 7.2.12
ok 'a source of other content: status' test "$STATUS" != 0
ok 'a source of other content: the patch is named' \
	grep -q '^build: [0-9].*\.patch does not apply: this source is not the one' <<<"$ERR"
ok 'no module is left' test ! -e "$TAP_DIR/built"

exclusive=$(sed -n 's/^BUILD_EXCLUSIVE_KERNEL="\(.*\)"$/\1/p' "$(dirname "$LAB")/../packaging/debian/hugeodp-dkms.dkms")
is 'the kernels that DKMS builds for' "$(
	for release in 7.{1.13,2.6,2.9,2.12,3.4,20.1}+deb13{,-cloud,-rt}-amd64 7.2.12+deb14-amd64; do
		[[ ! $release =~ $exclusive ]] || echo "$release"
	done | paste -sd' '
)" '7.2.9+deb13-amd64 7.2.12+deb13-amd64 7.3.4+deb13-amd64 7.2.12+deb14-amd64'
done_testing
