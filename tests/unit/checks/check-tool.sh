#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Test the hugeodp command without a device: command lines, exit statuses, help,
# JSON, running a program. check-explain.sh has explain and advise.
# usage: check-tool.sh HUGEODP TOOLS_DIR
set -euo pipefail

hugeodp=$1 tools=$2
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"

# shellcheck source-path=SCRIPTDIR source=tool.sh
source "$(dirname "$0")/tool.sh"

exits 0 --help
for command in check info explain advise mr run help; do
	said out "  $command "
	"$hugeodp" $command --help >"$dir/help"
	check "... by both ways" diff "$dir/help" <("$hugeodp" help $command)
	check "help of $command" grep -q "^usage: hugeodp $command" "$dir/help"
	check "... in its manual page" grep -q "\*\*$command\*\*" "$tools/man/hugeodp.1.md"
	check "... in the completion" grep -q "\b$command\b" "$tools/hugeodp.bash"
	while read -r option; do
		check "... $option in the manual page" \
			grep -qE -- "\\*\\*\\\\$option\\*\\*" "$tools/man/hugeodp.1.md"
		check "... $option in the completion or general" \
			grep -qE -- "$option|--version" "$tools/hugeodp.bash"
	done < <(grep -oE -- '--[a-z]+' "$dir/help" | sort -u)
done
exits 0 --version
said out "hugeodp "

exits 2
for key in $(sed -nE 's/.*json_(open|string|number|bool|sizes)\(&?json, "([a-z_]+)".*/\2/p' "$tools"/*.c) \
	$(grep -oE '\\"[a-z_]+\\":' "$tools/../preload/counts.c" | tr -d '\\":'); do
	check "key $key in the manual page" grep -q "\*$key\*" "$tools/man/hugeodp.1.md"
done
exits 0 help
said out "commands:"
exits 2 help frob
said err "no such command: frob"
exits 2 help info mr
exits 2 frob
said err "no such command: frob"
exits 2 --frob
exits 2 info extra
exits 2 info --frob
said err "hugeodp info: "
said err "Try hugeodp info --help."
exits 2 info --all
said err "not valid for this command: --all"
exits 2 info --sizes 2M
said err "not valid for this command: --sizes"
exits 2 --sizes 2M explain 1
said err "must follow the command: --sizes"
exits 2 explain
exits 2 explain abc
exits 2 explain 1 x
said err "invalid PID 'x'"
exits 2 explain 1 -- true
exits 2 explain 1 --
exits 2 explain --all 1
said err "for programs, after --"
exits 2 explain --report=x 1
for option in --range=1000-2000 --min=2M --output=size --noheadings; do
	exits 2 explain $option -- true
	said err "for processes"
done
for range in "" 1000 1000-1000 2000-1000 -1000 1000-x 0-10000000000000000; do
	exits 2 explain --range "$range" 1
	said err "not a range of addresses such as 7f0000000000-7f0000200000: $range"
done
for entries in "" 0 -1 x 18446744073709551616; do
	exits 2 explain --entries "$entries" 1
	said err "not a number of entries: $entries"
done
exits 2 explain --output size,frob 1
said err "no such column in the list for --output: size,frob"
exits 2 info --pinned
said err "not valid for this command: --pinned"
exits 2 advise
said err "advise: give a PID, or -- and a program"
exits 2 advise x
said err "advise: invalid PID 'x'"
exits 2 advise --output frob 1
exits 2 advise --entries 1 1
said err "not valid for this command: --entries"
exits 2 advise --range=1000-2000 -- true
exits 3 advise 99999999
said err "no process 99999999"
exits 2 explain --
exits 2 info -- extra
exits 2 explain --sizes 3M 1
said err 'page sizes such as "2M|base": 3M'
exits 2 explain --sizes 2K,4M 1
said err "smaller than the system's base page: 2K,4M"
for command in "explain 1" "run true"; do
	# shellcheck disable=SC2086 # two words
	exits 2 ${command% *} --sizes 2M,256T ${command#* }
	said err "larger than a page can be: 2M,256T"
done
exits 2 explain --sizes "2M|" 1
exits 2 explain --sizes "2M|bases" 1
exits 2 explain --min bas 1
exits 0 explain --json --sizes "2M|Base" $$
json 'v["sizes"] == [v["sizes"][0], 2 << 20] and v["sizes"][0] == __import__("mmap").PAGESIZE'
exits 2 explain --sizes 99999999T 1
exits 2 explain --min any 1
exits 2 explain --min '1M|2M' $$
exits 2 run
exits 2 info --color sometimes
exits 2 check extra
exits 3 check --device nowhere
said out "no: no RDMA device nowhere; "
exits 3 check --json --device nowhere
json 'v["verdict"] == "no" and "nowhere" in v["reason"] and v["advice"]'
json '[e["name"] for e in v["evidence"]][:3] == ["kernel", "transparent pages", "hugetlb pool"]'
exits 3 info --device nowhere
said err "no RDMA device"
exits 3 info --json --device nowhere
json 'v["devices"] == [] and v["system"]["base_page_size"] >= 4096'
exits 3 mr --device nowhere
exits 3 mr --device nowhere --processes --sort bytes --noheadings --pid 1
exits 3 mr --device nowhere --openmetrics
check "... the end of the metrics" [ "$(tail -n 1 "$dir/out")" = "# EOF" ]
exits 3 mr --device nowhere --watch
exits 3 mr --device nowhere --json --watch=1
json 'v == []'
for pid in 0 -1 abc 1x "" " 1" 2147483648 99999999999999999999; do
	exits 2 mr --pid "$pid"
	said err "not the number of a process"
done
for seconds in 0 -1 x 86401 1.5; do
	exits 2 mr --watch="$seconds"
	said err "not a number of seconds up to 86400"
done
exits 2 mr --sort frob
said err "no column to sort by: frob"
exits 2 mr --sort page --processes
exits 2 mr --json --openmetrics
exits 3 mr --device nowhere --output owner,Bytes
exits 3 mr --device nowhere --output base-pages,mrs --processes
for list in "" 'bytes,' ,bytes bytes,frob byte mrs; do
	exits 2 mr --device nowhere --output "$list"
	said err "no such column in the list for --output: $list"
done
exits 2 mr --device nowhere --output bytes,page,bytes
said err "a column appears twice"
exits 2 info --output bytes
said err "not valid for this command: --output"
exits 2 info --processes
said err "not valid for this command: --processes"
exits 2 --watch mr
said err "must follow the command: --watch"
exits 3 explain 99999999

if [ -z "${NO_PRELOAD-}" ]; then
	exits 0 run -- true
	exits 7 run bash -c 'exit 7'
	exits 127 run -- "$dir/nothing"
	exits 126 run -- "$dir"
	LD_PRELOAD='' exits 0 run --sizes "2M|4K" --all --report="$dir/rep.%p" -- env
	said out libhugeodp-preload.so
	said out "HUGEODP_PRELOAD_SIZES=4K|2M"
	said out "HUGEODP_PRELOAD_ALL=1"
	check "... a line where nothing was registered" grep -q "env\[.*no registration" "$dir"/rep.*
	exits 0 explain -- env
	said out "HUGEODP_PRELOAD_MODE=explain"
	ASAN_OPTIONS=exitcode=9 exits 0 run env
	said out "ASAN_OPTIONS=exitcode=9:verify_asan_link_order=0"
	# the address sanitizer requires to be loaded first, linked or preloaded
	echo 'int main(void) { return 7; }' >"$dir/program.c"
	if gcc -fsanitize=address "$dir/program.c" -o "$dir/program" 2>"$dir/err"; then
		# older sanitizers sometimes crash with address space randomization
		! setarch -R true 2>"$dir/err" || via=(setarch -R)
		exits 7 run "$dir/program"
		gcc "$dir/program.c" -o "$dir/program"
		via+=(env LD_PRELOAD="$(gcc -print-file-name=libasan.so)")
		exits 7 run "$dir/program"
		via=()
	else
		echo "NOT CHECKED: programs with the address sanitizer, which gcc does not have"
	fi
fi
status=0
"$hugeodp" --help >/dev/full 2>/dev/null || status=$?
check "a full disk is an error" [ "$status" = 1 ]

completion() { # word...: print the completions of the last one
	bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hugeodp
		printf "%s\n" "${COMPREPLY[@]}"' bash "$tools/hugeodp.bash" "$@"
}
check "completion of a command" [ "$(completion hugeodp ex)" = explain ]
check "completion of a program to advise" [ "$(completion hugeodp advise -- sha256su | sort -u)" = sha256sum ]
check "completion of a program" [ "$(completion hugeodp explain -- sha256su | sort -u)" = sha256sum ]
check "completion after an equals sign" [ "$(completion hugeodp info --color = al)" = always ]
check "completion of sizes contains no pipe" [ "$(completion hugeodp run -s 2M, | head -1)" = 2M,base ]
check "completion of a program's arguments" [ "$(cd "$dir" && touch argument && completion hugeodp run -s 2M ls arg)" = argument ]
check "completion of the report's file" [ "$(cd "$dir" && completion hugeodp run --report = arg)" = argument ]
offset() { # word...: where the completion of bash-completion takes over
	bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_command_offset() { echo "$1"; }; _hugeodp' bash "$tools/hugeodp.bash" "$@"
}
check "completion of a program by its own" [ "$(offset hugeodp run ls --al)" = 2 ]
check "... after options" [ "$(offset hugeodp run --sizes = 2M -s any --all ls --al)" = 8 ]
check "... after --" [ "$(offset hugeodp explain -- ls --al)" = 3 ]
check "completion of an option" [ "$(completion hugeodp run --rep)" = --report ]
check "completion of a value" [ "$(completion hugeodp info --color a | tr '\n' ' ')" = "auto always " ]
exit "$failed"
