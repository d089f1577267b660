# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Programs that request page sizes themselves: the patches of clients/, applied to the sources that
# Debian ships, built in a root of Debian testing, and run in the machine.

ADOPTERS_SUITE=testing
ADOPTERS=(perftest libfabric ucx)
# Where the source is not that of ADOPTERS_SUITE
declare -A ADOPTERS_SOURCE_SUITE=([ucx]=bookworm)

adopters_packages() {
	root_packages "$TOP_DIR/tests/adopters/packages" | paste -sd,
}

# Sets ADOPTERS_ROOT to the root in which the programs are built and run
adopters_root_require() {
	deb_root_cached adopters 'to build clients in' "$ADOPTERS_SUITE" "$(adopters_packages)"
	ADOPTERS_ROOT=$DEB_CACHED
}

# adopter_fetch NAME DIR SUITE: version, and the source in tree/. Upstream's archive alone: the patches are
# for it, not for Debian's changes.
adopter_fetch() {
	local name=$1 dir=$2 suite=$3 archive
	rm -rf -- "$dir"
	mkdir -p "$dir/tree"
	apt_private "$suite" deb-src
	apt-get -q update
	(cd "$dir" && apt-get -q source --download-only --tar-only "$name")
	archive=$(echo "$dir/$name"_*.orig.tar.*)
	tar -xf "$archive" -C "$dir/tree" --strip-components=1 --no-same-owner
	rm -f -- "$archive"
	archive=${archive##*_}
	echo "${archive%.orig.tar.*}" >"$dir/version"
}

# adopter_source_require NAME: sets ADOPTER_SOURCE to its source, fetched first if needed; the version
# of the first fetch is used until the cache is emptied
adopter_source_require() {
	local name=$1 suite
	suite=${ADOPTERS_SOURCE_SUITE[$name]-$ADOPTERS_SUITE}
	ADOPTER_SOURCE=$CACHE_DIR/adopters/$name-source-$({
		echo "$suite"
		declare -f adopter_fetch
	} | hash_text)
	cache_make "$ADOPTER_SOURCE" adopters "fetching the source of $name ($suite)" \
		persist adopter_fetch "$name" {} "$suite"
}

# adopter_patch NAME: the source with the patches of clients/NAME, in RUN_DIR/adopter. With a context that
# differs, the patch was made for another version.
adopter_patch() {
	local name=$1 tree=$RUN_DIR/adopter patch
	rm -rf -- "$tree"
	cp -r "$ADOPTER_SOURCE/tree" "$tree"
	for patch in "$TOP_DIR/clients/$name"/*.patch; do
		patch -d "$tree" -p1 --batch --fuzz=0 --no-backup-if-mismatch <"$patch" || return
	done
}

# Both run in the root, in a copy of the patched source, first without libhugeodp: CPPFLAGS and LDFLAGS
# are empty, and nothing of it may be found or used. The programs go to /run/out.

adopter_build_perftest() {
	autoreconf -fi
	./configure --prefix=/usr
	not_found config.h
	make -j "$(nproc)" ib_write_bw
	# its status is not 0
	./ib_write_bw --help >help || true
	grep -e '--odp ' help
	not_found help
	make distclean
	./configure --prefix=/usr "$@"
	grep -x '#define HAVE_HUGEODP 1' config.h
	make -j "$(nproc)"
	make install DESTDIR=/run/out
}

adopter_build_libfabric() {
	local options=(--prefix=/usr --libdir="/usr/lib/$(cc -print-multiarch)" --enable-only --enable-verbs)
	local object=src_libfabric_la
	./autogen.sh
	./configure "${options[@]}"
	not_found config.h
	make prov/verbs/src/$object-verbs_{init,mr}.lo prov/util/src/$object-util_mr_cache.lo
	make distclean
	./configure "${options[@]}" "$@"
	grep -x '#define VERBS_HAVE_HUGEODP 1' config.h
	make -j "$(nproc)"
	make install DESTDIR=/run/out
}

# This source is for compilers before C23, and has -Werror. Debian's archive has upstream's folder debian,
# which configure needs, under another name. Only the folders of the libraries are built.
adopter_build_ucx() {
	local options=(--prefix=/usr --libdir="/usr/lib/$(cc -print-multiarch)" --disable-static
		--disable-doxygen-doc --with-rdmacm --without-cuda --without-rocm --without-ugni
		--without-gdrcopy --without-java --without-go --without-fuse3 --without-bfd --without-knem
		--without-xpmem --without-valgrind CFLAGS='-O2 -std=gnu17 -Wno-error')
	local folder
	ln -s debian.upstream debian
	./autogen.sh
	./configure "${options[@]}"
	not_found config.h
	make -C src/uct/ib base/libuct_ib_la-ib_md.lo
	make distclean
	./configure "${options[@]}" "$@"
	grep -x '#define HAVE_HUGEODP 1' config.h
	for folder in src/{ucm,ucs,uct,ucp}; do
		make -j "$(nproc)" -C "$folder" install DESTDIR=/run/out
	done
}

not_found() { ! grep -E 'HUGEODP.* 1|--odp-page-sizes' "$1"; }

# adopter_build NAME WORK OUT: the program, installed in OUT, with the library that is in WORK/out
adopter_build() {
	local name=$1 work=$2 out=$3
	rm -rf -- "$out"
	mkdir -p "$out"
	# shellcheck disable=SC2016 # expanded inside the root
	ROOT=$ADOPTERS_ROOT root_exec "$RUN_DIR/adopter:src" "$work/out:library:ro" "$out:out" -- \
		/bin/bash -c "set -eu; $(declare -f not_found "adopter_build_$name")"'
		cd /run/src
		libraries=/run/library/usr/lib/$(cc -print-multiarch)
		# rpath-link: for programs whose libraries depend on it
		adopter_build_'"$name"' CPPFLAGS=-I/run/library/usr/include \
			LDFLAGS="-L$libraries -Wl,-rpath-link=$libraries"'
}

# adopter_make NAME WORK NEW
adopter_make() {
	adopter_patch "$1"
	adopter_build "$@"
}

# adopter_require NAME WORK: sets ADOPTER to what the patched program installs, built first if needed
adopter_require() {
	local name=$1 work=$2
	adopter_source_require "$name"
	ADOPTER=$CACHE_DIR/adopters/$name-$({
		echo "${ADOPTERS_ROOT##*/} ${ADOPTER_SOURCE##*/}"
		cat "$ADOPTER_SOURCE/version"
		declare -f not_found adopter_build "adopter_build_$name"
		tree_files | grep -zE "^(clients/$name/|libibverbs/hugeodp)" | hash_files "$TOP_DIR"
	} | hash_text)
	cache_make "$ADOPTER" "adopter-$name" "patching and building $name $(<"$ADOPTER_SOURCE/version")" \
		adopter_make "$name" "$work" {}
}

# adopters_programs WORK NAME...: the tests of tests/adopters for these clients, in WORK/out
adopters_programs() {
	local work=$1
	shift
	# shellcheck disable=SC2016 # expanded inside the root
	ROOT=$ADOPTERS_ROOT root_exec "$work/src:src:ro" "$work/out:out" -- /bin/bash -euc '
		libraries=/run/out/usr/lib/$(cc -print-multiarch)
		adopters=/run/src/tests/adopters
		mkdir -p /run/out/opt/adopters
		cp "$adopters"/*.sh /run/src/tests/lib/tap.sh /run/out/opt/adopters
		program() {
			cc -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Wshadow -Wconversion -Werror \
				-isystem /run/out/usr/include -o "/run/out/opt/adopters/$1" "$adopters/$1.c" \
				"$adopters/side.c" -L"$libraries" -Wl,-rpath-link="$libraries" "${@:2}"
		}
		for name; do
			case $name in
			libfabric) program fi-transfer -lfabric ;;
			ucx)
				program ucp-transfer -lucp -lucs
				cc -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Werror \
					-o /run/out/opt/adopters/mlx5-model-counters \
					/run/src/mlx5-model/tools/counters.c
				;;
			esac
		done
	' bash "$@"
}

adopters_test() {
	local work=$RUN_DIR/adopters name run kernel device names=()
	for name in "${ADOPTERS[@]}"; do
		[[ ${#TEST_NAMES[@]} != 0 && " ${TEST_NAMES[*]} " != *" $name "* ]] || names+=("$name")
	done
	[[ ${#names[@]} != 0 ]] || return 0
	adopters_root_require
	step "building the project for Debian $ADOPTERS_SUITE" client_project "$ADOPTERS_ROOT" "$work"
	for name in "${names[@]}"; do
		adopter_require "$name" "$work"
		cp -r "$ADOPTER/." "$work/out"
	done
	step "building tests/adopters" adopters_programs "$work" "${names[@]}"
	client_root "$ADOPTERS_ROOT" "$work"
	# on the last one, requests are refused
	for run in 'debian rxe' 'debian mlx5' 'debian-stock rxe'; do
		read -r kernel device <<<"$run"
		# shellcheck disable=SC2016 # expanded in the machine
		part_vm --kernel "$kernel" --device "$device" --timeout 3600 --share "$work/root" -- \
			/bin/bash /run/lab/chroot.sh /mnt/share /bin/bash -c '
			for name; do
				echo "$name.t .."
				/bin/bash "/opt/adopters/$name.sh" || status=1
			done
			exit "${status-0}"' bash "${names[@]}"
		tally_tap "adopters-$kernel-$device" "$PART_STATUS" /dev/null <"$RUN_DIR/out"
	done
	rm -rf -- "$work"
}
