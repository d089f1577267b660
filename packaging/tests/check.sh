# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# TAP for the tests of installed packages.

tests=0
bad=0

# check NAME COMMAND...
check() {
	local name=$1
	shift
	tests=$((tests + 1))
	if "$@"; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		bad=$((bad + 1))
	fi
}

# refuses WORD COMMAND...: the command fails with a message that contains WORD
refuses() {
	local word=$1 said
	shift
	! said=$("$@" 2>&1) && grep -q -e "$word" <<<"$said"
}

# At the end: the number of tests; true if all have passed
checked() {
	echo "1..$tests"
	[[ $bad == 0 ]]
}
