#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# What the lab asks of its host: nothing for --help, and one sentence from a host that cannot work.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

# host_only PROGRAM...: a directory for PATH that has these programs of the host and no others
host_only() {
	local program
	rm -rf -- "${TAP_DIR:?}/bin"
	mkdir "$TAP_DIR/bin"
	for program; do
		ln -s "$(command -v "$program")" "$TAP_DIR/bin/$program"
	done
}

# fake NAME <SCRIPT: one more program in that directory
fake() {
	rm -f -- "$TAP_DIR/bin/$1"
	cat >"$TAP_DIR/bin/$1"
	chmod +x "$TAP_DIR/bin/$1"
}

host_only awk basename bash cat dirname env sed
STATUS=0
PATH=$TAP_DIR/bin "$LAB" --help >"$TAP_DIR/out" 2>"$TAP_DIR/err" || STATUS=$?
is 'help without apt-get: status' "$STATUS" 0
is 'help without apt-get: no complaint' "$(cat "$TAP_DIR/err")" ''

fake apt-get <<-END
	#!/bin/bash
	echo called >>"$TAP_DIR/calls"
END
PATH=$TAP_DIR/bin "$LAB" --help >/dev/null
ok 'help does not call apt-get' test ! -e "$TAP_DIR/calls"
done_testing
