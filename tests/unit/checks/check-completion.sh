#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The completions of the hugeodp command for zsh and fish; check-tool.sh has that of bash.
# usage: check-completion.sh TOOLS_DIR
set -euo pipefail

tools=$(realpath "$1")
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"
export HOME=$dir
mkdir "$dir/zsh" "$dir/work"
cp "$tools/hugeodp.zsh" "$dir/zsh/_hugeodp"
touch "$dir/work/argument"
cd "$dir/work"

# The key that completes is read by a terminal only. The command is a function that prints its arguments.
zsh_completed() { # reads lines, prints the arguments of each after completion
	python3 -c "$ZSH_PROGRAM" "$dir/zsh"
}
ZSH_PROGRAM=$(
	cat <<'PROGRAM'
import os, pty, select, sys

pid, fd = pty.fork()
if not pid:
    os.environ.update(TERM="dumb", LC_ALL="C")
    os.execvp("zsh", ["zsh", "-f", "-i"])


def read(until: bytes) -> bytes:
    data = b""
    while until not in data:
        if not select.select([fd], [], [], 300)[0]:
            sys.exit(f"no {until!r} in {data!r}")
        data += os.read(fd, 4096)
    return data


os.write(fd, f"""PS1=; fpath=({sys.argv[1]} $fpath); autoload -Uz compinit; compinit -u -D; \
hugeodp() {{ print -r -- 'GOT'"<$*>" }}; print REA''DY
""".encode())
read(b"READY\r\n")
for line in sys.stdin.read().splitlines():
    os.write(fd, f"hugeodp {line}\t\n".encode())
    data = read(b">\r\n")
    print(data[data.rindex(b"GOT<") + 4 : data.rindex(b">\r\n")].decode())
PROGRAM
)

fish_completed() { # LINE: the candidates for the last word
	# shellcheck disable=SC2016 # expanded by fish
	fish -c 'source $argv[1]; complete -C "hugeodp $argv[2]"' "$tools/hugeodp.fish" "$1" |
		cut -f1 | tr '\n' ' '
}

all_named() { # SHELL: the completion has all commands and long options of bash's
	local word
	for word in check info explain advise mr run help $(grep -oE -- '--[a-z]+' "$tools/hugeodp.bash" | sort -u); do
		check "$1: $word" grep -qE -- "\\b${word#--}\\b" "$tools/hugeodp.$1"
	done
}

if command -v zsh >/dev/null; then
	all_named zsh
	pairs=(
		'ex>explain'
		'info --color=al>info --color=always'
		'mr --dev>mr --device'
		'mr --proc>mr --processes'
		'mr --sort=fau>mr --sort=faults'
		'mr --outp>mr --output'
		'mr -o inv>mr -o invalidated'
		'help ch>help check'
		'run --sizes 2M --al>run --sizes 2M --all'
		'run /usr/bin/sha256su>run /usr/bin/sha256sum'
		'run /bin/ls argu>run /bin/ls argument'
		'run /bin/ls --repo>run /bin/ls --repo'
		'explain -- /usr/bin/sha256su>explain -- /usr/bin/sha256sum'
		'explain --mi>explain --min'
		'explain --pin>explain --pinned'
		'explain -o ent>explain -o entries'
		'ad>advise'
		'advise --ra>advise --range'
		'advise -o cha>advise -o change'
		'advise -- /usr/bin/sha256su>advise -- /usr/bin/sha256sum'
	)
	mapfile -t got < <(printf '%s\n' "${pairs[@]%%>*}" | zsh_completed)
	for i in "${!pairs[@]}"; do
		check "zsh: ${pairs[i]%%>*}" [ "${got[i]-}" = "${pairs[i]#*>}" ]
	done
else
	echo "NOT CHECKED: completion of zsh, without zsh"
fi
if command -v fish >/dev/null; then
	all_named fish
	while IFS='>' read -r line want; do
		check "fish: $line" [ "$(fish_completed "$line")" = "$want" ]
	done <<-'END'
		ex>explain 
		info --color=al>--color=always 
		mr --dev>--device 
		mr --outp>--output 
		mr -o bytes,inv>bytes,invalidated 
		help ch>check 
		run --sizes 2M --al>--all 
		run sha256su>sha256sum 
		run ls argu>argument 
		run ls --almo>--almost-all 
		run ls --repo>
		explain -- ls --almo>--almost-all 
		explain --mi>--min 
		explain --pin>--pinned 
		explain -o entr>entries 
		ad>advise 
		advise --ra>--range 
		advise -o cha>change 
		advise -- ls --almo>--almost-all 
	END
else
	echo "NOT CHECKED: completion of fish, without fish"
fi
exit "$failed"
