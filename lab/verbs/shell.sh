# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: a shell in the machine

verb_shell() {
	vm_options "$@"
	[[ -t 0 && -t 1 ]] || usage_error "shell: needs a terminal (use run)"
	VM_INTERACTIVE=1
	VM_TIMEOUT=1000000
	vm_run
}
