# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The mlx5 device model beside the machine: a process that QEMU talks to through a socket for each
# device. It ends with QEMU; if it ends earlier, the machine has lost its devices and is stopped.
# With two machines, each of them has one of the two devices.

# QEMU gives up a device that does not reply within this time. Its own 5 s are not enough where many
# machines share a few processors.
MLX5_REPLY_MS=60000

mlx5_defaults() {
	MLX5_ARGV=()
	MLX5_GIVEN=''
	MLX5_STRICT=1
	MLX5_LOG=''
	MLX5_DEVICES=1
	MLX5_MACHINES=1
	MLX5_LOST=''
	MLX5_PROGRAM=''
}

# mlx5_options LIST: what follows --mlx5
mlx5_options() {
	local option list=()
	MLX5_GIVEN=1
	IFS=, read -ra list <<<"$1"
	for option in "${list[@]}"; do
		case $option in
		scheme=transport | scheme=memory) MLX5_ARGV+=(--scheme "${option#*=}") ;;
		profile=default | profile=old | profile=new) MLX5_ARGV+=(--profile "${option#*=}") ;;
		delay=* | faults=*)
			[[ ${option#*=} =~ ^[1-9][0-9]{0,8}$ ]] ||
				usage_error "--mlx5 ${option%%=*}= wants a number, not '${option#*=}'"
			MLX5_ARGV+=("--${option%%=*}" "${option#*=}")
			;;
		caps=?*=?*) MLX5_ARGV+=(--cap "${option#*=}") ;;
		fail=?*) MLX5_ARGV+=(--fail "${option#*=}") ;;
		cache=*)
			[[ ${option#*=} =~ ^[a-z]+(=[0-9]+(x[0-9]+)?(:[a-z]+=[0-9]+(x[0-9]+)?)*)?$ ]] ||
				usage_error "--mlx5 cache= wants 'default' or NAME=VALUE:..., not '${option#*=}'"
			MLX5_ARGV+=(--cache "${option#*=}")
			;;
		record=?*) MLX5_ARGV+=(--record "${option#*=}") ;;
		devices=[12]) MLX5_DEVICES=${option#*=} ;;
		machines=2) MLX5_MACHINES=2 MLX5_DEVICES=2 ;;
		machines=*) usage_error "--mlx5 machines= wants 2, not '${option#*=}'" ;;
		devices=*) usage_error "--mlx5 devices= wants 1 or 2, not '${option#*=}'" ;;
		strict) MLX5_STRICT=1 ;;
		lenient) MLX5_STRICT='' ;;
		trace) MLX5_ARGV+=(--trace) ;;
		log=?*) MLX5_LOG=${option#*=} ;;
		program=?*) MLX5_PROGRAM=${option#*=} ;;
		*) usage_error "unknown --mlx5 option '$option'" ;;
		esac
	done
}

# mlx5_prepare DIR: open the directory of the sockets. The model and QEMU inherit the
# descriptor, because the path may be too long for a socket address.
mlx5_prepare() {
	exec {MLX5_FD}<"$1"
}

# mlx5_sockets: their paths
mlx5_sockets() {
	local i
	for ((i = 0; i < MLX5_DEVICES; i++)); do
		echo "/proc/self/fd/$MLX5_FD/mlx5_$i"
	done
}

# mlx5_qemu MACHINE: QEMU's arguments. The model needs the guest's memory, so that is in a memfd.
mlx5_qemu() {
	local machine=$1 path paths
	mapfile -t paths < <(mlx5_sockets)
	[[ $MLX5_MACHINES == 1 ]] || paths=("${paths[machine]}")
	printf '%s\n' -object "memory-backend-memfd,id=memory,size=${VM_MEM}M,share=on" \
		-machine memory-backend=memory
	for path in "${paths[@]}"; do
		printf '%s\n' -device \
			"{\"driver\":\"vfio-user-pci\",\"x-msg-timeout\":$MLX5_REPLY_MS,\"socket\":{\"type\":\"unix\",\"path\":\"$path\"}}"
	done
}

# mlx5_start DIR: sets HELPER_PID. The model prints a line when all its sockets can be connected to.
mlx5_start() {
	local dir=$1 path ready='' argv=("${MLX5_ARGV[@]}")
	while IFS= read -r path; do
		argv+=(--socket "$path")
	done < <(mlx5_sockets)
	[[ -z $MLX5_STRICT ]] || argv+=(--strict)
	mkfifo "$dir/mlx5.ready"
	setpriv --pdeathsig KILL "$ROOT/usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$ROOT/usr/lib/x86_64-linux-gnu" \
		"${MLX5_PROGRAM:-$STAGE/usr/bin/mlx5-model}" \
		--stats "$dir/mlx5.stats" "${argv[@]}" >"$dir/mlx5.ready" 2>"$dir/mlx5.log" </dev/null &
	HELPER_PID=$!
	read -r ready <"$dir/mlx5.ready" || true
	[[ $ready == ready ]] ||
		die "the mlx5 device model does not start: $(tail -n 3 "$dir/mlx5.log")"
}

# mlx5_watch: waits as vm_wait does, for the model as well; a machine without its device is stopped
mlx5_watch() {
	local status=0
	progress_wait "$PROGRESS_S" "$JOB_PID $HELPER_PID" vm_progress "$SECONDS" || status=$?
	if [[ $PROGRESS_ENDED == "$JOB_PID" ]]; then
		VM_STATUS=$status
		return 0
	fi
	HELPER_PID=''
	# an exiting QEMU closes the socket before its process ends
	if [[ $status != 0 ]] || ! timeout 60 tail --pid="$JOB_PID" -f /dev/null; then
		MLX5_LOST=$status
		kill -TERM "$JOB_PID" 2>/dev/null || true
	fi
	wait "$JOB_PID" || VM_STATUS=$?
}

# mlx5_finish DIR: wait for the model and move its log to DIR; false if the model ended
# early
mlx5_finish() {
	local dir=$1 status=0
	exec {MLX5_FD}<&-
	if [[ -n $HELPER_PID ]]; then
		wait "$HELPER_PID" || status=$?
		HELPER_PID=''
		[[ $status == 0 ]] || MLX5_LOST=$status
	fi
	if [[ -n $MLX5_LOG ]]; then
		cat "$dir/mlx5.log" "$dir/mlx5.stats" >"$MLX5_LOG" 2>/dev/null ||
			say "no log of the mlx5 device model at $MLX5_LOG"
	fi
	[[ -n $MLX5_LOST ]] || return 0
	say "the mlx5 device model ended before the machine (status $MLX5_LOST); the last lines of its log and of QEMU's:"
	tail -n 20 "$dir/mlx5.log" >&2
	tail -n 5 "$dir/qemu.log" >&2
	return 1
}

# mlx5_complained DIR: true if strict mode reported something; prints it
mlx5_complained() {
	grep -s '^mlx5_[01]: strict: ' "$1/mlx5.log" >&2
}
