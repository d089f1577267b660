# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The Debian package mlx5-model, a source package of its own: it needs the kernel's layouts, which of the
# releases only MODEL_SUITE has, with its backports.

MODEL_SUITE=trixie

# Sets DEB_ROOT to the root in which the package is built
model_root_require() {
	local packages
	source_require
	packages=$(deb_build_packages "$TOP_DIR/packaging/mlx5-model/control")
	deb_root_cached model 'to build the package mlx5-model in' "$MODEL_SUITE" \
		"${packages/linux-headers-amd64/linux-headers-amd64=$(<"$SOURCE/version")}" "$SOURCE_SUITE"
	DEB_ROOT=$DEB_CACHED
}

# model_build OUT
model_build() {
	model_root_require
	step "building the package mlx5-model (Debian $MODEL_SUITE)" deb_compile "$1" mlx5-model
}

# model_install DEBS ROOT: a minimal system with the package
model_install() {
	(cd "$1" && dpkg-scanpackages --multiversion . >Packages)
	deb_root "$MODEL_SUITE" "$2" mlx5-model "deb [trusted=yes] copy:$1 ./"
}

# model_try ROOT: the package's programs on both sides of a machine, and in its root alone
model_try() {
	local root=$1
	cp "$TOP_DIR"/packaging/tests/{check,try-model}.sh "$root/mnt"
	part_vm --device mlx5 --mlx5 "program=$root/usr/bin/mlx5-model" --share "$root" -- /bin/bash -c '
		ibv_rc_pingpong -d mlx5_0 -g 0 >/dev/null &
		until ibv_rc_pingpong -d mlx5_0 -g 0 localhost >/dev/null 2>&1; do
			kill -0 $!
		done
		exec /bin/bash /run/lab/chroot.sh /mnt/share /bin/bash /mnt/try-model.sh'
	tally_tap packages-model "$PART_STATUS" /dev/null <"$RUN_DIR/out"
}

# model_test OUT: build, check, install, try
model_test() {
	local out=$1
	model_build "$out"
	tally_check packages-model/lintian deb_lint "$out"
	step "making a root with the package mlx5-model" model_install "$out" "$out-root"
	model_try "$out-root"
	rm -rf -- "$out-root"
}
