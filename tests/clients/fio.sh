#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fio with its rdma engine, which knows nothing of on-demand paging. The buffers of both ends are files in
# hugetlbfs, so that this script can compare them.
#
# ok calls the functions:
# shellcheck disable=SC2317
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=setup.sh
source "$(dirname "$0")/setup.sh"

port=18600

# end NAME DEPTH MIB ARGUMENT...: one end, with DEPTH buffers of MIB. When its I/O is done it lists its own
# MRs, as fio does not deregister them: in NAME.postrun.txt. To be called in the background.
end() {
	local name=$1 depth=$2 mib=$3
	shift 3
	cd "$dir"
	run_all "$name" fio --name="$name" --ioengine=rdma --port="$port" --bs="${mib}m" \
		--iodepth="$depth" --mem=mmaphuge:"$huge/$name" \
		--exec_postrun="hugeodp mr --json -d $device --pid \$PPID" "$@" >"$dir/$name" 2>&1
}

# both VERB DEPTH MIB BLOCKS [VERIFY]: BLOCKS blocks go from the client to the server, or the other way for
# VERB read. The options VERIFY: the server checks the checksum in each block.
both() {
	local verb=$1 depth=$2 mib=$3 size=$(($3 * $4))m server client status=0
	shift 4
	port=$((port + 1))
	end server "$depth" "$mib" --rw=read --size="$size" "$@" &
	server=$!
	alive_until "$server" cm_listening "$port" || true
	end client "$depth" "$mib" --rw=write --hostname="$address" --verb="$verb" --size="$size" "$@" \
		--do_verify=0 &
	client=$!
	wait "$client" || status=$?
	wait "$server" || status=$?
	return "$status"
}

# sorted FILE MIB: the checksums of its blocks
sorted() {
	local file=$1 mib=$2 at
	for ((at = 0; at < $(stat -c %s "$file") >> 20; at += mib)); do
		dd if="$file" bs=1M skip="$at" count="$mib" status=none | sha256sum
	done | sort
}

# same MIB: both ends have the same blocks, in any order, and not all are the same
same() {
	sorted "$huge/server" "$1" >"$dir/have"
	sorted "$huge/client" "$1" >"$dir/want"
	cmp "$dir/have" "$dir/want"
}

# changed FILE COPY
changed() { ! cmp -s "$1" "$2"; }

# transfer VERB DEPTH MIB BLOCKS [VERIFY]
transfer() {
	local verb=$1 depth=$2 mib=$3 blocks=$4 name="fio, verb=$1" end written=server
	[[ $verb != read ]] || written=client
	rm -f "$dir"/* "$huge"/*
	for end in server client; do
		random_file "$huge/$end" $((depth * mib))
	done
	cp "$huge/$written" "$huge.before"
	by_rdma "$name" $((mib * blocks)) both "$@"
	ok "$name: the data of one end is in the other" same "$mib"
	ok "$name: where it was not before" changed "$huge/$written" "$huge.before"
	rm -f "$huge.before"
	for end in server client; do
		ok "$name: all regions of the $end on demand" all_on_demand "$dir/report.$end" 1
		ok "$name: blocks of 2M, all of the $end's buffers" \
			mapped_huge "$dir/$end.postrun.txt" $((depth * mib / 2)) $((mib << 20))
	done
	show_reports
}

hugetlbfs
# the server has as many buffers as there are messages, as the engine permits no message to wait for one
transfer send 4 4 4 --verify=crc32c --verify_fatal=1
# a random buffer of the server is the target or the source of each block
transfer write 1 8 2
transfer read 1 8 2
tap_done
