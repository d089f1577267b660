# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The kernel source: Debian's linux-source package, fetched once, and unpacked for the version that the
# series is made for. The version of the first fetch is used until the cache is emptied.

SOURCE_SUITE=trixie-backports
SOURCE_VERSION=7.3

source_fetch() {
	local dir=$1 deb version
	rm -rf -- "$dir"
	mkdir -p "$dir/archive"
	apt_private "$SOURCE_SUITE"
	apt-get -q update
	(cd "$dir" && apt-get -q download "$SOURCE_PACKAGE")
	deb=$(echo "$dir"/*.deb)
	version=$(dpkg-deb -f "$deb" Version)
	dpkg-deb --fsys-tarfile "$deb" |
		tar -xf - -C "$dir/archive" --strip-components=3 "./usr/src/$SOURCE_PACKAGE.tar.xz"
	rm -f -- "$deb"
	if [[ $SOURCE_PACKAGE == *-"$SOURCE_VERSION" ]]; then
		mkdir "$dir/tree"
		source_unpack "$dir"
	fi
	echo "$version" >"$dir/version"
}

# Leave out files that our x86 kernels do not read and the series does not touch:
# unpacking time depends on the number of files
source_unpack() {
	local dir=$1
	tar -xJf "$dir/archive/$SOURCE_PACKAGE.tar.xz" -C "$dir/tree" --strip-components=1 \
		--wildcards --anchored \
		--exclude='*/Documentation/[!im]*/*' \
		--exclude='*/arch/[!x]*/*.[chS]' \
		--exclude='*/arch/[!x]*/*.dts*' \
		--exclude='*/drivers/gpu/*.[ch]' \
		--exclude='*/drivers/media/*.[ch]' \
		--exclude='*/drivers/staging/*.[ch]' \
		--exclude='*/drivers/net/wireless/*.[ch]' \
		--exclude='*/sound/*.[ch]'
}

# source_require [VERSION]: sets SOURCE to the directory with archive/, version and, for the version of the
# series, tree/; SOURCE_PACKAGE to the name of the package
source_require() {
	SOURCE_PACKAGE=linux-source-${1:-$SOURCE_VERSION}
	SOURCE=$CACHE_DIR/source/$SOURCE_PACKAGE-$(declare -f source_unpack | hash_text)
	cache_make "$SOURCE" source "fetching $SOURCE_PACKAGE ($SOURCE_SUITE)" persist source_fetch {}
}
