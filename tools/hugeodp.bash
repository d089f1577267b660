# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Completion of hugeodp(1) for bash.

# _hugeodp_program INDEX: complete a program that starts at this word, or its arguments by its own
# completion if bash-completion is there
_hugeodp_program() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
		return
	fi
	# directories get a slash, and special characters are quoted
	compopt -o filenames 2>/dev/null || true
	if (($1 == COMP_CWORD)); then
		mapfile -t COMPREPLY < <(compgen -A command -A file -- "${COMP_WORDS[COMP_CWORD]}")
	else
		mapfile -t COMPREPLY < <(compgen -A file -- "${COMP_WORDS[COMP_CWORD]}")
	fi
}

_hugeodp() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' program=0 i words
	for ((i = 1; i < COMP_CWORD && !program; i++)); do
		case $command:${COMP_WORDS[i]} in
		:check | :info | :mr | :explain | :advise | :run | :help) command=${COMP_WORDS[i]} ;;
		explain:-- | advise:-- | run:--) program=$((i + 1)) ;;
		# the value of an option; "=" is a word of its own
		run:=) i=$((i + 1)) ;;
		run:-s | run:--sizes | run:--color) [[ ${COMP_WORDS[i + 1]} == = ]] || i=$((i + 1)) ;;
		run:-*) ;;
		run:*) program=$i ;;
		esac
	done
	if [[ $cur == = ]]; then
		cur=''
		[[ $prev != --report ]] || prev=--report=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
		[[ $prev != --report ]] || prev=--report=
	fi
	if ((program)); then
		_hugeodp_program "$program"
		return
	fi
	case $prev in
	--color) words='auto always never' ;;
	-d | --device) words=$(cd /sys/class/infiniband 2>/dev/null && compgen -G '*') ;;
	# not separated by "|", which the shell would interpret as a pipe
	-s | --sizes) words='any 2M 2M,base 1G,2M,base' ;;
	--min) words='4K 2M 1G' ;;
	--sort) words='bytes page entries device-bytes blocks table faults invalidated' ;;
	-o | --output)
		case $command in
		explain) words='address,size,huge,could,base,name size,entries,name' ;;
		advise) words='entries,change entries,table,name,change' ;;
		*) words='device,mr,kind,bytes,page,entries,owner bytes,entries,owner' ;;
		esac
		;;
	-p | --pid) words=$(cd /proc && compgen -G '[0-9]*') ;;
	--report=)
		compopt -o filenames 2>/dev/null || true
		mapfile -t COMPREPLY < <(compgen -A file -- "$cur")
		return
		;;
	*)
		words='--json --color --help'
		case $command in
		'') words+=' --version check info mr explain advise run help' ;;
		help) words='check info mr explain advise run help' ;;
		check | info) words+=' --device' ;;
		mr) words+=' --device --pid --processes --sort --watch --noheadings --openmetrics --output' ;;
		explain | advise)
			words+=" --sizes --min --range --noheadings --output -- $(cd /proc && compgen -G '[0-9]*')"
			[[ $command != explain ]] || words+=' --all --report --pinned --entries'
			;;
		run)
			words+=' --sizes --all --report'
			if [[ $cur != -* && ${COMP_WORDS[COMP_CWORD - 1]} != = && $cur != = ]]; then
				_hugeodp_program "$COMP_CWORD"
				return
			fi
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _hugeodp hugeodp
