#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# A wrong command line gives one sentence and status 2, before anything is built or started.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

refused() {
	local name=$1
	shift
	lab "$@"
	is "$name: status" "$STATUS" 2
	is "$name: one line" "$(wc -l <"$TAP_DIR/err")" 1
}

refused 'no verb'
refused 'unknown verb' frobnicate
refused 'path as a verb' ../lib/common
refused 'unknown option' run --frobnicate -- true
refused 'option without a value' run --kernel
refused 'unknown kernel' run --kernel vanilla -- true
refused 'unknown device' run --device mlx4 -- true
refused 'behaviour of a model that is not there' run --device rxe --mlx5 strict -- true
refused 'unknown behaviour' run --device mlx5 --mlx5 sloppy -- true
refused 'IOMMU of an unknown mode' run --device mlx5 --iommu on -- true
refused 'IOMMU for a device without DMA' run --device rxe --iommu strict -- true
refused 'caches without a size' run --device mlx5 --mlx5 cache=mtt= -- true
refused 'caches that are named as no parameter is' run --device mlx5 --mlx5 cache=8x8 -- true
refused 'delay that is none' run --device mlx5 --mlx5 delay=0 -- true
refused 'no such directory to share' run --share "$TAP_DIR/none" -- true
refused 'memory that is not a number' run --mem lots -- true
refused 'processors whose clock would count for one' run --icount --smp 2 -- true
refused 'a debugger at no port' run --gdb here -- true
refused 'unknown accelerator' run --accel hvf -- true
refused 'counted instructions with KVM' run --icount --accel kvm -- true
refused 'no command' run --
refused 'shell without a terminal' shell
refused 'unknown part' test everything
refused 'unknown part after another' test shell everything
refused 'a test among parts' test shell lab everything
refused 'single tests of two parts' test lab stock query
refused 'demo with an argument' demo now
refused 'benchmarks with an unknown option' bench --slow
refused 'benchmarks into two places' bench one two

lab --help
is 'help: status' "$STATUS" 0
ok 'help names every verb' test "$(grep -cE '^  (demo|run|shell|test) ' <<<"$OUT")" = 4
lab test --help
is 'help of a verb: status' "$STATUS" 0
ok 'help of a verb names its parts' grep -q 'parts: shell unit lab' <<<"$OUT"
done_testing
