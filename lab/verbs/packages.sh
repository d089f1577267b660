# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# help: Debian packages into DIR/SUITE, for the suites named or all: bookworm trixie testing

verb_packages() {
	local dir=${1-} suite suites
	[[ -n $dir && $dir != -* ]] || usage_error "packages: no directory given"
	shift
	suites=("$@")
	[[ ${#suites[@]} != 0 ]] || suites=("${DEB_SUITES[@]}")
	for suite in "${suites[@]}"; do
		[[ " ${DEB_SUITES[*]} " == *" $suite "* ]] ||
			usage_error "unknown suite '$suite': there are ${DEB_SUITES[*]}"
	done
	run_dir_create
	for suite in "${suites[@]}"; do
		[[ ! -e $dir/$suite ]] || die "$dir/$suite exists"
		deb_build "$suite" "$RUN_DIR/deb/$suite"
		[[ $suite != "$MODEL_SUITE" ]] || model_build "$RUN_DIR/deb/$suite"
		mkdir -p "$dir"
		cp -rT "$RUN_DIR/deb/$suite" "$dir/$suite"
	done
}
