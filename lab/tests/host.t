#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The lab's requirements on its host: none for --help, and one sentence on a host that does not
# meet them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

# host_only PROGRAM...: a directory for PATH that has these programs of the host and no others
host_only() {
	local program
	rm -rf -- "${TAP_DIR:?}/bin"
	mkdir "$TAP_DIR/bin"
	for program; do
		ln -s "$(command -v "$program")" "$TAP_DIR/bin/$program"
	done
}

# fake NAME <SCRIPT: one more program in that directory
fake() {
	rm -f -- "$TAP_DIR/bin/$1"
	cat >"$TAP_DIR/bin/$1"
	chmod +x "$TAP_DIR/bin/$1"
}

host_only awk basename bash cat dirname env sed
STATUS=0
PATH=$TAP_DIR/bin "$LAB" --help >"$TAP_DIR/out" 2>"$TAP_DIR/err" || STATUS=$?
is 'help without apt-get: status' "$STATUS" 0
is 'help without apt-get: no complaint' "$(cat "$TAP_DIR/err")" ''

fake apt-get <<-END
	#!/bin/bash
	echo called >>"$TAP_DIR/calls"
END
PATH=$TAP_DIR/bin "$LAB" --help >/dev/null
ok 'help does not call apt-get' test ! -e "$TAP_DIR/calls"

# The functions of host.sh, on hosts simulated by functions and files
LAB_DIR=$(dirname "$LAB")
TOP_DIR=$(dirname "$LAB_DIR")
# shellcheck source-path=SCRIPTDIR source=../lib/common.sh
source "$LAB_DIR/lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/host.sh
source "$LAB_DIR/lib/host.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/apt.sh
source "$LAB_DIR/lib/apt.sh"

# os NAME ID CODENAME: set the os-release of the host
os() {
	HOST_RELEASE=$TAP_DIR/os-release
	printf 'PRETTY_NAME="%s"\nID=%s\nVERSION_CODENAME=%s\n' "$1" "$2" "$3" >"$HOST_RELEASE"
}

# refuses NAME PATTERN CODE [FUNCTION]: on a host changed by the code, host_require or that function ends
# with one line that matches
refuses() {
	STATUS=0
	(
		eval "$3"
		"${4-host_require}"
	) >"$TAP_DIR/out" 2>"$TAP_DIR/err" || STATUS=$?
	is "$1: status" "$STATUS" 1
	is "$1: one line" "$(wc -l <"$TAP_DIR/err")" 1
	ok "$1: reason and remedy" grep -qE "$2" "$TAP_DIR/err"
}

# mirror: the output of apt_mirror if the host's apt uses http://mirror.example/x
mirror() {
	fake apt-get <<-'END'
		#!/bin/bash
		echo 'noble http://mirror.example/x/'
		echo 'bookworm http://mirror.example/x/'
	END
	(
		unset HUGEODP_MIRROR
		PATH=$TAP_DIR/bin apt_mirror
	)
}

host_only awk bash cat env sed tr
os 'Debian GNU/Linux 12 (bookworm)' debian bookworm
is "a Debian host: its own mirror" "$(mirror)" http://mirror.example/x
is "HUGEODP_MIRROR wins" "$(HUGEODP_MIRROR=http://other.example/ apt_mirror)" http://other.example
os 'Ubuntu 24.04.2 LTS' ubuntu noble
is "Ubuntu: Debian's mirror" "$(mirror)" http://deb.debian.org/debian
os 'Arch Linux' arch ''
is "Arch: Debian's mirror" "$(mirror)" http://deb.debian.org/debian

# for host_space_check
CACHE_DIR=$TAP_DIR/cache

refuses 'aarch64' 'this host is aarch64.*use an x86_64 machine' 'uname() { echo aarch64; }'

host_only awk bash cat df env mkdir sed tail tr uname
os 'Fedora Linux 42 (Container Image)' fedora ''
# shellcheck disable=SC2016 # expanded by refuses
refuses 'Fedora' 'Fedora Linux 42 .* has no apt.*podman run' 'PATH=$TAP_DIR/bin'

os 'Debian GNU/Linux 12 (bookworm)' debian bookworm
refuses 'a container without rights' 'may not mount.*--privileged' 'unshare() { return 1; }'
refuses 'a full disk' 'has 12 MiB left.*HUGEODP_CACHE' 'df() { printf "%s\n" Avail "   12"; }'

os 'Ubuntu 24.04.2 LTS' ubuntu noble
refuses 'Ubuntu 24.04, whose keys are too old' \
	'Ubuntu 24.04.* too old \(debian-archive-keyring\).*podman run' \
	'host_missing() { echo debian-archive-keyring; }; step() { :; }; unshare() { :; }'

# A host without a compiler
# shellcheck disable=SC2016 # expanded by refuses
without='host_missing() { [[ ${HOST_LISTS[*]} != *kernel* ]] || echo gcc; }; step() { :; }; unshare() { :; }'
STATUS=0
(eval "$without" && host_require) 2>"$TAP_DIR/err" || STATUS=$?
is "no compiler: enough for Debian's kernel" "$STATUS:$(<"$TAP_DIR/err")" 0:
refuses 'no compiler: a kernel cannot be compiled' 'too old \(gcc\)' "$without" host_kernel_require
# shellcheck disable=SC2030 # for this function only
missing() { (LAB_DIR=$TAP_DIR && HOST_LISTS=("$@") && host_missing | paste -sd' '); }
printf '%s\n' '# a comment' 'one /nowhere' 'bash bash' >"$TAP_DIR/host-packages"
echo 'two no-such-command' >"$TAP_DIR/host-packages.kernel"
is 'what is missing: of the first list' "$(missing host-packages)" one
is 'what is missing: of both' "$(missing host-packages host-packages.kernel)" 'one two'

# Without root: the lab in a place that another user can read
chmod 755 "$TAP_DIR"
mkdir "$TAP_DIR/tree" "$TAP_DIR/other"
# shellcheck disable=SC2031 # not changed here
cp -r "$LAB_DIR" "$TAP_DIR/tree/lab"
chown 65534 "$TAP_DIR/other"
other() {
	STATUS=0
	setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH="$TAP_DIR/bin:$PATH" \
		HOME="$TAP_DIR/other" "$TAP_DIR/tree/lab/lab" "$@" >"$TAP_DIR/out" 2>"$TAP_DIR/err" ||
		STATUS=$?
}

host_only bash
fake unshare <<-'END'
	#!/bin/bash
	echo 'unshare: no ids' >&2
	exit 1
END
other run -- true
is 'no root and no ids: status' "$STATUS" 1
is 'no root and no ids: one line' "$(wc -l <"$TAP_DIR/err")" 1
ok 'no root and no ids: reason and remedy' \
	grep -q 'without root.*unshare: no ids.*/etc/subuid' "$TAP_DIR/err"

fake unshare <<-'END'
	#!/bin/bash
	[[ $* != *' mount '* ]] || exit 0
	printf '%s\n' "$HUGEODP_ROOTLESS" "$@"
END
other run -- 'two words'
is 'no root: the lab runs itself in a user namespace' "$(cat "$TAP_DIR/out")" "1
--user
--map-root-user
--map-auto
--
$TAP_DIR/tree/lab/lab
run
--
two words"
done_testing
