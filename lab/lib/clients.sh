# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unmodified programs of Debian 13 in the machine: a root of that release, with this project and what
# tests/clients has to compile.

CLIENTS_SUITE=trixie

clients_packages() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$TOP_DIR/tests/clients/packages" | paste -sd,
}

# Sets CLIENTS_ROOT to the root without anything of ours, made first if needed
clients_root_require() {
	local key
	key=$({
		echo "$CLIENTS_SUITE"
		clients_packages
		sed -n '/^deb_root()/,/^}/p' "$LAB_DIR/lib/packages.sh"
	} | hash_text)
	CLIENTS_ROOT=$CACHE_DIR/debroot/clients-$key
	cache_use "$CLIENTS_ROOT" && return 0
	host_require
	lock clients
	if [[ ! -d $CLIENTS_ROOT ]]; then
		run_dir_create
		step "making a root with RDMA programs (Debian $CLIENTS_SUITE)" \
			deb_root "$CLIENTS_SUITE" "$RUN_DIR/new" "$(clients_packages)"
		cache_add "$CLIENTS_ROOT"
	fi
	unlock clients
}

# clients_make WORK: a copy of the root that shares its files, with ours in it, in WORK/root
clients_make() {
	local work=$1
	mkdir -p "$work/build" "$work/out"
	project_sync "$work/src"
	# shellcheck disable=SC2016 # expanded inside the root
	ROOT=$CLIENTS_ROOT root_exec "$work/src:src:ro" "$work/build:build" "$work/out:out" -- \
		/bin/bash -euc '
		cmake -S /run/src -B /run/build -DCMAKE_INSTALL_PREFIX=/usr \
			-DHUGEODP_UNIT_TESTS=OFF -DHUGEODP_EXAMPLES=OFF
		cmake --build /run/build -j "$(nproc)"
		DESTDIR=/run/out cmake --install /run/build
		mkdir -p /run/out/opt/clients
		cp /run/src/tests/clients/run.sh /run/src/tests/lib/tap.sh /run/out/opt/clients
		mpicc -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Wshadow -Werror \
			-o /run/out/opt/clients/mpi-transfer /run/src/tests/clients/mpi-transfer.c
		cc -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Werror \
			-o /run/out/usr/bin/mlx5-model-counters /run/src/mlx5-model/tools/counters.c
	'
	cp -al "$CLIENTS_ROOT" "$work/root"
	cp -r "$work/out/." "$work/root"
}

clients_test() {
	local work=$RUN_DIR/clients device status
	clients_root_require
	step "building the project for Debian $CLIENTS_SUITE" clients_make "$work"
	for device in rxe mlx5; do
		status=0
		part_vm --device "$device" --timeout 3600 --share "$work/root" -- \
			/bin/bash /run/lab/chroot.sh /mnt/share /opt/clients/run.sh || status=$?
		tally_tap "clients-$device" "$status" /dev/null <"$RUN_DIR/out"
	done
	rm -rf -- "$work"
}
