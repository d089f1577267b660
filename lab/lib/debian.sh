# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The distribution's binary kernels, of the version that the kernel source has: debian-stock with the
# distribution's own modules, debian with this project's modules beside them, in updates/; the same of
# the other version that there are modules for. An image is a directory with release, vmlinuz,
# initramfs and modules/, which the machine lays below its root.

debian_names='debian debian-stock debian-7.2 debian-7.2-stock'

# Loaded before the machine has its root
DEBIAN_INITRAMFS_MODULES=(9p 9pnet_virtio overlay)
# Uncompressed, because every machine loads some of them, and decompression is slow
# under emulation
DEBIAN_PLAIN=(drivers/infiniband drivers/net/ethernet/mellanox drivers/net/veth.ko.xz)

DEBIAN_HEADERS_SUITE=trixie
DEBIAN_MODULES=(hugeodp rdma_rxe mlx5_ib)

debian_is() { [[ " $debian_names " == *" $1 "* ]]; }

# debian_version NAME: prints the version of Linux that a kernel is
debian_version() {
	case $1 in
	debian-7.2*) echo 7.2 ;;
	*) echo "$SOURCE_VERSION" ;;
	esac
}

# debian_release VERSION: prints the release of the kernel in the binary packages of this version
debian_release() {
	apt-cache dumpavail | awk -v version="$1" '
		/^Package: / { name = $2 }
		/^Version: / && $2 == version && name ~ /^linux-binary-[0-9][^-]*-amd64$/ {
			sub("linux-binary-", "", name)
			found = name
		}
		END { print found }'
}

# debian_fetch DIR: release, vmlinuz and modules/ of the version that $SOURCE has
debian_fetch() {
	local dir=$1 version release deb
	rm -rf -- "$dir"
	mkdir -p "$dir/debs" "$dir/modules"
	version=$(<"$SOURCE/version")
	apt_private "$SOURCE_SUITE"
	apt-get -q update
	release=$(debian_release "$version")
	[[ -n $release ]] ||
		die "$SOURCE_SUITE no longer has the kernel $version, which $SOURCE has the source of:" \
			"remove that directory, and both are fetched in today's version"
	(
		cd "$dir/debs" || exit
		apt-get -q download "linux-base-$release=$version" "linux-binary-$release=$version" \
			"linux-modules-$release=$version"
	)
	for deb in "$dir"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -xf - -C "$dir/modules" ./usr/lib/modules
	done
	rm -rf -- "$dir/debs"
	mv "$dir/modules/usr/lib/modules/$release/vmlinuz" "$dir/vmlinuz"
	echo "$release" >"$dir/release"
}

# debian_depmod DIR: for the modules of an image
debian_depmod() {
	root_exec "$1/modules:modules" -- depmod -b /run/modules/usr "$(<"$1/release")"
}

# debian_initramfs_modules DIR: prints the paths in DIR of the modules that the
# initramfs loads, in that order
debian_initramfs_modules() {
	root_exec "$1/modules:modules:ro" -- modprobe -d /run/modules/usr -S "$(<"$1/release")" \
		--show-depends -a "${DEBIAN_INITRAMFS_MODULES[@]}" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# debian_initramfs DIR: build the initramfs, which loads modules and mounts the real
# root
debian_initramfs() {
	local dir=$1 tree=$1/tree module n=10
	mkdir -p "$tree"/{bin,dev,modules,root}
	cp "$LAB_DIR/guest/init0" "$tree/init"
	cp "$ROOT/usr/bin/busybox" "$tree/bin/"
	ln -s busybox "$tree/bin/sh"
	while IFS= read -r module; do
		# copies modules that are not compressed
		xz -dcf "$dir/${module#/run/}" >"$tree/modules/$n-$(basename "$module" .xz)"
		n=$((n + 1))
	done < <(debian_initramfs_modules "$dir")
	[[ $n -gt 10 ]] || die "no modules for the initramfs"
	# shellcheck disable=SC2016 # expanded inside the root
	root_exec "$tree:tree:ro" -- /bin/sh -euc \
		'cd /run/tree && find . | sort | busybox cpio -o -H newc -R 0:0' >"$dir/initramfs"
	rm -rf -- "$tree"
}

# debian_files_make DIR: what debian_fetch fetches, with some modules uncompressed
debian_files_make() {
	local dir=$1
	persist debian_fetch "$dir"
	(
		cd "$dir/modules/usr/lib/modules/$(<"$dir/release")/kernel" || exit
		find "${DEBIAN_PLAIN[@]}" -name '*.ko.xz' -exec xz -d -- {} +
	)
}

debian_files_key() {
	{
		cat "$SOURCE/version"
		echo "${DEBIAN_PLAIN[*]}"
		declare -f debian_release debian_fetch debian_files_make
	} | hash_text
}

# Sets DEBIAN_FILES to the files of the distribution's kernel, fetched first if needed
debian_files_require() {
	DEBIAN_FILES=$CACHE_DIR/debian/files-$(debian_files_key)
	# with the lock of the source, which uses the same apt state
	cache_make "$DEBIAN_FILES" source "fetching Debian's kernel $(<"$SOURCE/version") ($SOURCE_SUITE)" \
		debian_files_make {}
}

# Sets HEADERS_ROOT to the root that has the headers of the kernel RELEASE and the compiler that
# belongs to them
debian_headers_require() {
	deb_root_cached headers "with the headers of Debian's kernel" "$DEBIAN_HEADERS_SUITE" \
		"make,patch,xz-utils,ccache,gcc-14,libc6-dev,linux-headers-$1=$(<"$SOURCE/version")" \
		"$SOURCE_SUITE"
	HEADERS_ROOT=$DEB_CACHED
}

# Names of the source files of the modules, NUL-separated
debian_modules_files() { tree_files | grep -zE '^(kernel|kernel-headers)/'; }

# debian_modules_exec FILES WORK COMMAND...: where the modules are built, with WORK at /run/work. Debian's
# Makefile has the variable for ccache, which compiles only what changed if the tree is always at the same
# place.
debian_modules_exec() {
	local files=$1 work=$2
	shift 2
	mkdir -p "$work/tmp" "$CACHE_DIR/ccache"
	ROOT=$HEADERS_ROOT root_exec "$work:work" "$SOURCE:source:ro" "$files/modules:stock:ro" \
		"$CACHE_DIR/ccache:ccache" "$TOP_DIR/kernel:project/kernel:ro" \
		"$TOP_DIR/kernel-headers:project/kernel-headers:ro" -- env TMPDIR=/run/work/tmp \
		DEBIAN_KERNEL_USE_CCACHE=1 CCACHE_DIR=/run/ccache CCACHE_MAXSIZE=4G CCACHE_DEPEND=1 "$@"
}

# debian_modules_build FILES WORK: the modules for this kernel of the distribution, in WORK/out; sources and
# objects in WORK/tree
debian_modules_build() {
	local files=$1 work=$2 release source=/run/source/tree
	mkdir -p "$work/tree"
	release=$(<"$files/release")
	[[ -d $SOURCE/tree ]] || source=/run/source/archive/$SOURCE_PACKAGE.tar.xz
	debian_modules_exec "$files" "$work" /run/project/kernel/modules/build --keep /run/work/tree "$source" \
		"/usr/lib/modules/$release/build" "/run/stock/usr/lib/modules/$release/kernel" \
		/run/work/out
}

# debian_modules_make NEW: this project's modules for the kernel in DEBIAN_FILES
debian_modules_make() {
	local new=$1 work=$RUN_DIR/modules module
	rm -rf -- "$work" "$new"
	debian_modules_build "$DEBIAN_FILES" "$work"
	mkdir "$new"
	for module in "${DEBIAN_MODULES[@]}"; do
		mv "$work/out/$module.ko" "$new/"
	done
	rm -rf -- "$work"
}

debian_modules_key() {
	{
		echo "${DEBIAN_FILES##*/} ${HEADERS_ROOT##*/} ${DEBIAN_MODULES[*]}"
		declare -f debian_modules_make debian_modules_exec debian_modules_build
		debian_modules_files | hash_files "$TOP_DIR"
	} | hash_text
}

# Sets MODULES to the directory of this project's modules, built first if needed
debian_modules_require() {
	local release
	release=$(<"$DEBIAN_FILES/release")
	debian_headers_require "$release"
	MODULES=$CACHE_DIR/debian/modules-$(debian_modules_key)
	cache_make "$MODULES" debian-modules "building modules for Debian's kernel $release" \
		debian_modules_make {}
}

# debian_image_modules IMAGE MODULES: replace this project's modules in an image
debian_image_modules() {
	local updates module
	updates=$1/modules/usr/lib/modules/$(<"$1/release")/updates
	mkdir -p "$updates"
	for module in "${DEBIAN_MODULES[@]}"; do
		cp "$2/$module.ko" "$updates/"
	done
}

# debian_image_make NEW [MODULES]: the image, with this project's modules if there are any
debian_image_make() {
	local new=$1
	rm -rf -- "$new"
	# hard links, except to the files of depmod, which depmod replaces
	cp -al "$DEBIAN_FILES" "$new"
	[[ -z ${2-} ]] || debian_image_modules "$new" "$2"
	debian_depmod "$new"
	debian_initramfs "$new"
}

debian_image_key() {
	{
		echo "${DEBIAN_FILES##*/} ${MODULES##*/} ${DEBIAN_INITRAMFS_MODULES[*]} ${DEBIAN_MODULES[*]}"
		cat "$LAB_DIR/guest/init0"
		declare -f debian_depmod debian_initramfs_modules debian_initramfs debian_image_modules \
			debian_image_make
	} | hash_text
}

# debian_require NAME: sets KERNEL to the directory of the image, and DEBIAN_FILES and MODULES to what it is
# made of. What takes long comes before the root, which another lab may be making at the same time
# (kernel_ahead).
debian_require() {
	local name=$1
	MODULES=''
	source_require "$(debian_version "$name")"
	debian_files_require
	[[ $name == *-stock ]] || debian_modules_require
	root_require
	KERNEL=$CACHE_DIR/image/$name-$(debian_image_key)
	cache_make "$KERNEL" "kernel-$name" "making an image of Debian's kernel $(<"$DEBIAN_FILES/release")" \
		debian_image_make {} "$MODULES"
}
