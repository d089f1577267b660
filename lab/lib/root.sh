# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The machine's root file system: a Debian testing tree, never written to once it is made, and
# what runs inside it natively on the host. The unit tests have a copy with more packages.

ROOT_SUITE=testing

# root_packages FILE: the packages of a list
root_packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$1"; }

root_key() {
	{
		root_packages "$LAB_DIR/packages"
		echo "$ROOT_SUITE"
		sed -n '/^root_make/,/^}/p' "$LAB_DIR/lib/root.sh"
	} | hash_text
}

root_make() {
	local new=$1 settings=$1.apt mirror
	mirror=$(apt_mirror)
	apt_host_settings >"$settings"
	unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
		mmdebstrap --mode=root --variant=minbase --arch=amd64 --format=directory \
		--aptopt="$settings" --aptopt='APT::Install-Recommends "false"' \
		--keyring="$DEBIAN_KEYRING" \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/rdma-core*' \
		--dpkgopt=force-unsafe-io \
		--include="$(root_packages "$LAB_DIR/packages" | paste -sd,)" \
		"$ROOT_SUITE" "$new" "$mirror"
	rm -f -- "$settings"
	# rdma-core's test suite is shipped as documentation, compressed
	mkdir "$new/usr/libexec/rdma-core"
	cp -r "$new/usr/share/doc/rdma-core/tests" "$new/usr/libexec/rdma-core/"
	gunzip -r "$new/usr/libexec/rdma-core/tests"
	echo hugeodp >"$new/etc/hostname"
}

# root_attempt MAKE NEW: remove the remains of an earlier attempt and try again
root_attempt() {
	rm -rf -- "$2"
	"$1" "$2"
}

# root_unit_make NEW: a copy of ROOT, into which the host's apt installs the packages
root_unit_make() {
	local new=$1 settings=$1.apt packages
	cp -a "$ROOT" "$new"
	mapfile -t packages < <(root_packages "$LAB_DIR/packages.unit")
	echo "deb [signed-by=$DEBIAN_KEYRING] $(apt_mirror) $ROOT_SUITE main" >"$new.list"
	{
		apt_host_settings
		cat <<-END
			Dir "$new";
			Dir::Etc::sourcelist "$new.list";
			Dir::Etc::sourceparts "-";
			DPkg::Chroot-Directory "$new";
			APT::Architecture "amd64";
			APT::Install-Recommends "false";
			APT::Sandbox::User "root";
		END
	} >"$settings"
	# shellcheck disable=SC2016 # expanded by the inner shell
	APT_CONFIG=$settings DEBIAN_FRONTEND=noninteractive \
		unshare --mount --propagation private --pid --fork --kill-child bash -euc '
		new=$1
		shift
		mount -t proc proc "$new/proc"
		mount --rbind /dev "$new/dev"
		apt-get -q update
		apt-get -q -y install "$@"
		apt-get -q clean
	' bash "$new" "${packages[@]}"
	rm -f -- "$settings" "$new.list"
}

root_is_made() { [[ -d $CACHE_DIR/root/$(root_key) ]]; }

# Sets ROOT to the root file system, made first if needed
root_require() {
	local key
	key=$(root_key)
	ROOT=$CACHE_DIR/root/$key
	cache_make "$ROOT" root "making the root file system (Debian $ROOT_SUITE)" \
		persist root_attempt root_make {}
}

root_unit_key() {
	{
		echo "${ROOT##*/}"
		root_packages "$LAB_DIR/packages.unit"
		declare -f root_unit_make
	} | hash_text
}

# Sets ROOT to the root of the unit tests, made first if needed
root_unit_require() {
	local key unit
	root_require
	key=$(root_unit_key)
	unit=$CACHE_DIR/root/unit-$key
	cache_make "$unit" root-unit 'adding what the unit tests use to the root file system' \
		persist root_attempt root_unit_make {}
	ROOT=$unit
}

# root_exec [FROM:TO[:ro]...] -- COMMAND...: in the root, read-only but for /tmp, the host's /dev and
# /sys, and what is bound below /run. The mounts live in a namespace that dies with the command.
root_exec() {
	local binds=()
	while [[ $1 != -- ]]; do
		binds+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private --pid --fork --kill-child bash -euc '
		root=$1 n=$2
		shift 2
		mount --bind "$root" "$root"
		mount -o remount,bind,ro "$root"
		mount -t tmpfs tmpfs "$root/run"
		mount -t tmpfs tmpfs "$root/tmp"
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount --rbind /sys "$root/sys"
		for ((; n > 0; n--)); do
			IFS=: read -r from to ro <<<"$1"
			mkdir -p "$root/run/$to"
			mount --bind "$from" "$root/run/$to"
			[[ -z $ro ]] || mount -o "remount,bind,$ro" "$root/run/$to"
			shift
		done
		exec chroot "$root" /usr/bin/env -i HOME=/tmp LANG=C.UTF-8 TERM="${TERM-dumb}" \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
	' bash "$ROOT" "${#binds[@]}" "${binds[@]}" "$@"
}
