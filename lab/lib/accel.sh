# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The accelerator: KVM where a guest starts with it, otherwise TCG. A guest can hang at
# its first instruction although /dev/kvm exists.

# A kernel is up within two seconds with KVM. Where it takes much longer, KVM itself is emulated, and no
# gain: there the firmware alone takes that long.
ACCEL_TRIAL_S=8
ACCEL_DEVICE=/dev/kvm

# accel_trial DIR: boots the kernel without a root file system; it succeeds if the
# kernel reports that the root is missing
accel_trial() {
	local dir=$1 argv=()
	mkdir -p "$dir"
	mapfile -t argv < <(
		vm_emulator
		accel_arguments kvm 2
		printf '%s\n' -m 512 -kernel "$(kernel_file)" -serial "file:$dir/console" \
			-append 'console=ttyS0 panic=-1 tsc=reliable no_timer_check'
	)
	setpriv --pdeathsig KILL timeout --foreground -k 1 "$ACCEL_TRIAL_S" \
		setpriv --pdeathsig KILL "${argv[@]}" >"$dir/qemu.log" 2>&1 </dev/null &
	JOB_PID=$!
	wait "$JOB_PID" || true
	JOB_PID=''
	grep -aq 'Unable to mount root fs' "$dir/console"
}

# accel_kvm: true if KVM works; otherwise ACCEL_WHY says why not. The result of the
# trial is valid until the host reboots.
accel_kvm() {
	local file dir=$CACHE_DIR/kvm
	if [[ ! -r $ACCEL_DEVICE || ! -w $ACCEL_DEVICE ]]; then
		ACCEL_WHY="$ACCEL_DEVICE is missing or not accessible"
		return 1
	fi
	file=$dir/$(cat "$BOOT_ID" - <<<"$ROOT" | hash_text)
	if [[ ! -e $file ]]; then
		run_dir_create
		mkdir -p "$dir"
		say "trying whether a guest starts with KVM"
		if accel_trial "$RUN_DIR/kvm"; then
			echo yes >"$file.$$"
		else
			echo no >"$file.$$"
		fi
		mv "$file.$$" "$file"
	fi
	ACCEL_WHY="a guest does not start with it within $ACCEL_TRIAL_S s"
	[[ $(<"$file") == yes ]]
}

# accel_choose: sets ACCEL to tcg or kvm for this machine
accel_choose() {
	ACCEL=tcg
	case $VM_ACCEL in
	kvm)
		accel_kvm || die "--accel kvm: KVM does not work on this host: $ACCEL_WHY"
		ACCEL=kvm
		;;
	'') [[ -n $VM_ICOUNT ]] || ! accel_kvm || ACCEL=kvm ;;
	esac
}

# accel_arguments ACCEL PROCESSORS: QEMU's. With --icount the time stamp counter and all clocks advance
# by a nanosecond with each instruction, and jump over idle time. There a repeated string instruction
# counts once for each repetition, so the fast ones that go byte by byte are not offered.
accel_arguments() {
	if [[ $1 == kvm ]]; then
		printf '%s\n' -accel kvm -cpu host,la57=off -smp "$2"
	elif [[ -n $VM_ICOUNT ]]; then
		printf '%s\n' -accel tcg,thread=single -icount shift=0,align=off,sleep=off \
			-cpu max,la57=off,erms=off,fsrm=off,fzrm=off,fsrs=off -smp 1
	else
		printf '%s\n' -accel tcg,thread=multi -cpu max,la57=off -smp "$2"
	fi
}
