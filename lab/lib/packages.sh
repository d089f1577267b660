# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Debian packages: built in a root of each release, and tested in another root with only
# these packages.

DEB_SUITES=(bookworm trixie testing)

# deb_architectures PACKAGES: those of "name:architecture" in the list, after the native one
deb_architectures() {
	{
		echo amd64
		tr , '\n' <<<"$1" | sed -n 's/.*://p' | sort -u
	} | paste -sd,
}

# deb_root SUITE DIR PACKAGES [SOURCE...]: a root with PACKAGES (separated by commas)
deb_root() {
	local suite=$1 dir=$2 packages=$3 settings=$2.apt mirror
	mirror=$(apt_mirror)
	shift 3
	apt_host_settings >"$settings"
	unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
		mmdebstrap --mode=root --variant=minbase --arch="$(deb_architectures "$packages")" \
		--format=directory --aptopt="$settings" --aptopt='APT::Install-Recommends "false"' \
		--keyring="$DEBIAN_KEYRING" \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
		--include="$packages" "$suite" "$dir" \
		"deb $mirror $suite main" "$@"
	rm -f -- "$settings"
}

# deb_build_packages CONTROL [PACKAGE...]: the build dependencies in this file, lintian, and others
deb_build_packages() {
	{
		printf '%s\n' build-essential lintian "${@:2}"
		sed -n '/^Build-Depends:/,/^[^ ]/p' "$1" |
			sed -nE 's/^ ([a-z0-9-]+).*/\1/p' | sed 's/^debhelper-compat$/debhelper/'
	} | grep -vx 'dh-sequence-.*' | paste -sd,
}

# deb_root_make DIR SUITE PACKAGES [SUITE...]: the packages may also come from the other suites
deb_root_make() {
	local dir=$1 suite=$2 packages=$3 mirror sources
	mirror=$(apt_mirror)
	shift 3
	sources=("${@/#/deb $mirror }")
	sources=("${sources[@]/%/ main}")
	deb_root "$suite" "$dir" "$packages" "${sources[@]}"
}

# deb_root_cached NAME WHAT SUITE PACKAGES [SUITE...]: sets DEB_CACHED to such a root, made first if
# needed. NAME is unique for each kind of root, WHAT describes its purpose.
deb_root_cached() {
	local name=$1 what=$2
	shift 2
	DEB_CACHED=$CACHE_DIR/debroot/$name-$({
		printf '%s\n' "$@"
		declare -f deb_root deb_root_make
	} | hash_text)
	cache_make "$DEB_CACHED" "debroot-$name" "making a root $what (Debian $1)" deb_root_make {} "$@"
}

# Sets DEB_ROOT to the root in which packages for SUITE are built; RPMs in that of one release, too
deb_root_require() {
	local more=()
	[[ $1 != "$RPM_SUITE" ]] || more=("${RPM_PACKAGES[@]}")
	deb_root_cached "$1" 'to build packages in' "$1" \
		"$(deb_build_packages "$TOP_DIR/packaging/debian/control" "${more[@]}")"
	DEB_ROOT=$DEB_CACHED
}

# Names of the source files of the packages
deb_sources() { tree_files | grep -zvE '^(lab|bench|clients|\.ci)/'; }

deb_source_copy() {
	local file
	mkdir -p "$1"
	while IFS= read -r -d '' file; do
		[[ ! -f $TOP_DIR/$file ]] || (cd "$TOP_DIR" && cp --parents -p "$file" "$1")
	done < <(deb_sources)
}

# deb_compile OUT SOURCE-PACKAGE
deb_compile() {
	local out=$1 package=$2 suffix
	mkdir -p "$out/build"
	deb_source_copy "$out/source"
	# testing has no version number
	suffix=$(sed -nE 's/^VERSION_ID="([0-9]+)"$/+deb\1/p' "$DEB_ROOT/etc/os-release")
	"$TOP_DIR/packaging/stage" "$out/source" "$out/build/$package" "$suffix" "$package"
	rm -rf -- "$out/source"
	# shellcheck disable=SC2016 # expanded inside the root
	ROOT=$DEB_ROOT root_exec "$out/build:build" -- /bin/bash -euc '
		cd "/run/build/$1"
		dpkg-buildpackage -b -us -uc -j"$(nproc)"
	' bash "$package"
	mv "$out"/build/*.deb "$out"/build/*.changes "$out"/build/*.buildinfo "$out"
	rm -rf -- "$out/build"
}

# deb_build SUITE OUT: the packages for SUITE, in OUT
deb_build() {
	deb_root_require "$1"
	step "building packages for Debian $1" deb_compile "$2" hugeodp
}

# deb_install SUITE DEBS ROOT: a minimal system with a compiler and our packages, whose
# dependencies apt resolves
deb_install() {
	local suite=$1 debs=$2 root=$3
	(cd "$debs" && dpkg-scanpackages --multiversion . >Packages)
	deb_root "$suite" "$root" \
		"libhugeodp-dev,hugeodp-tools,python3-hugeodp,hugeodp-kernel-source,ibverbs-providers,gcc,libc6-dev,pkg-config" \
		"deb [trusted=yes] copy:$debs ./"
}

# deb_series ROOT WORK: check that the packaged series equals that of the lab
deb_series() {
	local root=$1 work=$2 files
	source_require
	mkdir -p "$work/linux" "$work/want"
	mapfile -t files < <(sed -n 's,^--- a/,,p' "$TOP_DIR"/kernel/patches/*.patch | sort -u)
	(cd "$SOURCE/tree" && cp --parents Kbuild "${files[@]}" "$work/linux")
	series_apply "$SOURCE/tree" "$work/want"
	ROOT=$root root_exec "$work/linux:linux" -- /usr/src/hugeodp/apply /run/linux
	(cd "$work/want" && find . -type f -exec cmp {} "$work/linux/{}" \;) >"$work/differ" 2>&1
	[[ ! -s $work/differ ]] || { cat "$work/differ" && return 1; }
	! ROOT=$root root_exec "$work/linux:linux" -- /usr/src/hugeodp/apply /run/linux
}

# deb_try SUITE ROOT: test in the machine, and count the results. The pyverbs of Debian 12 and 13 has a list
# of its own.
deb_try() {
	local suite=$1 root=$2 expected=$LAB_DIR/expected/python
	[[ ! -e $expected.$suite ]] || expected+=.$suite
	mkdir -p "$root/mnt/pyverbs" "$root/mnt/tutorial"
	cp -r "$TOP_DIR/README.md" "$TOP_DIR"/packaging/tests/{check,try}.sh "$root/mnt"
	cp "$TOP_DIR"/tests/{lab/programs/tutorial,lib/tap}.sh \
		"$TOP_DIR/libibverbs/man/hugeodp-tutorial.7.md" "$root/mnt/tutorial"
	cp -r "$TOP_DIR/pyverbs/tests" "$root/mnt/pyverbs"
	part_vm --timeout 1800 --share "$root" -- \
		/bin/bash /run/lab/chroot.sh /mnt/share /bin/bash /mnt/try.sh /mnt
	tally_tap "packages-$suite" "$PART_STATUS" /dev/null <"$RUN_DIR/out"
	tally_unittest "packages-$suite" "$expected" "$RUN_DIR/out"
}

# deb_dkms_install DEBS ROOT: a system with the distribution's kernel, for which DKMS builds our modules
deb_dkms_install() {
	local debs=$1 root=$2 version release
	version=$(<"$SOURCE/version")
	release=$(<"$KERNEL/release")
	(cd "$debs" && dpkg-scanpackages --multiversion . >Packages)
	deb_root "$DEBIAN_HEADERS_SUITE" "$root" \
		"hugeodp-dkms,iproute2,linux-headers-$release=$version,linux-modules-$release=$version,linux-binary-$release=$version,$SOURCE_PACKAGE=$version" \
		"deb $(apt_mirror) $SOURCE_SUITE main" "deb [trusted=yes] copy:$debs ./"
}

# deb_dkms KERNEL DEBS ROOT: the modules of the package, in the distribution's kernel of this name
deb_dkms() {
	local kernel=$1 debs=$2 root=$3
	debian_require "$kernel"
	step "building the modules of the package hugeodp-dkms for $(<"$KERNEL/release")" deb_dkms_install "$debs" "$root"
	cp "$TOP_DIR"/packaging/tests/{check,try-dkms}.sh "$root/mnt"
	part_vm --kernel "$kernel" --device none --timeout 1800 --share "$root" -- \
		/bin/bash /run/lab/chroot.sh /mnt/share /bin/bash /mnt/try-dkms.sh
	tally_tap "packages-dkms-$kernel" "$PART_STATUS" /dev/null <"$RUN_DIR/out"
	rm -rf -- "$root"
}

# deb_lint OUT: check that lintian reports nothing
deb_lint() {
	ROOT=$DEB_ROOT root_exec "$1:debs:ro" -- /bin/bash -c \
		'lintian --allow-root --fail-on error,warning /run/debs/*.changes'
}

# deb_test SUITE: build, check, install, try
deb_test() {
	local suite=$1 out=$RUN_DIR/deb/$1
	deb_build "$suite" "$out"
	tally_check "packages-$suite/lintian" deb_lint "$out"
	step "making a root with the packages (Debian $suite)" \
		deb_install "$suite" "$out" "$RUN_DIR/deb/$suite-root"
	tally_check "packages-$suite/series" deb_series "$RUN_DIR/deb/$suite-root" "$RUN_DIR/deb/$suite-work"
	deb_try "$suite" "$RUN_DIR/deb/$suite-root"
	rm -rf -- "$out"-{root,work}
}
