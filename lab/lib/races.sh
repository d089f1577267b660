# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Data races of the kernel side under the lab tests: a kernel in which KCSAN watches the files of the
# series (and no others, which keeps it fast: a write elsewhere to what they read is noticed by the
# value that it changes), and a comparison of what it reports with the races that are known.

# Those files that the series changes and that are part of its protocol
RACES_CHANGED=(
	drivers/infiniband/core/{umem,umem_odp}.c
	drivers/infiniband/hw/mlx5/{mr,odp,umr}.c
	drivers/infiniband/sw/rxe/{rxe_mr,rxe_mw,rxe_odp}.c
	mm/hmm.c
)

# Not empty: a report of KCSAN does not fail the machine, because races_check judges it
RACES_APART=''

# Names of the source files that are watched
races_files() {
	(cd "$TOP_DIR/kernel/tree" && find drivers -name '*.c' ! -name '*_kunit.c')
	printf '%s\n' "${RACES_CHANGED[@]}"
}

# races_mark PRISTINE SERIES: KCSAN watches these files. KCSAN_SANITIZE=n on the command line of make
# excludes all others.
races_mark() {
	local file
	while IFS= read -r file; do
		series_makefile "$1" "$2" "$(dirname "$file")" \
			"KCSAN_SANITIZE_$(basename "$file" .c).o := y"
	done < <(races_files)
}

# races_reports <CONSOLE: the reports, a line each: the functions, a tab, and the lines of the report with
# "|" between them. races_rest is what is left of the console.
races_reports() {
	awk '
		{ sub(/\r$/, ""); sub(/^\[ *[0-9.]+\]( \[[^]]*\])? ?/, "") }
		/^====================/ {
			if (title != "")
				print title "\t" text
			title = text = ""
			next
		}
		/^BUG: KCSAN: / {
			title = $0
			sub(/^BUG: KCSAN: [a-z-]* in /, "", title)
			next
		}
		title != "" { text = text "|" $0 }
		END { if (title != "") print title "\t" text }'
}

races_rest() {
	awk '
		/====================/ { inside = 0 }
		/BUG: KCSAN: / { inside = 1 }
		!inside'
}

# races_check PART CONSOLE KNOWN: each race once, as a failed test unless KNOWN has a line with its
# functions
races_check() {
	local part=$1 console=$2 known=$3 title text
	local -A seen=()
	while IFS=$'\t' read -r title text; do
		[[ -z ${seen[$title]-} ]] || continue
		seen[$title]=1
		if grep -qxF -- "$title" <(sed 's/[[:space:]]*#.*//' "$known"); then
			tally pass "$part: known race in $title"
			continue
		fi
		tally fail "$part: race in $title"
		mapfile -t -d '|' text <<<"$text"
		tally_comment "$part: race in $title" "${text[@]//$'\n'/}"
	done < <(races_reports <"$console")
}

# races_run PART COMMAND [OPTION...]: a machine that runs COMMAND under KCSAN; at least one access must
# have been watched
races_run() {
	local part=$1 command=$2
	shift 2
	RACES_APART=1
	part_vm --kernel kcsan --timeout 7200 "$@" -- /bin/bash -c "
		echo on >/sys/kernel/debug/kcsan
		$command || status=\$?
		sed -n 's/^setup_watchpoints: /kcsan watchpoints: /p' /sys/kernel/debug/kcsan
		exit \${status-0}"
	RACES_APART=''
	tally_tap "$part" "$PART_STATUS" "$LAB_DIR/expected/skips.$part" <"$RUN_DIR/out"
	tally_check "$part: KCSAN watches" grep -qE '^kcsan watchpoints: [1-9]' "$RUN_DIR/out"
	grep '^kcsan watchpoints' "$RUN_DIR/out" || true
	races_check "$part" "$RUN_DIR/vm/console" "$LAB_DIR/expected/races"
}

# races_label PART LABEL [OPTION...]
races_label() {
	local part=$1 label=$2 files
	shift 2
	project_require
	files=$(part_tests "$label")
	[[ -n $files ]] || die "no test has the label $label"
	races_run "$part" "prove -v --timer --merge $files" "$@"
}

races_torture() {
	local program=/usr/libexec/hugeodp/stress/torture.t
	races_run "$1" "echo $program ..; $program --minutes 3 2>&1" --mem 2048 --hugepages 96 "${@:2}"
}

races_test() {
	local scheme
	races_torture races-torture
	for scheme in transport memory; do
		races_torture "races-torture-mlx5-$scheme" --device mlx5 --mlx5 "scheme=$scheme"
		races_label "races-mlx5-$scheme" "mlx5-short-$scheme" --device mlx5 \
			--mlx5 "scheme=$scheme,delay=1" --mem 4608 --gigapages 1
	done
	races_label races rxe --mem 4608 --gigapages 1
}
