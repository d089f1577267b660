#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests the installed package mlx5-model in a machine whose device is that package's mlx5-model, after
# some traffic. Writes TAP.
set -uo pipefail

# shellcheck source-path=SCRIPTDIR source=check.sh
source "$(dirname "${BASH_SOURCE[0]}")/check.sh"

# The driver also tries a command that the model does not have (MAD_IFC), and does without it
counters() {
	[[ $(mlx5-model-counters commands) -gt $(mlx5-model-counters commands_failed) &&
		$(mlx5-model-counters bytes_sent) -gt 0 && $(mlx5-model-counters strict_reports) == 0 ]]
}

# It makes its sockets, ends at a signal, and leaves the counters
process() {
	local pid status=0
	# the loop may read it before the program has created it
	: >ready
	mlx5-model --strict --socket 0 --socket 1 --stats stats >ready &
	pid=$!
	until [[ $(<ready) == ready ]]; do
		kill -0 "$pid" || return 1
	done
	[[ -S 0 && -S 1 ]] || status=1
	kill "$pid"
	wait "$pid" && [[ $status == 0 && $(grep -c '^commands ' stats) == 2 ]]
}

# grep -q ends at the first match, and a program that still writes to it through a pipe then fails. So it
# reads from a substitution, whose status does not count.

# text PAGE: without the escapes of roff
text() { zcat "/usr/share/man/man1/$1.1.gz" | sed -E 's/\\f(\[[A-Z]*]|[BIR])|\\//g'; }

# Each option has its entry in the manual page
pages() {
	local option program
	grep -q '^\.SH EXAMPLE' < <(text mlx5-model-counters) || return 1
	for program in mlx5-model mlx5-model-replay; do
		for option in $("$program" --help | grep -oE -e '--[a-z]+'); do
			grep -qE -e "(^(\.B )?|, )$option( |,|\$)" < <(text "$program") || {
				echo "# no $option in $program(1)"
				return 1
			}
		done
	done
}

replay() {
	mlx5-model-replay --pattern kv --count 1000 --write kv
	[[ $(mlx5-model-replay --trace kv --pages 2M) == *'"accesses": 1000,'* ]]
}

removed() {
	dpkg --purge mlx5-model && [[ -z $(find /usr /etc /var/lib/dpkg/info -name '*mlx5-model*') ]]
}

cd "$(mktemp -d)" || exit
check "the counters of the device" counters
check "a counter that does not exist is named" refuses "no counter 'none'" mlx5-model-counters none
check "the process" process
check "a wrong option" refuses '^usage: ' mlx5-model --none
check "manual pages" pages
check "a replay" replay
check "the README" zgrep -q 'software mlx5 device' /usr/share/doc/mlx5-model/README.md.gz
check "removed without a trace" removed
checked
