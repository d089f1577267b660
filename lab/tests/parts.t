#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# lab/lab test counts what its parts do, prints their times and writes a report; with parts made up.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
LAB_DIR=$(dirname "$LAB")
# shellcheck disable=SC2034 # of host.sh
TOP_DIR=$(dirname "$LAB_DIR")
export HUGEODP_CACHE=$TAP_DIR/cache
unset HUGEODP_BESIDE
for part in lib/common lib/host lib/progress lib/tally verbs/test; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/$part.sh"
done

# shellcheck disable=SC2034 # of test.sh
PARTS=(good bad) PARTS_MORE=(empty) PARTS_NAMED=(good) TEST_NAMES=() BESIDE=()
part_good() {
	tally pass good/one
	tally skip good/two
}
part_bad() { tally fail 'bad/a <b> & "c"'; }
part_empty() { :; }

# run ARG...: lab/lab test ARG...
run() {
	STATUS=0
	# not in a condition, where bash ignores set -e
	(
		set -e
		verb_test "$@"
	) >"$TAP_DIR/out" 2>"$TAP_DIR/err" &
	wait "$!" || STATUS=$?
	OUT=$(<"$TAP_DIR/out")
}

# report EXPRESSION: of Python, about the report's root element
report() {
	python3 -c 'import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
print(eval(sys.argv[2]))' "$TAP_DIR/report.xml" "$1"
}

run good
is 'a part that passes' "$STATUS:$OUT" '0:1 passed, 0 failed, 1 skipped'
run empty
is 'a part without a test' "$STATUS:$OUT" '1:0 passed, 1 failed, 0 skipped'
run --junit "$TAP_DIR/report.xml"
is 'all parts' "$STATUS:$OUT" '1:1 passed, 1 failed, 1 skipped'
is 'the times' "$(grep -cE '^lab: (good|bad|all) +0 min 0[0-9] s$' "$TAP_DIR/err")" 3
is 'the report: parts' "$(report '[(s.get("name"), len(s)) for s in root]')" \
	"[('good', 2), ('bad', 1)]"
is 'the report: results' "$(report '[[r.tag for r in c] for c in root.iter("testcase")]')" \
	"[[], ['skipped'], ['failure']]"
is 'the report: names' "$(report '[c.get("name") for c in root.iter("testcase")][2]')" \
	'bad/a <b> & "c"'
run good two
is 'a single test' "$STATUS:$OUT" '0:1 passed, 0 failed, 1 skipped'
run good three
is 'a single test that is not there' "$STATUS:$OUT" '1:1 passed, 1 failed, 1 skipped'
run --junit
is 'no file for the report' "$STATUS" 2
run --junit "$TAP_DIR/none/report.xml" good
is 'no place for the report' "$STATUS" 1
done_testing
