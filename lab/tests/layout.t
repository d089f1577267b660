#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# kernel/modules/check-layout: modules with another layout of a struct are refused. pahole is
# replaced by a fake.
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
# pahole ... -C STRUCT FILE: the struct as it is written for that file, or for all
struct=${*: -2:1} file=$(basename "${!#}")
cat "$FAKE/$struct.$file" 2>/dev/null || sed "s/NAME/$struct/" "$FAKE/any"
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
done_testing
