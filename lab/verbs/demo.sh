# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: a real file through a huge-page ODP MR, checked and counted

verb_demo() {
	[[ $# == 0 ]] || usage_error "demo takes no arguments"
	source_require
	vm_options --share "$SOURCE/archive" --timeout 1800 -- \
		/usr/libexec/hugeodp/examples/demo "/mnt/share/$SOURCE_PACKAGE.tar.xz"
	vm_run
}
