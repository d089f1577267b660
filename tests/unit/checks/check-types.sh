#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The types of the Python programs below tests/.
# usage: check-types.sh SOURCE_DIR PYTHON
set -euo pipefail

cd "$1/tests/mutate"
if ! "$2" -c 'import mypy' 2>/dev/null; then
	echo "NOT CHECKED: types, without mypy"
	exit 0
fi
"$2" -m mypy --strict --cache-dir=/dev/null mutate tests
