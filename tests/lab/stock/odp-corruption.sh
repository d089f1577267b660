#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# On an unpatched kernel the corruption must be there, or the test that it is
# gone proves nothing.
set -eu
exec "$(dirname "$0")/../odp-corruption.t" --expect-corruption
