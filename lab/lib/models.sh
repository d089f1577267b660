# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# tests/models: the protocol, the memory order and the arithmetic of the kernel series, checked by model
# checkers in a root of their own.

# herdtools7 came after Debian 13, and cbmc is not always in testing
MODELS_SUITES=(testing trixie)

models_packages() {
	root_packages "$TOP_DIR/tests/models/packages" | paste -sd,
}

# Sets MODELS_ROOT to the root with the model checkers
models_root_require() {
	deb_root_cached models 'with model checkers' "${MODELS_SUITES[0]}" "$(models_packages)" \
		"${MODELS_SUITES[@]:1}"
	MODELS_ROOT=$DEB_CACHED
}

# models_run CHECKER TREE: its script, for the files of the series in TREE
models_run() {
	ROOT=$MODELS_ROOT root_exec "$TOP_DIR/tests:tests:ro" "$2:tree:ro" "$SOURCE/tree:kernel:ro" -- \
		"/run/tests/models/run-$1.sh" /run/tree /run/kernel
}

models_test() {
	local checker status tree=$RUN_DIR/models
	models_root_require
	source_require
	mkdir -p "$tree"
	series_apply "$SOURCE/tree" "$tree"
	for checker in spin litmus cbmc; do
		status=0
		models_run "$checker" "$tree" 2>&1 | tee "$RUN_DIR/out" || status=$?
		tally_tap "models-$checker" "$status" /dev/null <"$RUN_DIR/out"
	done
	rm -rf -- "$tree"
}
