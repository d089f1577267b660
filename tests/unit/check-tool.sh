#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Test the hugeodp command without a device: command lines, exit statuses, help,
# JSON, explaining a process, running a program.
# usage: check-tool.sh HUGEODP TOOLS_DIR
set -euo pipefail

hugeodp=$1 tools=$2
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"

# the command line that runs the command, if any
via=()
# exits STATUS ARGUMENT...: output to $dir/out and $dir/err
exits() {
	local want=$1 got=0
	shift
	"${via[@]}" "$hugeodp" "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
	check "hugeodp $*: exit status $want" [ "$got" = "$want" ]
}

said() { check "... says '$2'" grep -qF -- "$2" "$dir/$1"; }

json() { # expression of the parsed value "v"
	check "... JSON: $1" python3 -c '
import json, sys
v = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$dir/out" "$1"
}

exits 0 --help
for command in check info explain mr run help; do
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
exits 2 explain 1 2
exits 2 explain 1 -- true
exits 2 explain 1 --
exits 2 explain --all 1
said err "for programs, after --"
exits 2 explain --report=x 1
exits 2 explain --
exits 2 info -- extra
exits 2 explain --sizes 3M 1
said err 'page sizes such as "2M|base": 3M'
exits 2 explain --sizes 2K,4M 1
said err "smaller than the system's base page: 2K,4M"
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

exits 0 explain --color always --min 4K $$
check "... colour where asked for" grep -q $'\033' "$dir/out"
exits 0 explain --min 4K $$
check "... none in a file" [ "$(tr -dc '\033' <"$dir/out")" = "" ]
exits 0 explain --json --min 4K --sizes "2M|4K" $$
json 'v["pid"] == '$$
json 'len(v["mappings"]) > 5'
json 'all(m["page_shift"] in (0, 12, 21) for m in v["mappings"])'
json 'all(("reason" in m) == (m["page_shift"] < 21) for m in v["mappings"])'
json 'any(m["name"].endswith("bash") for m in v["mappings"])'
json 'v["bytes"] == sum(m["end"] - m["start"] for m in v["mappings"] if m["page_shift"])'
json 'v["no_access_bytes"] == sum(m["end"] - m["start"] for m in v["mappings"] if not m["page_shift"])'
json 'not any(m["page_shift"] for m in v["mappings"] if m["name"].startswith("[vvar"))'
exits 0 explain $$ --json --min=4K
json 'v["left_out"] == 0 and len(v["mappings"]) > 5'
exits 0 explain $$ --min 8E
said out "shorter than 8E left out, see --min"
python3 -c '
import ctypes, mmap, os, signal, sys

class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

m = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m.madvise(mmap.MADV_HUGEPAGE)
m.madvise(mmap.MADV_NOHUGEPAGE, 0, 4096)
hidden = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)
refused = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
refused.madvise(mmap.MADV_NOHUGEPAGE)
# a small page in the first block only; the rest has no pages yet
mixed = mmap.mmap(-1, 34 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
mixed[2 << 20] = 1
mixed.madvise(mmap.MADV_HUGEPAGE)
# the pipe holds that page, or khugepaged would make the block a huge one
page = ctypes.c_char.from_buffer(mixed, 2 << 20)
pipe = os.pipe()
if ctypes.CDLL(None).vmsplice(pipe[1], ctypes.byref(IoVec(ctypes.addressof(page), 1)),
                              ctypes.c_size_t(1), 0) != 1:
    sys.exit("vmsplice")
files = []
for name in (b"\xc3\xa4\xf0\x9f\x98\x80", b"\xed\xa0\x80x\xff", b"red\x1b[31m"):
    with open(sys.argv[1].encode() + b"/" + name, "wb+") as file:
        file.truncate(4 << 20)
        files.append(mmap.mmap(file.fileno(), 4 << 20))
print("ready", flush=True)
signal.pause()' "$dir" >"$dir/ready" &
holder=$!
until grep -q ready "$dir/ready"; do kill -0 $holder; done
exits 0 explain --json $holder
json 'any(m["name"].endswith("/\u00e4\U0001f600") for m in v["mappings"])'
json 'any(m["name"].endswith("/\ufffd\ufffd\ufffdx\ufffd") for m in v["mappings"])'
json 'v["no_access_bytes"] >= 64 << 20 and v["bytes"] < 64 << 20 + v["huge_bytes"]'
json 'any(m["name"].endswith("/red\u001b[31m") for m in v["mappings"])'
exits 0 explain --color never $holder
check "a name does not control the terminal" [ "$(tr -dc '\033' <"$dir/out")" = "" ]
said out "/red?[31m"
LC_ALL=C.UTF-8 exits 0 explain --color never $holder
check "... has the characters of the terminal" grep -q $'/\xc3\xa4' "$dir/out"
LC_ALL=C exits 0 explain --color never $holder
check "... and no others" [ "$(LC_ALL=C tr -dc '\200-\377' <"$dir/out")" = "" ]
exits 0 explain --json $holder
thp=/sys/kernel/mm/transparent_hugepage/enabled
if [ ! -r $thp ]; then
	echo "NOT CHECKED: transparent huge pages, without $thp"
elif grep -q '\[never\]' $thp; then
	echo "NOT CHECKED: transparent huge pages, which are off on this machine"
else
	json 'any(m.get("reason") == "MADV_NOHUGEPAGE" and "MADV_NOHUGEPAGE" in m["hint"] for m in v["mappings"])'
	json 'any(m["end"] - m["inner"]["start"] >= 6 << 20 and m["inner"]["page_shift"] == 21 and
		not m["inner"]["start"] & 0x1fffff for m in v["mappings"] if "inner" in m)'
	json 'v["huge_bytes"] >= 6 << 20'
	json 'any(m.get("mixed_bytes", 0) >= 28 << 20 and m["rss"] < m["mixed_bytes"] for m in v["mappings"])'
	json 'v["huge_bytes"] >= 34 << 20'
	json 'not any("mixed_bytes" in m for m in v["mappings"] if m.get("reason") == "MADV_NOHUGEPAGE")'
	json 'v["thp_bytes"] == sum(m["thp_bytes"] for m in v["mappings"] if m["page_shift"])'
	exits 0 explain --color never $holder
	said out "M in blocks of 2M"
	check "... with a headline" grep -q "^ADDRESS  *SIZE  *RSS  *THP  *PAGE  *NAME$" "$dir/out"
	check "... no blanks at the end of a line" [ "$(grep -c ' $' "$dir/out")" = 0 ]
	check "... within 80 columns but for names" [ "$(grep -E '^([0-9a-f]+-|    )' "$dir/out" | grep -cE '^[^/]{81}')" = 0 ]
	said out " 64M "
fi
kill $holder
wait $holder || true

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
