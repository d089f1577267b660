# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# What the host must have. lab/host-packages names for each package something to look for, so a
# host that has the tools from elsewhere needs no apt.

host_missing() {
	local package probe
	while read -r package probe; do
		case $package in '' | '#'*) continue ;; esac
		case $probe in
		/*) [[ -e $probe ]] || echo "$package" ;;
		*) command -v "$probe" >/dev/null || echo "$package" ;;
		esac
	done <"$LAB_DIR/host-packages"
}

host_install() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	# another one of its kind, of the system's own, may be at work
	apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
}

host_require() {
	local missing
	[[ $(uname -m) == x86_64 ]] || die "the lab builds for x86_64 natively, this host is $(uname -m)"
	mapfile -t missing < <(host_missing)
	if [[ ${#missing[@]} != 0 ]]; then
		command -v apt-get >/dev/null ||
			die "this host has no apt-get: install these yourself: ${missing[*]}"
		[[ $EUID == 0 ]] || die "run as root once: apt-get install ${missing[*]}"
		# apt does not wait for another one of its kind
		lock host
		mapfile -t missing < <(host_missing)
		[[ ${#missing[@]} == 0 ]] ||
			step "installing host packages ${missing[*]}" \
				persist host_install "${missing[@]}"
		unlock host
	fi
	[[ $EUID == 0 ]] || die "the lab mounts and changes root directories: run it as root"
}
