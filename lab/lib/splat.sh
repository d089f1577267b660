# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Patterns of kernel errors and warnings in a console log.

splat_patterns() {
	cat <<-'END'
		\bBUG\b
		\bWARNING:
		\bOops\b
		Kernel panic
		general protection fault
		[Uu]nable to handle
		\b(KASAN|KFENCE|KCSAN|KMSAN|UBSAN)\b
		refcount_t:
		(list_add|list_del) corruption
		possible (circular|recursive|irq)
		inconsistent lock state
		suspicious RCU usage
		bad (unlock balance|page state)
		DEBUG_LOCKS_WARN_ON
		INFO: task .* blocked for more than
		INFO: rcu_.*(stall|detected)
		INFO: trying to register non-static key
		soft lockup
		scheduling while atomic
		[Ss]leeping function called from invalid context
		new suspected memory leaks
		DMA-API: .*(error|leak|free|overlap)
		Out of memory: Killed
	END
}

# splat_show CONSOLE: true if the kernel reported a problem, which is printed to stderr
splat_show() {
	local console=$1 first from
	first=$(grep -anE -m1 -f <(splat_patterns) "$console" | cut -d: -f1) || return 1
	[[ -n $first ]] || return 1
	from=$((first > 3 ? first - 3 : 1))
	sed -n "$from,$((from + 59))p" "$console" >&2
}
