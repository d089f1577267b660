# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The requirements on the host. lab/host-packages lists a command or file for each
# package, so a host that has the tools from another source needs no apt;
# lab/host-packages.kernel lists more of them, for kernels that are compiled here. On a
# host that cannot run the lab, it prints one sentence with the reason and a remedy.

HOST_RELEASE=/etc/os-release
# upper limit of the largest step, a kernel's tree
HOST_SPACE_MIB=4096
HOST_LISTS=(host-packages)
HOST_NAMESPACE=(--user --map-root-user --map-auto)

# host_release FIELD: of os-release(5)
host_release() {
	sed -n "s/^$1=//p" "$HOST_RELEASE" 2>/dev/null | tr -d \"\'
}

HOST_CONTAINER="run the lab in a Debian container, for example with podman run -it --privileged \
-v \"$TOP_DIR\":/src -w /src debian:trixie lab/lab test"

host_missing() {
	local package probe
	while read -r package probe; do
		case $package in '' | '#'*) continue ;; esac
		case $probe in
		/*) [[ -e $probe ]] || echo "$package" ;;
		*) command -v "$probe" >/dev/null || echo "$package" ;;
		esac
	done < <(cd "$LAB_DIR" && cat "${HOST_LISTS[@]}")
}

host_install() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	# the system's own apt may hold the lock
	apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
}

host_machine_check() {
	[[ $(uname -m) == x86_64 ]] ||
		die "this host is $(uname -m), and the lab builds natively for x86_64: use an x86_64 machine"
}

host_apt_check() {
	local name
	name=$(host_release PRETTY_NAME)
	command -v apt-get >/dev/null || [[ -z $(host_missing) ]] ||
		die "this host (${name:-not Debian}) has no apt, which the lab builds its systems with:" \
			"$HOST_CONTAINER"
}

# Without root the lab runs itself again, as root of a user namespace that has a range of ids: it mounts
# and changes root directories, and the files of its systems have several owners.
host_enter() {
	local why
	[[ $EUID != 0 ]] || return 0
	why=$(unshare "${HOST_NAMESPACE[@]}" --mount mount -t tmpfs tmpfs /tmp 2>&1) ||
		die "without root the lab needs a user namespace with a range of ids (${why//$'\n'/; }):" \
			"install uidmap, add a line for $(id -un) to /etc/subuid and /etc/subgid, set" \
			"kernel.apparmor_restrict_unprivileged_userns=0 where AppArmor forbids it," \
			"or run the lab as root"
	HUGEODP_ROOTLESS=1 exec unshare "${HOST_NAMESPACE[@]}" -- "$LAB_DIR/lab" "${LAB_ARGV[@]}"
}

# The same calls as in root_exec and mmdebstrap
host_rights_check() {
	host_enter
	unshare --mount --propagation private --pid --fork mount -t tmpfs tmpfs /tmp 2>/dev/null ||
		die "root may not mount file systems here, as in a container without rights:" \
			"start the container with --privileged"
}

host_space_check() {
	local free
	mkdir -p "$CACHE_DIR"
	free=$(df --output=avail -B 1048576 "$CACHE_DIR" | tail -n 1)
	[[ $free -ge $HOST_SPACE_MIB ]] ||
		die "the disk of $CACHE_DIR has ${free// /} MiB left, and the lab needs $HOST_SPACE_MIB:" \
			"make room, or set HUGEODP_CACHE to a directory on another disk"
}

host_packages_check() {
	local missing name
	mapfile -t missing < <(host_missing)
	[[ ${#missing[@]} != 0 ]] || return 0
	[[ -z ${HUGEODP_ROOTLESS-} ]] ||
		die "this host lacks packages: run as root once: apt-get install ${missing[*]}"
	# apt does not wait for another apt
	lock host
	mapfile -t missing < <(host_missing)
	if [[ ${#missing[@]} != 0 ]]; then
		step "installing host packages ${missing[*]}" persist host_install "${missing[@]}"
		mapfile -t missing < <(host_missing)
	fi
	unlock host
	name=$(host_release PRETTY_NAME)
	[[ ${#missing[@]} == 0 ]] ||
		die "this host (${name:-unknown}) has packages that are too old (${missing[*]}):" \
			"install Debian 13's, or $HOST_CONTAINER"
}

# Check the host before anything is built or fetched
host_require() {
	host_machine_check
	host_apt_check
	host_rights_check
	host_space_check
	host_packages_check
}

# The same, to compile a kernel
host_kernel_require() {
	HOST_LISTS=(host-packages host-packages.kernel)
	host_require
}
