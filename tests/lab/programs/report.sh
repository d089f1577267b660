#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# `hugeodp run --report` reports every process that registered memory, however it ends, and leaves
# no files or processes.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR/../../lib source=tap.sh
source "$(dirname "$0")/tap.sh"

dir=$(mktemp -d)
mkdir "$dir/home"
trap 'jobs -p | xargs -r kill -9 2>/dev/null || true; rm -rf "$dir"' EXIT
case $HUGEODP_DEVICE in
mlx5) device=mlx5_0 ;;
*) device=rxe0 ;;
esac

# Registers a huge page, prints "ready" and its number, and ends as its last argument says
cat >"$dir/home/program.py" <<'PROGRAM'
import mmap, os, signal, sys
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD

LOCAL_WRITE, ON_DEMAND, HUGETLB = 1 << 0, 1 << 6, 0x40000

context = Context(name=sys.argv[1])
pd = PD(context)
memory = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | HUGETLB)

def register():
    from ctypes import addressof, c_char
    return MR(pd, 4 << 20, LOCAL_WRITE | ON_DEMAND, address=addressof(c_char.from_buffer(memory)))

def wait():
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
    print("ready", os.getpid(), flush=True)
    while True:
        signal.pause()

def forks():
    child = os.fork()
    if not child:
        register()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    register().close()

def leaves():
    if os.fork():
        os._exit(0)
    mr = register()
    wait()

# as a daemon may do once it has its memory
def changes_root():
    mr = register()
    os.chroot("/proc/self")
    os.setresuid(65534, 65534, 65534)

# not waited for by its parent, and its main thread ends before the others
def leaves_thread():
    from ctypes import CDLL
    from threading import Thread
    if os.fork():
        os._exit(0)
    mr = register()
    Thread(target=wait_for_file, args=(sys.argv[3],)).start()
    CDLL(None).pthread_exit(None)

def wait_for_file(name):
    from time import sleep
    print("ready", os.getpid(), flush=True)
    while not os.path.exists(name):
        sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)

def waits_for_all():
    if not os.fork():
        os._exit(0)
    register().close()
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass

how = sys.argv[2]
if how == "waits":
    mr = register()
    wait()
elif how == "_exit":
    mr = register()
    os._exit(5)
elif how == "exec":
    mr = register()
    os.execlp("sh", "sh", "-c", "exit 6")
elif how == "exit":
    register().close()
elif how == "forks":
    forks()
elif how == "leaves":
    leaves()
elif how == "changes_root":
    changes_root()
elif how == "leaves_thread":
    leaves_thread()
elif how == "waits_for_all":
    waits_for_all()
PROGRAM

places() { find /dev/shm /tmp -maxdepth 1 -name 'hugeodp.*'; }
nothing_left() { [[ -z $(places) && -z $(pgrep -x hugeodp || true) ]]; }

# start HOW: in the background, in the way that RUN says
start() {
	rm -f "$dir"/report* "$dir/out"
	"${RUN[@]}" python3 "$dir/home/program.py" "$device" "$1" "$dir/home/go" >"$dir/out" 2>"$dir/report.stderr" &
	PID=$!
}

# ends HOW STATUS: by itself
ends() {
	local status=0
	start "$1"
	wait "$PID" || status=$?
	[[ $status == "$2" ]]
}

# killed SIGNAL: while it waits
killed() {
	local status=0
	start waits
	until_true grep -q ready "$dir/out" || return
	read -r _ CHILD <"$dir/out"
	kill -"$1" "$CHILD"
	wait "$PID" || status=$?
	[[ $status == $((128 + $(kill -l "$1"))) ]]
}

# reported NAME EXPRESSION: checks the lines "v" of the report, once it is complete
reported() {
	ok "$1: nothing left" until_true nothing_left
	ok "$1" json "$dir/report" "[v := [r for r in v if 'note' not in r]] and ($2)"
}

ok "before: nothing there" until_true nothing_left
RUN=(hugeodp run --json --report="$dir/report" --)
LOST="len(v) == 1 and not v[0]['exited'] and v[0]['registrations'] == 1 and v[0]['deregistered'] == 0"
for signal in KILL TERM SEGV; do
	ok "killed by SIG$signal" killed $signal
	reported "killed by SIG$signal: reported by the parent" "$LOST and v[0]['pid'] == $CHILD"
done
! has_series ||
	ok "with what it registered" json "$dir/report" "v[0]['huge'] == 1"
ok "ends by _exit" ends _exit 5
reported "ends by _exit: reported by the parent" "$LOST"
ok "becomes another program" ends exec 6
reported "becomes another program: reported by the parent" "$LOST"
ok "ends by exit" ends exit 0
reported "ends by exit: reported once, by itself" \
	"len(v) == 1 and v[0]['exited'] and v[0]['deregistered'] == 1"
ok "a child is killed" ends forks 0
reported "a child is killed: both are reported" \
	"sorted(r['exited'] for r in v) == [False, True] and len({r['pid'] for r in v}) == 2"

# a service manager sends the signal to all processes of the service
killed_together() {
	start waits
	until_true grep -q ready "$dir/out" || return
	read -r _ CHILD <"$dir/out"
	kill "$CHILD" "$PID"
	! wait "$PID"
}
ok "SIGTERM for both processes" killed_together
reported "SIGTERM for both processes: reported" "$LOST and v[0]['pid'] == $CHILD"

not_reported() { ! grep -q '"registrations": [1-9]' "$dir/report"; }
# processes that outlive the program report when they end, without the command
leaves() {
	ends "$1" 0 && until_true grep -q ready "$dir/out" && read -r _ CHILD <"$dir/out"
}
ok "a process outlives the program" leaves leaves
ok "... and the command does not wait for it" nothing_left
ok "... it is not reported while it can count" not_reported
kill -USR1 "$CHILD"
reported "it ends by exit: reported by itself" "len(v) == 1 and v[0]['exited'] and v[0]['pid'] == $CHILD"

ok "a process whose main thread has ended outlives the program" leaves leaves_thread
ok "... it is not reported while it can count" not_reported
touch "$dir/home/go"
until_true test ! -e "/proc/$CHILD"

# it cannot write the report any more
ok "another root directory and user" ends changes_root 0
reported "another root directory and user: reported once" "len(v) == 1 and v[0]['exited']"

# orphans become children of the first process of a container
RUN=(timeout -s KILL 300 unshare --pid --fork --kill-child --mount-proc "${RUN[@]}")
ok "the first process of a container" ends waits_for_all 0
reported "the first process of a container: reported by itself" "len(v) == 1 and v[0]['exited']"
ok "the first process of a container is killed" ends _exit 5
reported "the first process of a container is killed: reported by the parent" "$LOST"

# for people, on stderr
RUN=(hugeodp run --report --)
ok "killed by SIGKILL, on stderr" killed KILL
ok "reported on stderr" until_true grep -q "(ended without exit): 1 registrations" "$dir/report.stderr"
ok "reported on stderr: nothing left" until_true nothing_left

# the counts are in the process itself
RUN=(hugeodp run --json --report="$dir/report" -- env HUGEODP_PRELOAD_COUNTS=none)
ok "without shared memory" ends exit 0
reported "without shared memory: reported by itself" "len(v) == 1 and v[0]['exited']"
tap_done
