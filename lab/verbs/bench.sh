# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: what page sizes cost and save: bench [--quick] [--debian] [--cache] [DIR]; results into DIR (build/bench)

BENCH=/usr/libexec/hugeodp/bench

# bench_boot NAME OPTION... -- COMMAND...: writes the output of the command to
# $RUN_DIR/bench/NAME
bench_boot() {
	local name=$1 start=$SECONDS status=0
	shift
	say "bench: $name"
	vm_options "$@"
	VM_TEE=$RUN_DIR/bench/$name
	vm_require
	vm_run_built >/dev/null || status=$?
	if [[ $status != 0 ]]; then
		grep -v '^{' "$VM_TEE" >&2 || true
		die "bench: $name ended with status $status"
	fi
	say "bench: $name: $((SECONDS - start)) s"
}

# bench_as KERNEL [COLUMN]: sets BENCH_AS to a command that assigns the figures to the column of this
# kernel, or to COLUMN. The report has a column with the series and one without, whichever way.
bench_as() {
	local column=${2-}
	case $1 in
	debian) column=${column:-hugeodp} ;;
	debian-stock) column=${column:-stock} ;;
	esac
	BENCH_AS=()
	[[ -z $column ]] || BENCH_AS=(env "HUGEODP_KERNEL=$column")
}

# bench_rxe KERNEL COLUMN-OR-NOTHING QUICK MEASURE...: instructions, on one processor
bench_rxe() {
	local kernel=$1 quick=$3
	bench_as "$kernel" "$2"
	shift 3
	# shellcheck disable=SC2086 # nothing, or an option
	bench_boot "rxe-$kernel" --icount --kernel "$kernel" --mem 4608 --hugepages 0 \
		--gigapages 1 --timeout 7200 -- "${BENCH_AS[@]}" "$BENCH/hugeodp-bench" $quick "$@"
}

# bench_about: sets BENCH_ABOUT to options of the report that note what ran where
bench_about() {
	local commit=unknown cpu package version
	if commit=$(git -C "$TOP_DIR" rev-parse HEAD 2>/dev/null); then
		[[ -z $(git -C "$TOP_DIR" status --porcelain) ]] || commit+=', changed'
	fi
	cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | sort -u | paste -sd, -)
	BENCH_ABOUT=(--about "commit=${commit:-unknown}" --about "date=$(date -u +%F)"
		--about "host=$(uname -srm), $(nproc) processors, ${cpu:-unknown}"
		--about "kernel source=$(cat "$SOURCE/version")")
	while read -r package version; do
		BENCH_ABOUT+=(--about "$package=$version")
	done < <(dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f '${Package} ${Version}\n' \
		libibverbs1 perftest qemu-system-x86)
}

# bench_cache QUICK DIR: replays of synthetic traces, and of recorded.trace if DIR has one, on caches of
# assumed sizes; without a machine
bench_cache() {
	local quick=$1 dir=$2 trace=()
	project_require
	[[ ! -e $dir/recorded.trace ]] || trace=(--trace "$dir/recorded.trace")
	say "bench: replays"
	# shellcheck disable=SC2086 # nothing, or an option
	python3 -B "$TOP_DIR/bench/cache" $quick --output "$dir" "${trace[@]}" -- \
		"$ROOT/usr/lib64/ld-linux-x86-64.so.2" --library-path "$ROOT/usr/lib/x86_64-linux-gnu" \
		"$STAGE/usr/bin/mlx5-model-replay"
}

verb_bench() {
	local quick='' cache='' dir='' rounds=5 kernel kernels=(hugeodp stock)
	local both=(registration prefetch invalidation waiting fault block parallel stream memory library)
	while [[ $# != 0 ]]; do
		case $1 in
		--quick) quick=--quick rounds=1 kernels=(debian debian-stock) ;;
		--debian) kernels=(debian debian-stock) ;;
		--cache) cache=1 ;;
		-*) usage_error "bench: unknown option '$1'" ;;
		*)
			[[ -z $dir ]] || usage_error 'bench: more than one directory'
			dir=$1
			;;
		esac
		shift
	done
	dir=${dir:-$TOP_DIR/build/bench}
	run_dir_create
	mkdir -p "$RUN_DIR/bench" "$dir"
	if [[ -n $cache ]]; then
		bench_cache "$quick" "$dir"
		return
	fi
	bench_rxe "${kernels[0]}" '' "$quick" "${both[@]}" renegotiation probe table kvcache
	bench_rxe "${kernels[1]}" '' "$quick" "${both[@]}"
	# what the patches of mm save, as the modules have to do without
	[[ ${kernels[0]} != hugeodp ]] || bench_rxe debian modules "$quick" registration prefetch invalidation
	bench_as "${kernels[0]}"
	bench_boot rxe-seconds --accel tcg --kernel "${kernels[0]}" --hugepages 64 -- \
		"${BENCH_AS[@]}" "$BENCH/perftest.sh" "$rounds"
	for kernel in "${kernels[@]}"; do
		bench_as "$kernel"
		# shellcheck disable=SC2086 # nothing, or an option
		bench_boot "mlx5-$kernel" --accel tcg --device mlx5 --kernel "$kernel" --mem 4608 --hugepages 0 \
			--gigapages 1 -- "${BENCH_AS[@]}" "$BENCH/hugeodp-bench" $quick device library
	done
	bench_about
	python3 -B "$TOP_DIR/bench/report" $quick "${BENCH_ABOUT[@]}" --output "$dir" "$RUN_DIR"/bench/*
}
