#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# What the driver uses on the model with older or newer firmware; common programs complete with it, and
# the driver can be reloaded. usage: profile old|new
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=programs.sh
source "$(dirname "$0")/programs.sh"

profile=$1
[[ -d /sys/kernel/debug/mlx5 ]] || mount -t debugfs debugfs /sys/kernel/debug

# commands NAME: how many of them the driver has sent
commands() { cat /sys/kernel/debug/mlx5/*/commands/"$1"/n; }
# used NAME, unused NAME
used() { [[ $(commands "$1") -gt 0 ]]; }
unused() { [[ $(commands "$1") == 0 ]]; }

# offers TEXT: ibv_devinfo prints TEXT
offers() { grep -q -e "$1" < <(ibv_devinfo -v -d mlx5_0); }
not() { ! "$@"; }

ok 'ibv_rc_pingpong' both ibv_rc_pingpong -n 200
ok 'ibv_rc_pingpong -o' both ibv_rc_pingpong -n 200 -o
ok 'ibv_ud_pingpong' both ibv_ud_pingpong -n 200
ok 'ibv_srq_pingpong' both ibv_srq_pingpong -n 200
ok 'ibv_xsrq_pingpong' both ibv_xsrq_pingpong -n 200
ok 'ib_write_bw --odp' both ib_write_bw -F -n 100 --odp
ok 'page faults' test "$(counter mlx5_0 page_faults)" -gt 0
if [[ $profile == new ]]; then
	ok 'the firmware' offers 'fw_ver:.*28\.43\.'
	ok 'implicit MRs' offers 'ODP_SUPPORT_IMPLICIT'
	ok 'receive memory pools' used CREATE_RMP
	ok 'XRC SRQs' used CREATE_XRC_SRQ
	ok 'no SRQs of the first interface' unused CREATE_SRQ
else
	ok 'the firmware' offers 'fw_ver:.*10\.16\.'
	ok 'no implicit MRs' not offers 'ODP_SUPPORT_IMPLICIT'
	ok 'SRQs of the first interface' used CREATE_SRQ
	ok 'no other interface' unused CREATE_RMP
fi
unbind mlx5_0
ok 'unbind: the device is gone' test ! -e /sys/class/infiniband/mlx5_0
ok 'bind: the port is active' bind mlx5_0
ok 'ibv_srq_pingpong after that' both ibv_srq_pingpong -n 200
ok 'no strict report' test "$(counter mlx5_0 strict_reports)" = 0
tap_done
