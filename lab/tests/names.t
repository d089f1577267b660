#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Single tests of a part: only the named ones run, and an unknown name is a failure.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
source "$(dirname "$0")/tap.sh"

# ran: the tests that prove started
ran() { sed -n 's,^.*/\([^/ ]*\)\.t \.\..*,\1,p' <<<"$OUT" | sort -u | paste -sd' '; }

lab test stock odp-corruption-stock
is 'a test of one part: status' "$STATUS" 0
is 'a test of one part: no other ran' "$(ran)" odp-corruption-stock

lab test lab netlink stock-answers
is 'a test of another part: status' "$STATUS" 1
ok 'a test of another part: message' grep -q 'FAILED: lab: no test stock-answers' <<<"$ERR"
is 'a test of another part: the rest ran' "$(ran)" netlink

lab test debug no-such-test
is 'no test has the name: status' "$STATUS" 1
ok 'no test has the name: message' grep -q 'FAILED: debug: no test no-such-test' <<<"$ERR"
done_testing
