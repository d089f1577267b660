# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# RPMs, built where the packages for a release of Debian are built: that release has rpm. Compared
# with these packages, then tried in a root without them.

RPM_SUITE=trixie
# build dependencies in addition to those of the Debian packages
RPM_PACKAGES=(elfutils python3-pyverbs rpm rpmlint)
RPM_NAMES=(libhugeodp libhugeodp-devel hugeodp-tools python3-hugeodp hugeodp-kernel-source)

# rpm_exec OUT COMMAND...: in the root that has rpm, with the RPMs as /run/rpms
rpm_exec() {
	local out=$1
	shift
	ROOT=$DEB_ROOT root_exec "$out:rpms" "$LAB_DIR/rpm:lab:ro" -- "$@"
}

# The BuildRequires are Fedora's package names, which Debian's rpm database does not
# contain: do not check them.
rpm_compile() {
	local out=$1
	mkdir -p "$out"
	deb_source_copy "$out/source"
	"$TOP_DIR/packaging/rpm/stage" "$out/source" "$out/build"
	rm -rf -- "$out/source"
	rpm_exec "$out" rpmbuild --load=/run/lab/macros --define '_topdir /run/rpms/build' \
		-bb --nodeps /run/rpms/build/SPECS/hugeodp.spec
	mv "$out"/build/RPMS/*/*.rpm "$out/build/SPECS/hugeodp.spec" "$out"
	rm -rf -- "$out/build"
}

# rpm_paths OUT NAME...: the files of packages, one a line, as rpm_exec has them
rpm_paths() {
	local out=$1 name file
	shift
	for name; do
		file=$(echo "$out/$name"-[0-9]*.rpm)
		echo "/run/rpms/${file##*/}"
	done
}

# rpm_query OUT NAME ARG...
rpm_query() {
	local out=$1 name=$2
	shift 2
	rpm_exec "$out" rpm --load=/run/lab/macros -qp "$@" "$(rpm_paths "$out" "$name")"
}

# rpm_lint OUT: check that rpmlint reports nothing
rpm_lint() {
	local files
	mapfile -t files < <(rpm_paths "$1" "${RPM_NAMES[@]}")
	rpm_exec "$1" rpmlint --strict --config /run/lab/rpmlint.toml /run/rpms/hugeodp.spec "${files[@]}"
}

# rpm_files OUT DEBS: the files of the Debian packages and no others, but for what from-debian.sed
# has and rpm's own links to files by their build ids. The modules are for Debian's kernel only.
rpm_files() {
	local out=$1 debs=$2 deb name
	for deb in "$debs"/*.deb; do
		name=$(basename "${deb%%_*}")
		[[ $name == *-dbgsym || $name == hugeodp-dkms ]] || dpkg-deb --contents "$deb" |
			awk -v name="$name" '!/^d/ { sub(/^\./, "", $6); print name, $1, $6 }'
	done | sed -E -f "$LAB_DIR/rpm/from-debian.sed" | sort >"$out/files.debian"
	for name in "${RPM_NAMES[@]}"; do
		rpm_query "$out" "$name" --qf '[%{=NAME} %{FILEMODES:perms} %{FILENAMES}\n]'
	done | sed -E -e '/^[^ ]+ d/d' -e 's,(/usr/lib64/python3)\.[0-9]+/,\1/,' \
		-e 's/ -[-rwx]+ (.*\.so(\.[0-9.]+)?)$/ library \1/' \
		-e '/ \/usr\/lib\/\.build-id\//d' | sort >"$out/files.rpm"
	[[ -s $out/files.debian ]] && diff -u "$out/files.debian" "$out/files.rpm"
}

# rpm_wanted: what the packages must require and provide
rpm_wanted() {
	local version
	version=$("$TOP_DIR/packaging/version" "$TOP_DIR")
	cat <<-END
		libhugeodp provides libhugeodp.so.1()(64bit)
		libhugeodp requires libibverbs.so.1()(64bit)
		libhugeodp requires libibverbs.so.1(IBVERBS_1.1)(64bit)
		libhugeodp-devel provides pkgconfig(libhugeodp) = $version
		libhugeodp-devel requires pkgconfig(libibverbs)
		libhugeodp-devel requires libhugeodp(x86-64) = $version-1
		hugeodp-tools requires libibverbs.so.1(IBVERBS_1.1)(64bit)
		python3-hugeodp requires libhugeodp.so.1(HUGEODP_1.0)(64bit)
		python3-hugeodp requires python3-pyverbs
		hugeodp-kernel-source requires /bin/bash
		hugeodp-kernel-source requires patch
	END
	sed -nE 's/^(HUGEODP_[0-9.]+) \{$/libhugeodp provides libhugeodp.so.1(\1)(64bit)/p' \
		"$TOP_DIR/libibverbs/libhugeodp.map"
}

# rpm_dependencies OUT: check all of these, and that no package provides the files that
# are loaded by path
rpm_dependencies() {
	local out=$1 name kind missing
	for name in "${RPM_NAMES[@]}"; do
		for kind in requires provides; do
			rpm_query "$out" "$name" "--$kind" | sed "s/^/$name $kind /"
		done
	done >"$out/dependencies"
	missing=$(rpm_wanted | grep -vxFf "$out/dependencies") && echo "missing: $missing" && return 1
	! grep -E ' provides .*(preload|_core)' "$out/dependencies"
}

# rpm_install OUT ROOT: into an empty directory, which then becomes a system with hard
# links to the files of DEB_ROOT. root_exec mounts them read-only.
rpm_install() {
	local out=$1 root=$2 files
	mapfile -t files < <(rpm_paths "$out" "${RPM_NAMES[@]}")
	mkdir -p "$root"
	rpm_exec "$out" rpm --root "/run/rpms/${root#"$out/"}" -i --nodeps "${files[@]}"
	# a file that exists in both is an error
	cp -al "$DEB_ROOT/." "$root"
}

# rpm_try ROOT NAME: a test of try-rpm.sh
rpm_try() {
	ROOT=$1 root_exec "$TOP_DIR/packaging/tests:tests:ro" -- /bin/bash /run/tests/try-rpm.sh "$2"
}

# rpm_series ROOT DEBS WORK: check that the series equals that of the Debian package,
# which deb_series has checked
rpm_series() {
	dpkg-deb -x "$2"/hugeodp-kernel-source_*.deb "$3" &&
		diff -r "$3/usr/src/hugeodp" "$1/usr/src/hugeodp"
}

# rpm_removed OUT ROOT: check that removing the packages leaves no files
rpm_removed() {
	rpm_exec "$1" rpm --root "/run/rpms/${2#"$1/"}" -e --nodeps "${RPM_NAMES[@]}" &&
		! find "$2/usr" "$2/etc" -name '*hugeodp*' | grep .
}

# rpm_test DEBS: build, check, install, try
rpm_test() {
	local debs=$1 out=$RUN_DIR/rpm name
	deb_root_require "$RPM_SUITE"
	step "building RPMs (rpm of Debian $RPM_SUITE)" rpm_compile "$out"
	tally_check packages-rpm/rpmlint rpm_lint "$out"
	tally_check packages-rpm/files rpm_files "$out" "$debs"
	tally_check packages-rpm/dependencies rpm_dependencies "$out"
	step "installing the RPMs" rpm_install "$out" "$out/root"
	tally_check packages-rpm/series rpm_series "$out/root" "$debs" "$out/series"
	for name in library program tool preload python pages completion; do
		tally_check "packages-rpm/$name" rpm_try "$out/root" "$name"
	done
	tally_check packages-rpm/removed rpm_removed "$out" "$out/root"
	rm -rf -- "$out"
}
