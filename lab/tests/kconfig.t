#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The configuration check prints every option whose value differs from the requested one.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kconfig.sh
source "$(dirname "$LAB")/lib/kconfig.sh"

config=$TAP_DIR/config fragment=$TAP_DIR/fragment later=$TAP_DIR/later

check() {
	STATUS=0
	OUT=$(kconfig_check "$config" "$@" | sort) || STATUS=$?
}

printf '%s\n' CONFIG_A=y CONFIG_N=8 '# CONFIG_OFF is not set' 'CONFIG_S="x=y z"' >"$config"
printf '%s\n' '# a comment' CONFIG_A=y CONFIG_N=8 '# CONFIG_OFF is not set' \
	'# CONFIG_UNKNOWN is not set' 'CONFIG_S="x=y z"' >"$fragment"
check "$fragment"
is 'all as wanted' "$STATUS:$OUT" 0:

printf '%s\n' CONFIG_GONE=y '# CONFIG_A is not set' CONFIG_N=9 >"$fragment"
check "$fragment"
is 'status' "$STATUS" 1
is 'each named' "$OUT" 'CONFIG_A: wanted n, got y
CONFIG_GONE: wanted y, got n
CONFIG_N: wanted 9, got 8'

printf '%s\n' CONFIG_A=y CONFIG_N=8 >"$later"
printf '%s\n' '# CONFIG_A is not set' CONFIG_N=9 >"$fragment"
check "$fragment" "$later"
is 'later fragments win' "$STATUS:$OUT" 0:
done_testing
