# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# apt for suites that are not the host's: a private state, signatures checked, the host's sources
# untouched. APT_CONFIG is read beside the host's own configuration, so its proxies and its
# Check-Valid-Until setting count here as well.

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror that a Debian host itself uses: it has the other suites as well.
apt_host_mirror() {
	# the parentheses are for apt
	# shellcheck disable=SC2016
	env -u APT_CONFIG apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$(host_release VERSION_CODENAME)" \
			'$1 == release && !uri { uri = $2 } END { print uri }'
}

# apt_mirror: prints the mirror that all suites come from. Other distributions' mirrors do not have
# Debian's.
apt_mirror() {
	local mirror=${HUGEODP_MIRROR:-}
	if [[ -z $mirror && $(host_release ID) == debian ]]; then
		mirror=$(apt_host_mirror)
	fi
	mirror=${mirror:-http://deb.debian.org/debian}
	echo "${mirror%/}"
}

# apt_private SUITE [TYPE]: sets APT_CONFIG, for the binary packages of SUITE, or for its source packages if
# TYPE is deb-src
apt_private() {
	local suite=$1 type=${2-deb} dir=$CACHE_DIR/apt/$1${2+-$2} mirror
	mirror=$(apt_mirror)
	mkdir -p "$dir"/{state/lists/partial,cache/archives/partial}
	echo "$type [signed-by=$DEBIAN_KEYRING] $mirror $suite main" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-END
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State "$dir/state";
		Dir::State::status "/dev/null";
		Dir::Cache "$dir/cache";
		APT::Architecture "amd64";
		APT::Sandbox::User "root";
	END
	export APT_CONFIG=$dir/apt.conf
}

# The options of the host's apt configuration (such as proxies) that another apt on this
# machine needs
apt_host_settings() {
	apt-config dump | grep -E '^Acquire::(Check-|Max-ValidTime|Retries|http|https)' || true
}
