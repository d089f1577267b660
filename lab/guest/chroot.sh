#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Runs a command in another root file system, with the machine's kernel and devices.
# Changes to it are discarded afterwards. usage: chroot.sh ROOT COMMAND...
set -euo pipefail

root=$1
shift
mkdir -p /run/other/rw /run/other/root
mount -t tmpfs tmpfs /run/other/rw
mkdir /run/other/rw/{upper,work}
cd /run/other/root
mount -t overlay -o "lowerdir=$root,upperdir=/run/other/rw/upper,workdir=/run/other/rw/work" \
	overlay .
cd "$PWD"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs run
exec chroot . "$@"
