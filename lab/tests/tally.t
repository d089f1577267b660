#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The lab's readers of test output: missing, unexpected or truncated results do not pass.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"
LAB_DIR=$(dirname "$LAB")
for part in common tally; do
	# shellcheck source=/dev/null
	source "$LAB_DIR/lib/$part.sh"
done
# shellcheck disable=SC2034 # of tally.sh
RUN_DIR=$TAP_DIR
# shellcheck disable=SC2034 # of parts.sh
TEST_NAMES=()
loud=''
say() { [[ -z $loud ]] || echo "lab: $*" >&2; }

# tap STATUS LINE...: the tally of these lines, a word for each result; with its names in $TAP_DIR/tally
tap() {
	local status=$1
	shift
	: >"$TAP_DIR/tally"
	: >"$TAP_DIR/comments"
	printf '%s\n' "$@" >"$TAP_DIR/lines"
	echo 'p/a:2 - listed' >"$TAP_DIR/allowed"
	tally_tap p "$status" "$TAP_DIR/allowed" <"$TAP_DIR/lines"
	cut -d' ' -f1 "$TAP_DIR/tally" | paste -sd' '
}

is 'all pass' "$(tap 0 'x/a.t ..' 'ok 1 - one' '# a comment' 'ok 2 - two' '1..2')" 'pass pass'
is 'the plan first' "$(tap 0 'x/a.t ..' '1..1' 'ok 1 - one')" pass
is 'one fails' "$(tap 1 'x/a.t ..' 'ok 1 - one' 'not ok 2 - two' '1..2')" 'pass fail'
is 'one fails with status 0' "$(tap 0 'x/a.t ..' 'not ok 1 - one' '1..1')" fail
is 'all pass, but not the status' "$(tap 7 'x/a.t ..' 'ok 1 - one' '1..1')" 'pass fail'
is 'to be done: fails' "$(tap 0 'x/a.t ..' 'not ok 1 - one # TODO later' '1..1')" fail
is 'to be done: fails, and listed' \
	"$(tap 0 'x/a.t ..' 'ok 1 - one' 'not ok 2 - listed # TODO later' '1..2')" 'pass skip'
is 'to be done: passes' "$(tap 0 'x/a.t ..' 'ok 1 - one # TODO later' '1..1')" pass
is 'skipped, and not listed' "$(tap 0 'x/a.t ..' 'ok 1 - one # SKIP why' '1..1')" fail
is 'skipped, and listed' "$(tap 0 'x/a.t ..' 'ok 1 - one' 'ok 2 - listed # SKIP why' '1..2')" 'pass skip'
is 'a whole file skipped' "$(tap 0 'x/a.t .. skipped: why')" fail
is 'with times' "$(tap 0 '[01:02:03] x/a.t .. ' 'ok 1 - one' '1..1' \
	'ok 12345678 ms ( 0.00 usr  0.00 sys +  0.00 cusr  0.00 csys =  0.00 CPU)' '[01:02:04]')" pass
is 'fewer results than the plan' "$(tap 0 'x/a.t ..' '1..3' 'ok 1 - one' 'ok 2 - two')" 'pass pass fail'
is 'more of them' "$(tap 0 'x/a.t ..' '1..1' 'ok 1 - one' 'ok 2 - two')" 'pass pass fail'
is 'no plan' "$(tap 0 'x/a.t ..' 'ok 1 - one' 'x/b.t ..' 'ok 1 - one' '1..1')" 'pass fail pass'
ok 'no plan: named' grep -qx 'fail p/a (ended before its plan, after 1 results)' "$TAP_DIR/tally"
is 'no result at all' "$(tap 0 'x/a.t ..' 'x/b.t ..' 'ok 1 - one' '1..1')" 'fail pass'
is 'the last one is cut off' "$(tap 0 'x/a.t ..' 'ok 1 - one' '1..1' 'x/b.t ..' 'ok 1')" 'pass pass fail'
is 'a test gives up' "$(tap 0 'x/a.t ..' 'ok 1 - one' 'Bail out! no memory' '1..1')" 'pass fail'
is 'a test gives up, as prove reports it' \
	"$(tap 255 'x/a.t ..' 'ok 1 - one' '1..1' 'Bailout called.  Further testing stopped:  x')" 'pass fail'
is 'one program, without its name' "$(tap 0 '1..2' 'ok 1 - one' 'ok 2 - two')" 'pass pass'
is 'one program, cut off' "$(tap 0 '1..2' 'ok 1 - one')" 'pass fail'
is 'nothing at all' "$(tap 0 '')" fail
is 'nothing at all, and a status' "$(tap 1 '')" fail

# what a failed test printed
tap 1 'x/a.t ..' '# of one' 'ok 1 - one' '# a & b' $'# a\ttab' 'not ok 2 - two' '# after' 'ok 3 - three' \
	'# of three' '1..3' >/dev/null
is 'comments around a failure' "$(<"$TAP_DIR/comments")" \
	$'p/a:2 - two\t# a & b\np/a:2 - two\t# a tab\np/a:2 - two\t# after'
is 'failures with their comments' "$(loud=1 && tally_failures 2>&1)" \
	$'lab: FAILED: p/a:2 - two\nlab:     # a & b\nlab:     # a tab\nlab:     # after'
echo 'p 1 3' >"$TAP_DIR/times"
tally_report "$TAP_DIR/times" "$TAP_DIR/comments" <"$TAP_DIR/tally" >"$TAP_DIR/report.xml"
ok 'the report has them' grep -qF '<failure># a &amp; b' "$TAP_DIR/report.xml"
ok 'the report is XML' python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$TAP_DIR/report.xml"
seq -f '# %g' 20 >"$TAP_DIR/many"
mapfile -t many <"$TAP_DIR/many"
tap 1 'x/a.t ..' "${many[@]}" 'not ok 1 - one' "${many[@]}" '1..1' >/dev/null
is 'comments: the last before and the first after' "$(cut -f2 "$TAP_DIR/comments" | tr -d '# ' | paste -sd' ')" \
	'13 14 15 16 17 18 19 20 1 2 3 4 5 6 7 8'

# junit STATUS ALLOWED LINE...: the same for the report of ctest
junit() {
	local status=$1 allowed=$2
	shift 2
	: >"$TAP_DIR/tally"
	printf '%s\n' "$@" >"$TAP_DIR/junit.xml"
	tally_junit u "$status" "$TAP_DIR/junit.xml" "$allowed"
	cut -d' ' -f1 "$TAP_DIR/tally" | paste -sd' '
}
ran='	<testcase name="a" classname="a" time="1" status="run">'
failed='	<testcase name="b" classname="b" time="1" status="fail">'
notrun='	<testcase name="c" classname="c" time="1" status="notrun">'
unchecked='		<system-out>NOT CHECKED: C++, without a compiler'
echo 'C++, without a compiler' >"$TAP_DIR/unchecked"
: >"$TAP_DIR/none"
is 'ctest: all pass' "$(junit 0 "$TAP_DIR/none" "$ran" "$ran")" 'pass pass'
is 'ctest: one fails' "$(junit 8 "$TAP_DIR/none" "$ran" "$failed")" 'pass fail'
is 'ctest: one was not run' "$(junit 0 "$TAP_DIR/none" "$ran" "$notrun")" 'pass fail'
is 'ctest: all pass, but not the status' "$(junit 8 "$TAP_DIR/none" "$ran")" 'pass fail'
is 'ctest: not checked' "$(junit 0 "$TAP_DIR/none" "$ran" "$unchecked" "$failed")" 'pass fail fail'
is 'ctest: not checked, with the status of a failure' "$(junit 8 "$TAP_DIR/none" "$ran" "$unchecked")" \
	'pass fail'
ok 'ctest: not checked: named' grep -qx 'fail u/a (not checked: C++, without a compiler)' "$TAP_DIR/tally"
is 'ctest: not checked, and listed' "$(junit 0 "$TAP_DIR/unchecked" "$ran" "$unchecked")" 'pass skip'
is 'ctest: not checked, where this is no failure' "$(junit 0 '' "$ran" "$unchecked")" 'pass skip'
is 'ctest: not run, as it could not check anything' "$(junit 0 '' "$ran" "$notrun" "$unchecked" "$notrun")" \
	'pass skip fail'
is 'ctest: the same where this is a failure' "$(junit 0 "$TAP_DIR/none" "$notrun" "$unchecked" "$ran")" \
	'fail pass'
is 'ctest: no test' "$(junit 0 '' '<testsuite name="(empty)"')" fail
is 'ctest: no report' "$(: >"$TAP_DIR/tally"; tally_junit u 0 "$TAP_DIR/missing"
	cat "$TAP_DIR/tally")" 'fail u: no test ran, status 0'
done_testing
