# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Unmodified programs of Debian 13 in the machine: a root of that release, with this
# project and the compiled programs of tests/clients.

CLIENTS_SUITE=trixie
# The tests on each device. Those that know nothing of on-demand paging run on rxe only.
CLIENTS_MLX5=(ucx openmpi libfabric)
CLIENTS_RXE=("${CLIENTS_MLX5[@]}" qperf fio tgt librpma qemu)

clients_packages() {
	root_packages "$TOP_DIR/tests/clients/packages" | paste -sd,
}

# Sets CLIENTS_ROOT to the root without this project
clients_root_require() {
	deb_root_cached clients 'with RDMA programs' "$CLIENTS_SUITE" "$(clients_packages)"
	CLIENTS_ROOT=$DEB_CACHED
}

# client_project ROOT WORK: builds this project in ROOT; its source is then in WORK/src, what it installs in
# WORK/out
client_project() {
	local root=$1 work=$2
	mkdir -p "$work/build" "$work/out"
	project_sync "$work/src"
	# shellcheck disable=SC2016 # expanded inside the root
	ROOT=$root root_exec "$work/src:src:ro" "$work/build:build" "$work/out:out" -- \
		/bin/bash -euc '
		cmake -S /run/src -B /run/build -DCMAKE_INSTALL_PREFIX=/usr \
			-DHUGEODP_UNIT_TESTS=OFF -DHUGEODP_EXAMPLES=OFF
		cmake --build /run/build -j "$(nproc)"
		DESTDIR=/run/out cmake --install /run/build
	'
}

# client_root ROOT WORK: a copy of ROOT, with hard links to its files and with WORK/out, in WORK/root
client_root() {
	cp -al "$1" "$2/root"
	cp -r --remove-destination "$2/out/." "$2/root"
}

# clients_make WORK: the root with this project and the programs of tests/clients, in WORK/root
clients_make() {
	local work=$1
	client_project "$CLIENTS_ROOT" "$work"
	# shellcheck disable=SC2016 # expanded inside the root
	ROOT=$CLIENTS_ROOT root_exec "$work/src:src:ro" "$work/out:out" -- /bin/bash -euc '
		options="-D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Wshadow -Werror"
		clients=/run/src/tests/clients
		mkdir -p /run/out/opt/clients
		cp $clients/*.sh $clients/*.py /run/src/tests/lib/tap.sh /run/out/opt/clients
		mpicc $options -o /run/out/opt/clients/mpi-transfer $clients/mpi-transfer.c
		cc $options -o /run/out/opt/clients/rpma-transfer $clients/rpma-transfer.c -lrpma -libverbs
		cc $options -o /run/out/usr/bin/mlx5-model-counters /run/src/mlx5-model/tools/counters.c
	'
	client_root "$CLIENTS_ROOT" "$work"
}

# clients_device DEVICE: the tests for it, restricted to the tests named, if any
clients_device() {
	local device=$1 name names=()
	local -n all=CLIENTS_${device^^}
	for name in "${all[@]}"; do
		[[ ${#TEST_NAMES[@]} != 0 && " ${TEST_NAMES[*]} " != *" $name "* ]] || names+=("$name")
	done
	[[ ${#names[@]} != 0 ]] || return 0
	# shellcheck disable=SC2016 # expanded in the machine
	part_vm --device "$device" --timeout 3600 --share "$CLIENTS_WORK/root" -- \
		/bin/bash /run/lab/chroot.sh /mnt/share /bin/bash -c '
		for name; do
			SECONDS=0
			echo "$name.t .."
			/bin/bash "/opt/clients/$name.sh" || status=1
			echo "# $name: $SECONDS s"
		done
		exit "${status-0}"' bash "${names[@]}"
	tally_tap "clients-$device" "$PART_STATUS" /dev/null <"$RUN_DIR/out"
}

clients_test() {
	CLIENTS_WORK=$RUN_DIR/clients
	clients_root_require
	step "building the project for Debian $CLIENTS_SUITE" clients_make "$CLIENTS_WORK"
	clients_device rxe
	clients_device mlx5
	rm -rf -- "$CLIENTS_WORK"
}
