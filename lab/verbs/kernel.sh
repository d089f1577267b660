# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: make kernels now that later machines boot: kernel [NAME...] (debian)

verb_kernel() {
	local name
	[[ $# != 0 ]] || set -- debian
	for name; do
		kernel_check_name "$name"
	done
	run_dir_create
	for name; do
		kernel_require "$name"
	done
}
