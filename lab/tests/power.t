#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# A power cut of the cache's file system: what was added before is complete, and a tree that was in use is
# built from scratch. The file system is made to forget what is not on its disk (FS_IOC_SHUTDOWN).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
DISK=$TAP_DIR/disk
FILES=20
# seconds after which the journal has the names of new files, and not yet their content
COMMIT_S=2

disk_mount() { mount -o loop,commit=1 "$TAP_DIR/image" "$DISK"; }

disk_make() {
	truncate -s 128M "$TAP_DIR/image"
	mkfs.ext4 -q "$TAP_DIR/image"
	mkdir "$DISK"
	disk_mount
}

# With the flag 2 (NOLOGFLUSH) nothing more is written to the disk
power_cut() {
	python3 -c '
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))' "$DISK"
	umount "$DISK"
	disk_mount
}

# fill DIR: files that are not empty
fill() {
	local i
	mkdir -p "$1"
	for ((i = 0; i < FILES; i++)); do
		head -c 100000 /dev/zero >"$1/$i"
	done
}

# files DIR: how many files there are, and how many have their content
files() {
	echo "$(find "$1" -type f 2>/dev/null | wc -l)" "$(find "$1" -type f -size 100000c 2>/dev/null | wc -l)"
}

if [[ $EUID != 0 ]] || ! disk_make 2>"$TAP_DIR/why"; then
	echo "1..0 # SKIP a loop device needs root: $(tail -n 1 "$TAP_DIR/why" 2>/dev/null)"
	exit 0
fi
trap 'umount "$DISK" || true; rm -rf -- "$TAP_DIR"' EXIT

for part in common cache progress; do
	# shellcheck source=/dev/null
	source "$(dirname "$LAB")/lib/$part.sh"
done
CACHE_DIR=$DISK/cache RUN_DIR=$DISK/cache/run BOOT_ID=$TAP_DIR/boot
echo first >"$BOOT_ID"

fill "$DISK/control"
sleep "$COMMIT_S"
power_cut
is 'the disk: files that nobody synchronized are there without their content' "$(files "$DISK/control")" \
	"$FILES 0"

fill "$RUN_DIR/new"
cache_add "$CACHE_DIR/image/one"
sleep "$COMMIT_S"
power_cut
is 'an entry: complete' "$(files "$CACHE_DIR/image/one")" "$FILES $FILES"

tree=$CACHE_DIR/kernel/one
tree_open "$tree"
fill "$tree/src"
sleep "$COMMIT_S"
tree_open "$tree" 2>"$TAP_DIR/err"
is 'a tree whose build was interrupted: used again' "$(files "$tree")$(<"$TAP_DIR/err")" "$FILES $FILES"
power_cut
echo second >"$BOOT_ID"
is 'a tree whose build was cut: files without content' "$(files "$tree")" "$FILES 0"
tree_open "$tree" 2>"$TAP_DIR/err"
is '... is built from scratch' "$(files "$tree")" '0 0'
is '... and the user reads why' "$(<"$TAP_DIR/err")" \
	"lab: the host restarted during a build in $tree, which starts from scratch"

fill "$tree/src"
tree_close "$tree"
sleep "$COMMIT_S"
power_cut
echo third >"$BOOT_ID"
tree_open "$tree" 2>"$TAP_DIR/err"
is 'a tree whose build was complete: used again' "$(files "$tree")$(<"$TAP_DIR/err")" "$FILES $FILES"
done_testing
