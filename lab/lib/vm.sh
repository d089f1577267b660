# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The machine: its options, its boot, and the status of the command.

vm_defaults() {
	VM_KERNEL=debian
	VM_DEVICE=rxe
	VM_SHARE=''
	VM_MEM=3072
	VM_SMP=''
	VM_HUGEPAGES=256
	VM_GIGAPAGES=0
	VM_TIMEOUT=1800
	VM_ICOUNT=''
	VM_ACCEL=''
	VM_IOMMU=''
	VM_CONSOLE=''
	VM_GDB=''
	VM_INTERACTIVE=''
	VM_TEE=/dev/null
	mlx5_defaults
}

vm_usage() {
	cat <<-END
		options of run and shell:
		  --kernel NAME    debian (default), debian-stock, debian-7.2, debian-7.2-stock,
		                   hugeodp, stock, debug, gcov or kcsan
		  --device NAME    rxe (default), mlx5 (a software model) or none
		  --mlx5 LIST      how the model behaves, separated by commas: scheme=transport,
		                   scheme=memory, profile=old, profile=new, devices=2,
		                   machines=2, lenient, delay=SEED, faults=SEED,
		                   caps=NAME=VALUE, fail=N, fail=COMMAND:N, trace, log=FILE,
		                   cache=default, cache=NAME=VALUE:... (count what a card's
		                   translation caches would hit), record=FILE (the translations,
		                   for mlx5-model-replay),
		                   program=FILE (another build of the model)
		                   With machines=2, two machines with one device each run the
		                   command at the same time; HUGEODP_MACHINE is 0 and 1 there.
		  --iommu MODE     an IOMMU between device and memory; the kernel forgets a mapping at
		                   once (strict), or many of them after a while (lazy)
		  --share DIR      DIR read-only at /mnt/share
		  --mem MIB        memory (3072)
		  --smp N          processors (2)
		  --hugepages N    2 MiB hugetlb pages (256)
		  --gigapages N    1 GiB hugetlb pages (0); they want more --mem
		  --timeout S      wall time before the machine is stopped (1800)
		  --icount         one processor whose clock counts instructions, a nanosecond each
		  --accel NAME     tcg (emulation) or kvm; without it KVM if a guest starts with
		                   it, and always tcg with --icount
		  --console        show the kernel's console at the end
		  --gdb PORT       start when a gdb on this host has connected to PORT; symbols
		                   only for kernels that are compiled here

		exit status: the command's; 70 if the kernel complained, or the mlx5 model of the
		driver; 71 if the machine died, 124 if the time was up, 2 for a wrong command line,
		1 if the lab itself failed.
	END
}

vm_number() {
	[[ $2 =~ ^[1-9][0-9]{0,6}$ || ($1 == --*pages && $2 == 0) ]] ||
		usage_error "$1 wants a number, not '$2'"
}

# vm_options ARG...: sets VM_*, and VM_ARGV to the arguments after the options
vm_options() {
	local option
	vm_defaults
	while [[ $# != 0 ]]; do
		option=$1
		case $option in
		--)
			shift
			break
			;;
		--console)
			VM_CONSOLE=1
			shift
			continue
			;;
		--icount)
			VM_ICOUNT=1
			shift
			continue
			;;
		--kernel | --device | --mlx5 | --accel | --iommu | --share | --mem | --smp | --hugepages | --gigapages | --timeout | --gdb) ;;
		-*) usage_error "unknown option '$option'" ;;
		*) break ;;
		esac
		[[ $# -ge 2 ]] || usage_error "$option wants a value"
		case $option in
		--mem | --smp | --hugepages | --gigapages | --timeout | --gdb) vm_number "$option" "$2" ;;
		esac
		case $option in
		--kernel) VM_KERNEL=$2 ;;
		--device) VM_DEVICE=$2 ;;
		--mlx5) mlx5_options "$2" ;;
		--accel) VM_ACCEL=$2 ;;
		--iommu) VM_IOMMU=$2 ;;
		--share) VM_SHARE=$2 ;;
		--mem) VM_MEM=$2 ;;
		--smp) VM_SMP=$2 ;;
		--hugepages) VM_HUGEPAGES=$2 ;;
		--gigapages) VM_GIGAPAGES=$2 ;;
		--timeout) VM_TIMEOUT=$2 ;;
		--gdb) VM_GDB=$2 ;;
		esac
		shift 2
	done
	VM_ARGV=("$@")
	[[ -z $VM_ICOUNT || -z $VM_SMP ]] || usage_error "--icount has one processor, no --smp"
	VM_SMP=${VM_SMP:-2}
	kernel_check_name "$VM_KERNEL"
	case $VM_DEVICE in
	rxe | mlx5 | none) ;;
	*) usage_error "unknown device '$VM_DEVICE': there are rxe, mlx5 and none" ;;
	esac
	case $VM_ACCEL in
	'' | tcg) ;;
	kvm) [[ -z $VM_ICOUNT ]] || usage_error "--icount counts what TCG emulates: no --accel kvm" ;;
	*) usage_error "unknown --accel '$VM_ACCEL': there are tcg and kvm" ;;
	esac
	case $VM_IOMMU in
	'' | strict | lazy) ;;
	*) usage_error "unknown --iommu '$VM_IOMMU': there are strict and lazy" ;;
	esac
	[[ $VM_DEVICE == mlx5 || -z $VM_IOMMU ]] ||
		usage_error "--iommu is for --device mlx5: rxe does no DMA"
	[[ $VM_DEVICE == mlx5 || -z $MLX5_GIVEN ]] ||
		usage_error "--mlx5 is for --device mlx5"
	[[ -z $VM_SHARE || -d $VM_SHARE ]] || usage_error "--share: no directory '$VM_SHARE'"
}

# True if the machine's kernel has modules, and an initramfs to load the first of them
vm_has_modules() { [[ -d $KERNEL/modules ]]; }

# vm_write_lab_share DIR MACHINE: write the files that the guest's init reads: its code, the command
# with its arguments, the settings
vm_write_lab_share() {
	local dir=$1
	mkdir -p "$dir"
	cp "$LAB_DIR"/guest/* "$dir/"
	if [[ ${#VM_ARGV[@]} != 0 ]]; then
		printf '%s\0' "${VM_ARGV[@]}" >"$dir/argv"
	else
		: >"$dir/argv"
	fi
	{
		printf 'LAB_RELEASE=%q\n' "$(cat "$KERNEL/release")"
		printf 'HUGEODP_KERNEL=%q\nHUGEODP_DEVICE=%q\n' "$VM_KERNEL" "$VM_DEVICE"
		printf 'HUGEODP_ICOUNT=%q\nHUGEODP_MACHINE=%q\n' "$VM_ICOUNT" "$2"
		printf 'LAB_MODULES=%q\n' "$(vm_has_modules && echo 1)"
		printf 'LAB_SHARE=%q\nLAB_INTERACTIVE=%q\n' "${VM_SHARE:+1}" "$VM_INTERACTIVE"
		if [[ -n $VM_INTERACTIVE ]]; then
			printf 'TERM=%q\nLAB_STTY=%q\n' "${TERM-dumb}" "$(stty size 2>/dev/null)"
		fi
	} >"$dir/settings"
}

vm_9p() { # ID PATH
	echo "-fsdev local,id=$1,path=${2//,/,,},security_model=none,multidevs=remap,readonly=on"
	echo "-device virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# The emulator comes from the root file system; it is started with the loader and
# libraries of that root, so it does not depend on those of the host.
vm_emulator() {
	printf '%s\n' "$ROOT/usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$ROOT/usr/lib/x86_64-linux-gnu" "$ROOT/usr/bin/qemu-system-x86_64" \
		-L "$ROOT/usr/share/qemu" -L "$ROOT/usr/share/seabios" -nodefaults -no-user-config \
		-display none -no-reboot -machine q35
}

# vm_command DIR MACHINE: sets QEMU to the command line
vm_command() {
	local dir=$1 machine=$2 p9 init append
	p9=trans=virtio,version=9p2000.L,msize=512000
	init="mount -t 9p -o ro,$p9 lab /mnt && exec /bin/bash /mnt/init"
	append="console=ttyS0 loglevel=7 panic=-1 oops=panic tsc=reliable no_timer_check"
	append+=" watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
	append+=" hugepagesz=2M hugepages=$VM_HUGEPAGES hugepagesz=1G hugepages=$VM_GIGAPAGES"
	append+=" transparent_hugepage=always"
	case $VM_IOMMU in
	strict) append+=" intel_iommu=on iommu.strict=1" ;;
	lazy) append+=" intel_iommu=on iommu.strict=0" ;;
	esac
	if vm_has_modules; then
		append+=" nokaslr mitigations=off iomem=relaxed -- --root ro,$p9,cache=loose /bin/sh"
	else
		append+=" root=root rootfstype=9p rootflags=$p9,cache=loose ro init=/bin/sh --"
	fi
	append+=" -c \"$init\""
	mapfile -t QEMU < <(
		vm_emulator
		printf '%s\n' -m "$VM_MEM" -kernel "$(kernel_file)" -append "$append" \
			-serial "file:$dir/console" -device virtio-rng-pci \
			-device virtio-serial-pci,max_ports=8
		! vm_has_modules || printf '%s\n' -initrd "$KERNEL/initramfs"
		accel_arguments "$ACCEL" "$VM_SMP"
		{
			vm_9p root "$ROOT"
			vm_9p stage "$STAGE"
			vm_9p lab "$dir/lab"
			! vm_has_modules || vm_9p modules "$KERNEL/modules"
			[[ -z $VM_SHARE ]] || vm_9p share "$(realpath "$VM_SHARE")"
		} | sed 's/ /\n/'
		# in caching mode the kernel reports each new mapping, which the model needs
		[[ -z $VM_IOMMU ]] || printf '%s\n' -device intel-iommu,caching-mode=on,aw-bits=48
		[[ $VM_DEVICE != mlx5 ]] || mlx5_qemu "$machine"
		[[ -z $VM_GDB ]] || printf '%s\n' -S -gdb "tcp:127.0.0.1:$VM_GDB"
		printf '%s\n' -chardev "file,id=status,path=$dir/status" \
			-device virtserialport,chardev=status,nr=1,name=lab.status
		if [[ -n $VM_INTERACTIVE ]]; then
			printf '%s\n' -chardev stdio,id=tty,signal=off -device virtconsole,chardev=tty,nr=0
		else
			# descriptors 4 and 5: the lab's own output streams, through a pipe each
			printf '%s\n' -add-fd fd=4,set=4 -chardev file,id=out,path=/dev/fdset/4,append=on \
				-device virtserialport,chardev=out,nr=2,name=lab.out \
				-add-fd fd=5,set=5 -chardev file,id=err,path=/dev/fdset/5,append=on \
				-device virtserialport,chardev=err,nr=3,name=lab.err
		fi
	)
}

# vm_start COMMAND...: in the background; it is killed when the lab ends or at the
# timeout
vm_start() {
	setpriv --pdeathsig KILL timeout --foreground -k 5 "$VM_TIMEOUT" \
		setpriv --pdeathsig KILL "$@" &
	JOB_PID=$!
}

# vm_progress START: for machines that run tests or benchmarks; others show only their
# own output
vm_progress() {
	[[ $VM_TEE == /dev/null ]] ||
		say "the machine is running: $(((SECONDS - $1) / 60)) min," \
			"$(wc -l <"$VM_TEE") lines of output"
}

vm_wait() {
	if [[ -n $HELPER_PID ]]; then
		mlx5_watch
	else
		progress_wait "$PROGRESS_S" "$JOB_PID" vm_progress "$SECONDS" || VM_STATUS=$?
	fi
}

# vm_boot DIR: runs the machine; VM_STATUS is the emulator's own, VM_SECONDS how long it ran
vm_boot() {
	local dir=$1 out err stty start=$SECONDS pids=()
	VM_STATUS=0
	if [[ -n $VM_INTERACTIVE ]]; then
		stty=$(stty -g)
		vm_start "${QEMU[@]}" <&0 2>"$dir/qemu.log"
		vm_wait
		stty "$stty"
	else
		exec {out}> >(exec tee -- "$VM_TEE")
		pids+=("$!")
		exec {err}> >(exec cat >&2)
		pids+=("$!")
		vm_start "${QEMU[@]}" </dev/null >"$dir/qemu.log" 2>&1 4>&"$out" 5>&"$err"
		exec {out}>&- {err}>&-
		vm_wait
		# flush the output of the command before the lab prints messages
		wait "${pids[@]}" 2>/dev/null || true
	fi
	JOB_PID=''
	VM_SECONDS=$((SECONDS - start))
}

# vm_verdict DIR: interprets the end of the machine; returns the exit status of the lab
vm_verdict() {
	local dir=$1 state='' console=$1/console
	if [[ -n $VM_CONSOLE ]]; then
		cat "$dir/console" >&2 || true
	fi
	if [[ -n $RACES_APART ]]; then
		races_rest <"$console" >"$console.rest"
		console+=.rest
	fi
	if splat_show "$console"; then
		say "the kernel reported a problem (above)"
		return 70
	fi
	if [[ $VM_DEVICE == mlx5 ]] && mlx5_complained "$dir"; then
		say "the driver did something that a real device may not accept (above; --mlx5 lenient permits it)"
		return 70
	fi
	# timeout kills a machine that does not end by itself; otherwise it returns the
	# status of QEMU, also if it was killed
	if [[ $VM_STATUS == 124 || ($VM_STATUS == 137 && $VM_SECONDS -ge $VM_TIMEOUT) ]]; then
		say "stopped after $VM_TIMEOUT s"
		return 124
	fi
	if [[ $VM_STATUS == 137 ]]; then
		say "the emulator was killed after $VM_SECONDS s, probably by a host that is short of memory" \
			"(the machine has $VM_MEM MiB: --mem)"
		return 71
	fi
	read -r state <"$dir/status" || true
	[[ ! $state =~ ^exit\ ([0-9]+)$ ]] || return "${BASH_REMATCH[1]}"
	say "the machine ended before the command; the last lines of its console and of QEMU follow:"
	tail -n 30 "$dir/console" >&2 || true
	tail -n 5 "$dir/qemu.log" >&2 || true
	return 71
}

vm_gdb_hint() {
	local file=$KERNEL/vmlinux
	if [[ ! -e $file ]]; then
		file=''
		say "kernel $VM_KERNEL has no vmlinux, so gdb shows no symbols"
	fi
	say "waiting for: gdb ${file:+$file }-ex 'target remote :$VM_GDB' -ex continue"
}

# vm_require: build what the machine needs
vm_require() {
	run_dir_create
	kernel_ahead "$VM_KERNEL"
	project_require
	kernel_ahead_finish
	kernel_require "$VM_KERNEL"
}

# vm_prepare DIR MACHINE: sets QEMU
vm_prepare() {
	mkdir -p "$1"
	: >"$1/status"
	vm_write_lab_share "$1/lab" "$2"
	vm_command "$1" "$2"
}

# vm_run_two DIR OTHER: runs the machine and another one at the same time. What the other one prints
# comes at the end, on stderr. Returns its verdict; VM_STATUS is that of the first.
vm_run_two() {
	local dir=$1 other=$2 first=("${QEMU[@]}") first_status peer status=0
	mlx5_start "$dir"
	vm_prepare "$other" 1
	setpriv --pdeathsig KILL timeout --foreground -k 5 "$VM_TIMEOUT" \
		setpriv --pdeathsig KILL "${QEMU[@]}" \
		</dev/null >"$other/qemu.log" 2>&1 4>"$other/out" 5>"$other/err" &
	peer=$!
	QEMU=("${first[@]}")
	vm_boot "$dir"
	[[ $VM_STATUS == 0 ]] || kill "$peer" 2>/dev/null || true
	wait "$peer" || status=$?
	mlx5_finish "$dir" || return 71
	sed 's/^/machine 1: /' "$other/out" "$other/err" >&2
	first_status=$VM_STATUS
	VM_STATUS=$status
	status=0
	vm_verdict "$other" || status=$?
	VM_STATUS=$first_status
	return "$status"
}

# vm_run_built: boots what vm_require has built and runs VM_ARGV; returns the exit status of the lab
vm_run_built() {
	local dir=$RUN_DIR/vm
	[[ $MLX5_MACHINES == 1 || -z $VM_INTERACTIVE$VM_GDB ]] ||
		usage_error "--mlx5 machines=2 is for run, without --gdb"
	rm -rf -- "$dir" "$dir-1"
	accel_choose
	say "the machine: kernel $VM_KERNEL, device $VM_DEVICE, accelerator $ACCEL"
	mkdir -p "$dir"
	[[ $VM_DEVICE != mlx5 ]] || mlx5_prepare "$dir"
	vm_prepare "$dir" 0
	[[ -z $VM_GDB ]] || vm_gdb_hint
	if [[ $VM_DEVICE == mlx5 && $MLX5_MACHINES == 2 ]]; then
		vm_run_two "$dir" "$dir-1" || return
	elif [[ $VM_DEVICE == mlx5 ]]; then
		mlx5_start "$dir"
		vm_boot "$dir"
		mlx5_finish "$dir" || return 71
	else
		vm_boot "$dir"
	fi
	vm_verdict "$dir"
}

vm_run() {
	vm_require
	vm_run_built
}
