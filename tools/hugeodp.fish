# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# Completion of hugeodp(1) for fish.

# __hugeodp_in COMMAND...: the command line has one of these, and no program yet
function __hugeodp_in
	set -l words (commandline -poc)
	set -e words[1]
	contains -- "$words[1]" $argv; or return
	set -e words[1]
	if not contains run $argv
		not contains -- -- $words
		return
	end
	while set -q words[1]
		switch $words[1]
			case -s --sizes --color
				set -e words[1]
			case --
				return 1
			case '-*'
			case '*'
				return 1
		end
		set -e words[1]
	end
	return 0
end

# the command line has a program of run, or of explain or advise after --
function __hugeodp_in_program
	set -l words (commandline -poc)
	test "$words[2]" = run; or begin
		contains -- "$words[2]" explain advise; and contains -- -- $words
	end
end

complete -c hugeodp -f
complete -c hugeodp -n __fish_use_subcommand -a check -d 'Answer whether this machine can do it, or what to do'
complete -c hugeodp -n __fish_use_subcommand -a info -d 'Show devices and system settings'
complete -c hugeodp -n __fish_use_subcommand -a explain -d 'Show which memory could have huge pages'
complete -c hugeodp -n __fish_use_subcommand -a advise -d 'Show what to change for more huge pages'
complete -c hugeodp -n __fish_use_subcommand -a mr -d 'Show memory regions'
complete -c hugeodp -n __fish_use_subcommand -a run -d 'Run a program with huge pages'
complete -c hugeodp -n __fish_use_subcommand -a help -d 'Describe a command'
complete -c hugeodp -n __fish_use_subcommand -s V -l version -d 'Print the version'
complete -c hugeodp -n '__hugeodp_in help' -a 'check info explain advise mr run help'

set -l anywhere '__fish_use_subcommand; or __hugeodp_in check info explain advise mr help; or __hugeodp_in run'
complete -c hugeodp -n $anywhere -s j -l json -d 'Print JSON instead of text'
complete -c hugeodp -n $anywhere -l color -x -a 'auto always never' -d 'Use colours'
complete -c hugeodp -n $anywhere -s h -l help -d 'Describe the command'

complete -c hugeodp -n '__hugeodp_in check info mr' -s d -l device -x \
	-a '(ls /sys/class/infiniband 2>/dev/null)' -d 'Show only this device'
complete -c hugeodp -n '__hugeodp_in mr explain advise' -s n -l noheadings -d 'Without the line of headings'
complete -c hugeodp -n '__hugeodp_in mr' -l openmetrics -d 'Print sums for a collector of metrics'
complete -c hugeodp -n '__hugeodp_in mr' -s o -l output -x -d 'Only these columns' \
	-a '(__fish_append , device mr mrs kind bytes base-pages huge-pages page entries device-bytes blocks table faults invalidated owner)'
complete -c hugeodp -n '__hugeodp_in mr' -s p -l pid -x -a '(__fish_complete_pids)' -d 'Show only this process'
complete -c hugeodp -n '__hugeodp_in mr' -l processes -d 'Print the sums of each process'
complete -c hugeodp -n '__hugeodp_in mr' -l sort -x -a 'bytes page entries device-bytes blocks table faults invalidated' \
	-d 'The largest first'
complete -c hugeodp -n '__hugeodp_in mr' -s w -l watch -d 'Repeat it'
complete -c hugeodp -n '__hugeodp_in explain advise; or __hugeodp_in run' -s s -l sizes -x \
	-a 'any 2M,base 1G,2M,base' -d 'Page sizes'
complete -c hugeodp -n '__hugeodp_in explain advise' -l min -x -a '4K 2M 1G' -d 'Leave out shorter mappings'
complete -c hugeodp -n '__hugeodp_in explain advise' -l range -x -d 'Only these addresses'
complete -c hugeodp -n '__hugeodp_in explain' -l pinned -d 'Also entries of pinned regions'
complete -c hugeodp -n '__hugeodp_in explain' -l entries -x -d 'End with status 4 if these are more'
complete -c hugeodp -n '__hugeodp_in explain' -s o -l output -x -d 'Only these columns' \
	-a '(__fish_append , address size rss huge could base page entries name)'
complete -c hugeodp -n '__hugeodp_in advise' -s o -l output -x -d 'Only these columns' \
	-a '(__fish_append , entries faults table size blocks name change)'
complete -c hugeodp -n '__hugeodp_in explain advise' -a '(__fish_complete_pids)'
complete -c hugeodp -n '__hugeodp_in explain; or __hugeodp_in run' -l all \
	-d 'Also registrations without on-demand paging'
complete -c hugeodp -n '__hugeodp_in explain; or __hugeodp_in run' -s r -l report -d 'Report the result at exit'
complete -c hugeodp -n __hugeodp_in_program \
	-a '(__fish_complete_subcommand --fcs-skip=2 -s --sizes --color --min)'
