# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Kernel configuration: fragments laid over allnoconfig, then every option wanted is checked.

# kconfig_fragments KERNEL: the files that make up its configuration, later ones win
kconfig_fragments() {
	local dir=$LAB_DIR/kernel
	echo "$dir/config"
	[[ ! -f $dir/config.$1 ]] || echo "$dir/config.$1"
}

# kconfig_check CONFIG FRAGMENT...: print each option whose value differs from the one
# requested
kconfig_check() {
	local config=$1 line name bad=0
	local -A want=() have=()
	shift
	while IFS= read -r line; do
		case $line in
		CONFIG_*=*) want[${line%%=*}]=${line#*=} ;;
		'# CONFIG_'*' is not set')
			name=${line#'# '}
			want[${name%% *}]=n
			;;
		esac
	done < <(cat -- "$@")
	while IFS='=' read -r name line; do
		have[$name]=$line
	done < <(grep '^CONFIG_' "$config")
	for name in "${!want[@]}"; do
		if [[ ${have[$name]-n} != "${want[$name]}" ]]; then
			echo "$name: wanted ${want[$name]}, got ${have[$name]-n}"
			bad=1
		fi
	done
	return "$bad"
}
