# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Kernels by name: stock (pristine source), hugeodp (with the series), debug (with the series and
# the checkers), gcov (with the series and counters of what runs), kcsan (with the series and a
# detector of data races), and those of debian.sh. One tree per name is built incrementally; finished
# images are kept by key.

# shellcheck disable=SC2154 # of debian.sh
kernel_names="stock hugeodp debug gcov kcsan $debian_names"

kernel_check_name() {
	case " $kernel_names " in
	*" $1 "*) ;;
	*) usage_error "unknown kernel '$1': there are $kernel_names" ;;
	esac
}

# Everything the image depends on
kernel_key() {
	local name=$1 fragment
	{
		echo "$name"
		cat "$SOURCE/version"
		gcc -dumpfullversion -dumpmachine
		declare -f kernel_make kernel_build
		[[ $name != gcov ]] || declare -f coverage_mark coverage_keep series_makefile
		[[ $name != kcsan ]] || declare -f races_files races_mark series_makefile
		[[ $name != kcsan ]] || declare -p RACES_CHANGED
		while IFS= read -r fragment; do
			cat "$fragment"
		done < <(kconfig_fragments "$name")
		[[ $name == stock ]] || series_files | hash_files "$TOP_DIR"
	} | hash_text
}

# ccache sees the same command lines and relative paths for every name, as the output directory
# lies inside the source tree; so a file that is the same in stock and hugeodp is compiled only
# once. In depend mode ccache gets the list of included files from the compiler, because
# preprocessing each file twice takes a quarter of the build time.
kernel_make() {
	CCACHE_DEPEND=1 make -C "$1" O=obj -j"$(nproc)" CC='ccache gcc' HOSTCC='ccache gcc' "${@:2}"
}

kernel_build() {
	local name=$1 key=$2 out=$3 tree=$CACHE_DIR/kernel/$1 fragments watch=()
	export CCACHE_DIR=$CACHE_DIR/ccache CCACHE_MAXSIZE=4G
	export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=hugeodp
	mkdir -p "$tree"
	if ! cmp -s "$SOURCE/version" "$tree/version"; then
		rm -rf -- "$tree"
		mkdir -p "$tree"
		cp -al "$SOURCE/tree" "$tree/src"
		cp "$SOURCE/version" "$tree/version"
	fi
	mkdir -p "$RUN_DIR/series" "$tree/src/obj"
	[[ $name == stock ]] || series_apply "$SOURCE/tree" "$RUN_DIR/series"
	[[ $name != gcov ]] || coverage_mark "$SOURCE/tree" "$RUN_DIR/series"
	if [[ $name == kcsan ]]; then
		races_mark "$SOURCE/tree" "$RUN_DIR/series"
		watch=(KCSAN_SANITIZE=n)
	fi
	series_sync "$SOURCE/tree" "$RUN_DIR/series" "$tree/src"
	rm -rf -- "$RUN_DIR/series"

	mapfile -t fragments < <(kconfig_fragments "$name")
	cat "${fragments[@]}" >"$RUN_DIR/config"
	kernel_make "$tree/src" -s KCONFIG_ALLCONFIG="$RUN_DIR/config" allnoconfig
	kernel_make "$tree/src" -s olddefconfig
	kconfig_check "$tree/src/obj/.config" "${fragments[@]}" ||
		die "the kernel's configuration differs from the requested one (options above)"
	kernel_make "$tree/src" LOCALVERSION="-$name-${key:0:8}" "${watch[@]}" vmlinux

	mkdir -p "$out"
	cp "$tree/src/obj/vmlinux" "$tree/src/obj/.config" "$out/"
	cp "$tree/src/obj/include/config/kernel.release" "$out/release"
	[[ $name != gcov ]] || coverage_keep "$tree/src/obj" "$out"
}

# kernel_built_require NAME: the same for a kernel that is compiled here
kernel_built_require() {
	local name=$1 key
	# the key has the compiler's version
	host_kernel_require
	key=$(kernel_key "$name")
	KERNEL=$CACHE_DIR/image/$name-$key
	cache_make --tree "$CACHE_DIR/kernel/$name" "$KERNEL" "kernel-$name" "building kernel $name" \
		kernel_build "$name" "$key" {}
}

# kernel_require NAME: sets KERNEL to the directory with release and the kernel itself
kernel_require() {
	if debian_is "$1"; then
		debian_require "$1"
	else
		source_require
		kernel_built_require "$1"
	fi
}

# kernel_ahead NAME: if the root is missing too, another lab makes the kernel meanwhile: either uses one
# processor most of the time. Its messages go to a file.
kernel_ahead() {
	! root_is_made || return 0
	host_require
	"$LAB_DIR/lab" kernel "$1" >"$RUN_DIR/ahead" 2>&1 </dev/null &
	AHEAD_PID=$!
}

# kernel_ahead_progress START: the last message of the other lab
kernel_ahead_progress() {
	say "waiting for the kernel: $(((SECONDS - $1) / 60)) min, $(tail -n 1 "$RUN_DIR/ahead" | cut -c6-)"
}

kernel_ahead_finish() {
	local status=0
	[[ -n $AHEAD_PID ]] || return 0
	progress_wait "$PROGRESS_S" "$AHEAD_PID" kernel_ahead_progress "$SECONDS" || status=$?
	AHEAD_PID=''
	cat "$RUN_DIR/ahead" >&2
	[[ $status == 0 ]] || die "the kernel could not be made (above)"
}

# kernel_file: the file that is booted: an ELF file through PVH, or the distribution's vmlinuz
kernel_file() {
	local file=$KERNEL/vmlinux
	[[ -e $file ]] || file=$KERNEL/vmlinuz
	echo "$file"
}
