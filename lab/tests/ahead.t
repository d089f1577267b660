#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The kernel that another lab makes while this one makes the root. The other lab is a fake.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

lab kernel vanilla
is 'an unknown kernel: status' "$STATUS" 2
ok 'an unknown kernel: the names of all' grep -q "unknown kernel 'vanilla': there are stock " <<<"$ERR"

REAL=$(dirname "$LAB")
LAB_DIR=$TAP_DIR/lab
mkdir -p "$LAB_DIR"
cp -r "$REAL/lib" "$REAL/packages" "$LAB_DIR/"
for part in common cache progress root debian kernel; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/lib/$part.sh"
done
CACHE_DIR=$TAP_DIR/cache
host_require() { :; }

# ahead BODY...: what is printed while a fake lab with this body makes a kernel; sets STATUS
ahead() {
	printf '%s\n' '#!/bin/bash' "$@" >"$LAB_DIR/lab"
	chmod +x "$LAB_DIR/lab"
	STATUS=0
	(
		set -e
		RUN_DIR=$TAP_DIR AHEAD_PID=''
		kernel_ahead debian
		echo 'the root' >&2
		kernel_ahead_finish
		echo 'the machine' >&2
	) 2>"$TAP_DIR/err" &
	wait "$!" || STATUS=$?
	ERR=$(<"$TAP_DIR/err")
}

# until_printed TEXT: lines of the fake that end when this lab has printed TEXT, so both run at the same time
until_printed() {
	echo "for ((i = 0; i < 100; i++)); do ! grep -q '$1' '$TAP_DIR/err' || break; sleep 0.1; done
		((i < 100)) || exit 1"
}

# shellcheck disable=SC2016 # expanded by the fake
MADE='echo "lab: $1 $2 made" >&2'
ahead "$(until_printed 'the root')" "$MADE"
is 'no root: another lab, at the same time' "$STATUS:$ERR" '0:the root
lab: kernel debian made
the machine'

# shellcheck disable=SC2034 # of progress.sh
PROGRESS_S=0.2
ahead 'echo "lab: building" >&2' "$(until_printed 'waiting for the kernel')" "$MADE"
ok 'progress' grep -q '^lab: waiting for the kernel: 0 min, building$' <<<"$ERR"

ahead 'echo "lab: no such mirror" >&2' 'exit 1'
is 'it fails: status, and no machine' "$STATUS:$(grep -c machine <<<"$ERR")" 1:0
ok 'it fails: why' grep -q 'no such mirror' <<<"$ERR"

mkdir -p "$CACHE_DIR/root/$(root_key)"
ahead 'echo "lab: not needed" >&2'
is 'with a root: no other lab' "$STATUS:$ERR" '0:the root
the machine'
done_testing
