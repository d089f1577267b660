# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: a real file through a huge-page ODP MR, checked and counted

# Enough to see the ratio, and done in seconds under emulation
DEMO_MIB=32

verb_demo() {
	[[ $# == 0 ]] || usage_error "demo takes no arguments"
	# the source is what the other lab fetches first, and a kernel takes longer than a root
	run_dir_create
	kernel_ahead debian
	root_require
	source_require
	vm_options --share "$SOURCE/archive" --timeout 1800 -- \
		/usr/libexec/hugeodp/examples/demo "/mnt/share/$SOURCE_PACKAGE.tar.xz" "$DEMO_MIB"
	vm_run
}
