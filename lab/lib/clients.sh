# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unmodified programs of Debian 13 in the machine: a root of that release, with this
# project and the compiled programs of tests/clients.

CLIENTS_SUITE=trixie

clients_packages() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$TOP_DIR/tests/clients/packages" | paste -sd,
}

# Sets CLIENTS_ROOT to the root without this project
clients_root_require() {
	deb_root_cached clients 'with RDMA programs' "$CLIENTS_SUITE" "$(clients_packages)"
	CLIENTS_ROOT=$DEB_CACHED
}

# clients_make WORK: a copy of the root, with hard links to its files and with this
# project, in WORK/root
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
			/bin/bash /run/lab/chroot.sh /mnt/share /opt/clients/run.sh
		status=$PART_STATUS
		tally_tap "clients-$device" "$status" /dev/null <"$RUN_DIR/out"
	done
	rm -rf -- "$work"
}
