#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# perftest.sh ROUNDS: perftest, unmodified, with each kind of memory region in turn, ROUNDS times.
# Prints figures as hugeodp-bench does.
set -euo pipefail

readonly PORT=18515
# mode, memory, options; 2M is what `hugeodp run` makes of perftest's ODP
readonly MODES=(
	'pinned huge --use_hugepages'
	'odp huge --odp --use_hugepages'
	'2M huge --odp --use_hugepages'
)

die() {
	echo "perftest.sh: $*" >&2
	exit 1
}

# 17 s before a packet is resent: by default perftest gives up after half a second
readonly PATIENCE=(-u 22)

readonly ATTEMPTS=5

# Waits until the server with that process ID listens
wait_for_server() {
	until [[ -n $(ss -Hltn "sport = :$PORT") ]]; do
		kill -0 "$1" 2>/dev/null || return 1
	done
}

# both MODE COMMAND...: server and client; the client's output in $dir/client
both() {
	local mode=$1 server run=()
	shift
	[[ $mode != 2M ]] || run=(hugeodp run --sizes 2M --report="$dir/report-%p" --json --)
	rm -f "$dir"/report-*
	"${run[@]}" "$@" >"$dir/server" 2>&1 &
	server=$!
	if ! wait_for_server "$server" || ! "${run[@]}" "$@" 127.0.0.1 >"$dir/client" 2>&1; then
		kill "$server" 2>/dev/null || true
		cat "$dir/server" "$dir/client" >&2
		die "$*: failed"
	fi
	wait "$server"
	[[ $mode != 2M ]] || check_report "$dir"/report-*
}

# Server and client got the page sizes of the mode, and no others
check_report() {
	[[ $# == 2 ]] || die "$# reports of huge pages, not 2"
	python3 - "$@" <<-'END' || die 'the regions are not made of huge pages'
		import json, sys
		for name in sys.argv[1:]:
		    with open(name, encoding="utf-8") as file:
		        report = json.load(file)
		    if not report["upgraded"] or report.get("declined"):
		        sys.exit(f"{report}")
	END
}

# The number in a column of the line of results
column() {
	local value
	value=$(awk -v column="$1" '/^ *[0-9]+ +[0-9]+ +[0-9.]+/ { print $column }' "$dir/client")
	[[ $value =~ ^[0-9]+(\.[0-9]+)?$ ]] || {
		cat "$dir/client" >&2
		die "no result in column $1"
	}
	echo "$value"
}

# measure_once NAME MODE OPTION...
measure_once() {
	local name=$1 mode=$2
	shift 2
	case $name in
	perftest-bandwidth)
		both "$mode" ib_write_bw -d "$device" -p $PORT -F "${PATIENCE[@]}" -s 65536 -n 300 "$@"
		column 4
		;;
	perftest-latency)
		both "$mode" ib_write_lat -d "$device" -p $PORT -F "${PATIENCE[@]}" -s 8 -n 300 "$@"
		column 5
		;;
	esac
}

# measure NAME MODE OPTION...: perftest finds the frequency of the time stamp counter by trial, and
# prints 0 where the samples do not agree, as on a busy host
measure() {
	local value attempt
	for ((attempt = 0; attempt < ATTEMPTS; attempt++)); do
		value=$(measure_once "$@") || return
		if [[ $value =~ [1-9] ]]; then
			echo "$value"
			return
		fi
	done
	cat "$dir/client" >&2
	die "$1: 0 in $ATTEMPTS attempts"
}

# figure NAME MODE MEMORY LENGTH UNIT SAMPLE...
figure() {
	local name=$1 mode=$2 memory=$3 length=$4 unit=$5 median list
	shift 5
	median=$(printf '%s\n' "$@" | sort -n | sed -n "$(($# / 2 + 1))p")
	list=$(printf ', %s' "$@")
	printf '{"kernel": "%s", "device": "%s", "name": "%s", "mode": "%s", "memory": "%s", "state": "mapped", "length": %s, "count": 1, "unit": "%s", "repeats": %s, "samples": [%s], "median": %s}\n' \
		"$HUGEODP_KERNEL" "$HUGEODP_DEVICE" "$name" "$mode" "$memory" "$length" "$unit" \
		$# "${list:2}" "$median"
}

[[ $# == 1 && $1 =~ ^[1-9][0-9]?$ ]] || die 'usage: perftest.sh ROUNDS'
rounds=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
device=${HUGEODP_LAB_DEVICE-rxe0}
declare -A samples
for ((round = 0; round < rounds; round++)); do
	for entry in "${MODES[@]}"; do
		read -r mode memory options <<<"$entry"
		for name in perftest-bandwidth perftest-latency; do
			# shellcheck disable=SC2086 # several options
			value=$(measure "$name" "$mode" $options)
			samples[$name $entry]+=" $value"
		done
	done
done
for entry in "${MODES[@]}"; do
	read -r mode memory options <<<"$entry"
	# shellcheck disable=SC2086 # several samples
	figure perftest-bandwidth "$mode" "$memory" 65536 MiB/s ${samples[perftest-bandwidth $entry]}
	# shellcheck disable=SC2086
	figure perftest-latency "$mode" "$memory" 8 us ${samples[perftest-latency $entry]}
done
