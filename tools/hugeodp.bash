# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Completion of hugeodp(1) for bash.

_hugeodp() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' program='' i words
	for ((i = 1; i < COMP_CWORD; i++)); do
		case $command:${COMP_WORDS[i]} in
		:check | :info | :mr | :explain | :run | :help) command=${COMP_WORDS[i]} ;;
		explain:-- | run:--) program=1 ;;
		esac
	done
	# "=" is a word of its own
	if [[ $cur == = ]]; then
		cur=''
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ -n $program ]]; then
		mapfile -t COMPREPLY < <(compgen -A command -A file -- "$cur")
		return
	fi
	case $prev in
	--color) words='auto always never' ;;
	-d | --device) words=$(cd /sys/class/infiniband 2>/dev/null && compgen -G '*') ;;
	# not separated by "|", which the shell would interpret as a pipe
	-s | --sizes) words='any 2M 2M,4K 1G,2M,4K' ;;
	--min) words='4K 2M 1G' ;;
	*)
		words='--json --color --help'
		case $command in
		'') words+=' --version check info mr explain run help' ;;
		help) words='check info mr explain run help' ;;
		check | info | mr) words+=' --device' ;;
		explain) words+=" --sizes --min -- $(cd /proc && compgen -G '[0-9]*')" ;;
		run)
			words+=' --sizes --all --report'
			if [[ $cur != -* ]]; then
				mapfile -t COMPREPLY < <(compgen -A command -A file -- "$cur")
				return
			fi
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _hugeodp hugeodp
