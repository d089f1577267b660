# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: run a command in the machine as root; returns its exit status

verb_run() {
	vm_options "$@"
	[[ ${#VM_ARGV[@]} != 0 ]] || usage_error "run: no command given"
	vm_run
}
