#compdef hugeodp
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Completion of hugeodp(1) for zsh, installed as _hugeodp.

_hugeodp_commands() {
	local -a commands=(
		'check:answer whether this machine can do it, or what to do'
		'info:show devices and system settings'
		'explain:show which memory could have huge pages'
		'advise:show what to change for more huge pages'
		'mr:show memory regions'
		'run:run a program with huge pages'
		'help:describe a command'
	)
	_describe -t commands command commands
}

_hugeodp_devices() {
	local -a devices=(/sys/class/infiniband/*(N:t))
	_describe -t devices device devices
}

_hugeodp() {
	local curcontext=$curcontext state line
	local -i i
	local -A opt_args
	local -a general=(
		'(-j --json)'{-j,--json}'[print JSON instead of text]'
		'--color=[use colours]:when:(auto always never)'
		'(- *)'{-h,--help}'[describe the command]'
	)
	local -a program=(
		'--all[also registrations without on-demand paging]'
		'(-r --report)'{-r-,--report=-}'[report the result at exit]::file:_files'
	)
	local -a device=('(-d --device)'{-d+,--device=}'[show only this device]: :_hugeodp_devices')
	local -a headings=('(-n --noheadings)'{-n,--noheadings}'[without the line of headings]')
	local -a memory=(
		'--min=[leave out shorter mappings]:size:(4K 2M 1G)'
		'--range=[only these addresses]:start-end:'
	)
	local -a regions=(
		'--openmetrics[print sums for a collector of metrics]'
		'(-o --output)'{-o+,--output=}'[only these columns]:columns:_values -s , column device mr mrs kind bytes base-pages huge-pages page entries device-bytes blocks table faults invalidated owner'
		'(-p --pid)'{-p+,--pid=}'[show only the regions of this process]:process:_pids'
		'--processes[print the sums of each process]'
		'--sort=[the largest first]:column:(bytes page entries device-bytes blocks table faults invalidated)'
		'(-w --watch)'{-w-,--watch=-}'[repeat it]::seconds:'
	)
	local -a sizes=('(-s --sizes)'{-s+,--sizes=}'[page sizes]:sizes:(any "2M|base" "1G|2M|base")')

	_arguments -C -S $general '(- *)'{-V,--version}'[print the version]' \
		'(-): :_hugeodp_commands' '(-)*:: :->arguments' && return
	[[ $state == arguments ]] || return
	case $words[1] in
	check | info)
		_arguments -S $general $device
		;;
	mr)
		_arguments -S $general $device $headings $regions
		;;
	explain | advise)
		i=${words[(i)--]}
		if ((CURRENT > i)); then
			shift i words
			((CURRENT -= i))
			_normal
			return
		fi
		if [[ $words[1] == explain ]]; then
			_arguments $general $sizes $program $memory $headings \
				'--pinned[also entries of pinned regions]' \
				'--entries=[end with status 4 if these are more]:number:' \
				'(-o --output)'{-o+,--output=}'[only these columns]:columns:_values -s , column address size rss huge could base page entries name' \
				'*:process:_pids'
		else
			_arguments $general $sizes $memory $headings \
				'(-o --output)'{-o+,--output=}'[only these columns]:columns:_values -s , column entries faults table size blocks name change' \
				'*:process:_pids'
		fi
		;;
	run)
		_arguments -S $general $sizes $program \
			'(-):program: _command_names -e' '*::argument: _normal'
		;;
	help)
		_hugeodp_commands
		;;
	esac
}

_hugeodp "$@"
