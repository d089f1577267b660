# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Counting tests. Each result is a line "pass|fail|skip NAME" in $RUN_DIR/tally; every way of
# running tests has a reader that turns its output into such lines.

tally() {
	printf '%s %s\n' "$1" "$2" >>"$RUN_DIR/tally"
	[[ $1 != fail ]] || say "FAILED: $2"
}

# tally_comment NAME COMMENT...: what a failed test printed, for the end of the run
tally_comment() {
	local name=$1
	shift
	while [[ $# != 0 ]]; do
		printf '%s\t%s\n' "$name" "${1//$'\t'/ }" >>"$RUN_DIR/comments"
		shift
	done
}

tally_count() { grep -c "^$1 " "$RUN_DIR/tally" || true; }

# The failed tests with their comments
tally_failures() {
	local name
	while IFS= read -r name; do
		say "FAILED: $name"
		NAME=$name awk -F '\t' '$1 == ENVIRON["NAME"] { print "lab:     " $2 }' \
			"$RUN_DIR/comments" >&2
	done < <(sed -n 's/^fail //p' "$RUN_DIR/tally")
}

# tally_check NAME COMMAND...: one test, passed if the command succeeds
tally_check() {
	local name=$1 status=0
	shift
	"$@" || status=$?
	if [[ $status == 0 ]]; then
		tally pass "$name"
	else
		tally fail "$name"
	fi
}

# tally_tap PART STATUS ALLOWED <OUTPUT: the output of prove -v and its exit status. A test that is
# skipped, or that fails and is marked as TODO, is a failed one unless a line of the file ALLOWED is
# its name. So is a file whose number of results differs from its plan. The comments around a failure
# are kept: the last before it, and the first after it.
tally_tap() {
	local part=$1 status=$2 allowed=$3 line file='' plan='' points=0 name failed=0
	local before=() after='' left=0
	while IFS= read -r line; do
		case $line in
		'#'*)
			before+=("$line")
			[[ ${#before[@]} -le 8 ]] || before=("${before[@]:1}")
			((left-- <= 0)) || tally_comment "$after" "$line"
			continue
			;;
		esac
		case $line in
		*.t' ..'*)
			tally_plan "$part/$file" "$plan" "$points" || failed=1
			file=${line%%.t ..*}
			file=${file##*/}
			plan='' points=0 before=() left=0
			if [[ $line == *' skipped: '* ]]; then
				plan=0
				tally_skip "$part/$file" "$allowed" || failed=1
			fi
			continue
			;;
		1..[0-9]*)
			plan=${line#1..}
			plan=${plan%%[!0-9]*}
			continue
			;;
		'Bail out!'* | 'Bailout called.'*)
			tally fail "$part/$file: $line"
			failed=1
			continue
			;;
		# how long a file took
		'ok '*' ms ('*' CPU)') continue ;;
		'ok '[0-9]* | 'not ok '[0-9]*) points=$((points + 1)) ;;
		*) continue ;;
		esac
		name=$part/$file:${line#*ok } left=0
		case $line in
		'not ok '*'# '[Tt][Oo][Dd][Oo]*) tally_skip "${name%% #*}" "$allowed" || failed=1 ;;
		'not ok '*)
			tally fail "$name"
			tally_comment "$name" "${before[@]}"
			after=$name left=8 failed=1
			;;
		*'# '[Ss][Kk][Ii][Pp]*) tally_skip "${name%% #*}" "$allowed" || failed=1 ;;
		*) tally pass "$name" ;;
		esac
		before=()
	done
	tally_plan "$part/$file" "$plan" "$points" || failed=1
	if [[ $failed == 0 && -z $file && $points == 0 ]]; then
		tally fail "$part: no test ran, status $status"
	elif [[ $failed == 0 && $status != 0 ]]; then
		tally fail "$part: ended with status $status"
	fi
}

# tally_plan FILE PLAN POINTS: a single program has no line with a name; before the
# first file there is no plan
tally_plan() {
	[[ $1 != */ || $3 != 0 ]] || return 0
	if [[ -z $2 ]]; then
		tally fail "$1 (ended before its plan, after $3 results)"
	elif [[ $2 != "$3" ]]; then
		tally fail "$1 ($3 results, not $2)"
	else
		return 0
	fi
	return 1
}

tally_skip() {
	if grep -qxF -- "$1" "$2" 2>/dev/null; then
		tally skip "$1"
	else
		tally fail "$1 (skipped, and not listed as one that may be)"
		return 1
	fi
}

# tally_junit PART STATUS FILE [ALLOWED]: ctest's report. A test prints "NOT CHECKED: WHAT" for what it
# could not check. That is a skip, but with ALLOWED a failure unless a line of this file is WHAT.
tally_junit() {
	local part=$1 status=$2 file=$3 allowed=${4-} kind name state failed=0 any=0
	while read -r kind name state; do
		any=1
		case $kind:$state in
		test:run) tally pass "$part/$name" ;;
		test:*)
			tally fail "$part/$name ($state)"
			failed=1
			;;
		*)
			if [[ -z $allowed ]] || grep -qxF -- "$state" "$allowed"; then
				tally skip "$part/$name (not checked: $state)"
			else
				tally fail "$part/$name (not checked: $state)"
				failed=1
			fi
			;;
		esac
	done < <(junit_results "$file")
	if [[ $any == 0 && ${#TEST_NAMES[@]} == 0 ]]; then
		tally fail "$part: no test ran, status $status"
	elif [[ $status != 0 && $failed == 0 ]]; then
		tally fail "$part: ended with status $status"
	fi
}

# junit_results FILE: prints "test NAME STATE" for each test, "unchecked NAME WHAT" for what it did not check;
# of a test that was not run for such a reason only the latter
junit_results() {
	awk '
		function not_run() {
			if (held != "")
				print "test", held, "notrun"
			held = ""
		}
		match($0, /<testcase name="[^"]*"/) {
			not_run()
			name = substr($0, RSTART + 16, RLENGTH - 17)
			if (match($0, / status="[^"]*"/)) {
				state = substr($0, RSTART + 9, RLENGTH - 10)
				if (state == "notrun")
					held = name
				else
					print "test", name, state
			}
		}
		match($0, /NOT CHECKED: /) {
			held = ""
			print "unchecked", name, substr($0, RSTART + 13)
		}
		END { not_run() }
	' "$1" 2>/dev/null || true
}

# tally_unittest PART EXPECTED OUTPUT: Python's unittest -v against a sorted list of lines
# "passed|skipped TEST"; any difference is a failure. A skipped test may have a reason
# after a #; "either TEST" may pass or be skipped.
tally_unittest() {
	local part=$1 expected=$2 output=$3 state name got
	got=$RUN_DIR/unittest
	local reasons=()
	if grep -q ' # ' "$expected"; then
		reasons=(--reasons)
	fi
	python3 "$LAB_DIR/lib/unittest_results.py" "${reasons[@]}" <"$output" | sort >"$got"
	while read -r state name; do
		if grep -qxF -- "$state $name" "$expected" ||
			{ [[ $state != failed ]] && grep -qxF -- "either ${name%% #*}" "$expected"; }; then
			tally "$([[ $state == passed ]] && echo pass || echo skip)" "$part/$name"
		else
			tally fail "$part/$name ($state)"
		fi
	done <"$got"
	while read -r state name; do
		[[ $state != either ]] || continue
		grep -qxF -e "passed $name" -e "skipped $name" -e "failed $name" "$got" ||
			tally fail "$part/$name (did not run)"
	done <"$expected"
}

# tally_times SECONDS <TIMES: how long each part took, and all of them
tally_times() {
	local part seconds
	while read -r part seconds _; do
		printf 'lab: %-10s %3d min %02d s\n' "$part" $((seconds / 60)) $((seconds % 60))
	done
	printf 'lab: %-10s %3d min %02d s\n' all $(($1 / 60)) $(($1 % 60))
}

# tally_report TIMES COMMENTS <TALLY: prints a report in JUnit's format, with a suite for each
# part. The results are in the order of the parts; results after the last part belong to
# the lab itself.
tally_report() {
	awk -v times="$1" -v comments="$2" '
		function text(s) {
			gsub(/&/, "\\&amp;", s)
			gsub(/</, "\\&lt;", s)
			gsub(/>/, "\\&gt;", s)
			gsub(/"/, "\\&quot;", s)
			gsub(/[^ -~\n]/, "?", s)
			return s
		}
		function suite() {
			if (open)
				print "</testsuite>"
			open = 1
			if ((getline line <times) > 0) {
				split(line, field, " ")
				left = field[3]
			} else {
				split("other 0", field, " ")
				left = 1e9
			}
			part = field[1]
			printf "<testsuite name=\"%s\" time=\"%d\">\n", part, field[2]
		}
		BEGIN {
			while ((getline line <comments) > 0)
				if (at = index(line, "\t")) {
					name = substr(line, 1, at - 1)
					why[name] = why[name] substr(line, at + 1) "\n"
				}
			print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>"
		}
		{
			while (!left)
				suite()
			left--
			state = $1
			sub(/^[^ ]* /, "")
			printf "<testcase classname=\"%s\" name=\"%s\">", part, text($0)
			if (state == "fail" && $0 in why)
				printf "<failure>%s</failure>", text(why[$0])
			else if (state == "fail")
				printf "<failure/>"
			else if (state == "skip")
				printf "<skipped/>"
			print "</testcase>"
		}
		END {
			if (open)
				print "</testsuite>"
			print "</testsuites>"
		}'
}
