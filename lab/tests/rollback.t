#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The mlx5 driver when the device fails to create memory keys: each key that registrations and page
# faults need fails once.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

# The driver's own keys, and the one of the first MR of the test. An MR needs up to three: a second
# attempt must not meet the next failure.
FIRST=6
STEP=4

not_failed() { grep -q '^1\.\.' <<<"$OUT" && ! grep '^not ok' <<<"$OUT"; }

for scheme in memory transport; do
	for ((offset = 0; offset < STEP; offset++)); do
		options=scheme=$scheme
		for ((n = FIRST + offset; n < FIRST + 14 * STEP; n += STEP)); do
			options+=,fail=CREATE_MKEY:$n
		done
		lab run --device mlx5 --mlx5 "$options" --mem 2048 --hugepages 0 -- \
			/usr/libexec/hugeodp/tests/rollback.t
		what="$scheme, keys $((FIRST + offset)), $((FIRST + offset + STEP)), ..."
		grep '^#' <<<"$ERR" || true
		is "$what: status" "$STATUS" 0
		ok "$what: some were to fail" grep -qxE '# failed: [1-9][0-9]*' <<<"$ERR"
		ok "$what: all the rest passes" not_failed
	done
done
done_testing
