#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# hugeodp run --report: each end of a program is reported and repeated, signals and stops pass in both
# directions, the report goes nowhere else, and nothing is left.
# usage: check-run.sh HUGEODP INCLUDE_DIR CC
set -euo pipefail

hugeodp=$1 include=$2 cc=$3
libhugeodp=$(realpath "$(dirname "$1")/../libibverbs")
# shellcheck source-path=SCRIPTDIR source=checks.sh
source "$(dirname "$0")/checks.sh"

fake_libibverbs "$dir/a" one -Wl,-soname,libibverbs.so.1
build "$dir/program" program.c -L"$dir/a" -Wl,-rpath,"$dir/a" -l:libibverbs.so.1
build "$dir/byhandle" -DHANDLE main.c -Wl,-rpath,"$dir/a"
mkfifo "$dir/go" "$dir/pipe"

# until_true COMMAND...: waits until another process has made it true
until_true() {
	local end=$((SECONDS + 60))
	until "$@"; do
		((SECONDS < end)) || return 1
	done 2>/dev/null
}

# ends STATUS COMMAND...: under hugeodp run OPTION..., output to $dir/out and $dir/err
options=(--report)
ends() {
	local want=$1 got=0
	shift
	"$hugeodp" run "${options[@]}" -- "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
	check "${options[*]} ${*##*/}: status $want" [ "$got" = "$want" ]
}

said() { check "... says '$1'" grep -qF -- "$1" "$dir/err"; }
lines() { check "... $1 lines on stderr" [ "$(wc -l <"$dir/err")" = "$1" ]; }

places() { find /dev/shm /tmp -maxdepth 1 -name 'hugeodp.*' 2>/dev/null || true; }
before=$(places)

echo "# explain"
"$hugeodp" explain --json -- "$dir/program" pinned 2>"$dir/err" >"$dir/out"
said '"registrations": 2'
said '"ranges": []'
"$hugeodp" explain --all --json --report="$dir/explained" -- "$dir/program" pinned >"$dir/all" 2>"$dir/err"
lines 0
check "explain --all: pinned memory" python3 -c 'import json, sys
report = json.load(open(sys.argv[1]))
sys.exit(len(report["ranges"]) != 2 or any(r["length"] != 8192 for r in report["ranges"]))' "$dir/explained"
check "... and registers the same" diff "$dir/out" "$dir/all"
rm "$dir/explained"
entries() { # STATUS ARGUMENT...: of explain
	local want=$1 got=0
	shift
	"$hugeodp" explain "$@" >"$dir/out" 2>"$dir/err" || got=$?
	check "explain $*: status $want" [ "$got" = "$want" ]
}
entries 0 --pinned -- "$dir/program" pinned
said "2 registrations"
said "]: entries of pinned MRs: "
entries 0 --entries 1000 -- "$dir/program"
said " of 1000, which fit"
entries 4 --entries 1 -- "$dir/program"
said " of 1, which are too many"
entries 4 --json --entries 1 -- "$dir/program"
lines 1
entries 7 --entries 1 -- sh -c "'$dir/program'; exit 7"
said " of 1, which are too many"

echo "# advise"
"$hugeodp" advise -- "$dir/program" pinned 2>"$dir/err" >"$dir/out"
check "advise: of a program" grep -q "^process [0-9]*: program$" "$dir/err"
# 3 if a block happens to end within one of the two ranges
check "... whose memory is pinned" grep -qE " [23] +hugeodp check, which says what is missing$" "$dir/err"
check "... and registers the same" diff "$dir/out" "$dir/all"
"$hugeodp" advise --json -- sh -c "'$dir/program'; '$dir/program'" 2>"$dir/err" >"$dir/out"
check "... one line for each process" python3 -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
sys.exit([(p["name"], len(p["changes"])) for p in lines] != [("program", 1)] * 2 or
         any(p["entries_after"] >= p["entries"] for p in lines))' "$dir/err"
got=0
"$hugeodp" advise -- "$dir/program" kill >"$dir/out" 2>"$dir/err" || got=$?
check "... ends as the program" [ "$got" = 137 ]
check "... with advice" grep -q "^process [0-9]*: program$" "$dir/err"
got=0
"$hugeodp" advise -- sh -c 'exit 7' >"$dir/out" 2>"$dir/err" || got=$?
check "... with its status" [ "$got" = 7 ]
said "no registration of memory was seen"

echo "# ends"
ends 0 "$dir/program"
said "program["
said "]: 2 registrations, 0 with huge pages"
# the device of this libibverbs has no kernel that counts
said "2 on-demand regions deregistered; this kernel does not count their faults"
ends 137 "$dir/program" kill
said " (ended without exit): 2 registrations"
ends 1 "$dir/program" exec "$(type -P false)"
said " (ended without exit): 2 registrations"
ends 127 "$dir/nothing"
lines 1
ends 126 "$dir"
lines 1
ends 7 sh -c "'$dir/program'; '$dir/program' kill; exit 7"
check "... two processes are reported" [ "$(grep -c '2 registrations' "$dir/err")" = 2 ]
options=(--json --report="$dir/report.%p")
ends 0 "$dir/program"
lines 0
ends 137 "$dir/program" kill
lines 0
check "... one file for each process" [ "$(cat "$dir"/report.* | grep -c '"registrations": 2')" = 2 ]
check "... without counters that are not known" python3 -c 'import glob, json, sys
reports = [json.load(open(name)) for name in glob.glob(sys.argv[1] + "/report.*")]
sys.exit(any(r["deregistered"] != 2 or {"faults", "blocks_mapped"} & r.keys() for r in reports))' "$dir"
rm "$dir"/report.*
options=(--json --report="$dir/report.%p.%p")
ends 0 "$dir/program"
name=$(find "$dir" -name 'report.*' -printf '%f\n')
check "... both %p are replaced" [ "${name%.*}" = "report.${name##*.}" ]
rm "$dir"/report.*
options=(--report="$dir/no/report")
ends 0 "$dir/program"
said "hugeodp: report to $dir/no/report: No such file"
lines 1

echo "# requests of the program"
build "$dir/requests" -DREQUEST program.c -L"$dir/a" -Wl,-rpath,"$dir/a:$libhugeodp" \
	"$libhugeodp/libhugeodp.so" -l:libibverbs.so.1
options=(--report)
ends 0 "$dir/requests"
said "]: 2 registrations, 0 with huge pages"
said "  2 left alone: a request of the program's own"
said "  2 by requests of the program itself"
options=(--json)
ends 0 "$dir/requests"
said '"registrations": 2, "own_requests": 2, "huge": 0'
ends 0 "$dir/program"
said '"registrations": 2, "own_requests": 0, "huge": 0'


echo "# ibv_reg_mr_ex() without a request, through libhugeodp"
fake_libibverbs "$dir/newer" newer -DNEWER -Wl,-soname,libibverbs.so.1
build "$dir/plain" -DREQUEST=0 program.c -L"$dir/a" -Wl,-rpath,"$libhugeodp" "$libhugeodp/libhugeodp.so" \
	-l:libibverbs.so.1
options=(--json)
for copy in a newer; do
	LD_LIBRARY_PATH=$dir/$copy ends 0 "$dir/plain"
	said '"registrations": 2, "own_requests": 0'
done
check "... with the newer libibverbs" [ "$(grep -c 'newer: reg' "$dir/out")" = 2 ]

echo "# descriptor 2 is a file of the program"
options=(--report)
ends 0 "$dir/program" data "$dir/data"
said "2 registrations"
check "... nothing is written to it" [ ! -s "$dir/data" ]
options=(--report="$dir/no/report")
ends 0 "$dir/program" data "$dir/data"
said "hugeodp: report to"
options=(--report)
ends 0 env HUGEODP_PRELOAD_COUNTS=none "$dir/program" data "$dir/data"
ends 0 env HUGEODP_PRELOAD_COUNTS=none "$dir/program"
said "2 registrations"
ends 0 env HUGEODP_PRELOAD_SIZES=3 "$dir/program" data "$dir/data"
for sizes in 3 1K 2M,256T; do
	ends 0 env HUGEODP_PRELOAD_SIZES=$sizes "$dir/program"
	said "hugeodp: invalid HUGEODP_PRELOAD_SIZES '$sizes'"
done
ends 0 sh -c "'$dir/program' 2>'$dir/data'"
said "2 registrations"
check "... nothing is written to it" [ ! -s "$dir/data" ]

echo "# programs that are not reached"
ends 0 true
said "true["
said "no registration of memory was seen in it or its children before it ended"
lines 1
ends 0 "$dir/byhandle"
said "opened libibverbs, but no registration was seen"
lines 1
build "$dir/libplugin.so" -shared -fPIC -DPLUGIN program.c -L"$dir/a" -Wl,-rpath,"$dir/a" -l:libibverbs.so.1
build "$dir/opens" -DOPENS main.c
ends 0 "$dir/opens" "$dir/libplugin.so" fork
check "... a child of a process that was reached is not reported" \
	[ "$(grep -c 'no registration was seen' "$dir/err")" = 0 ]
if build "$dir/static" -static -DSTATIC main.c 2>/dev/null; then
	ends 0 "$dir/static"
	said "was not reached: it is linked statically"
	lines 1
	options=(--json)
	ends 0 "$dir/static"
	check "... as JSON" python3 -c 'import json, sys
sys.exit("statically" not in json.load(open(sys.argv[1]))["note"])' "$dir/err"
	options=(--report)
else
	echo "NOT CHECKED: a static program, without a static C library"
fi
if [ "$(id -u)" = 0 ]; then
	cp "$(type -P true)" "$dir/setuid"
	chmod 755 "$dir"
	chmod 4755 "$dir/setuid"
	# the build directory may be out of reach for this user
	mkdir -p "$dir/inst/tools" "$dir/inst/preload"
	cp "$hugeodp" "$dir/inst/tools"
	cp "$(dirname "$hugeodp")/../preload/libhugeodp-preload.so" "$dir/inst/preload"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/inst/tools/hugeodp" run --report \
		"$dir/setuid" 2>"$dir/err"
	said "was not reached: it is setuid"
else
	echo "NOT CHECKED: a setuid program, which only root can make here"
fi
mkdir -p "$dir/in st/tools" "$dir/in st/preload"
cp "$hugeodp" "$dir/in st/tools"
cp "$(dirname "$hugeodp")/../preload/libhugeodp-preload.so" "$dir/in st/preload"
status=0
"$dir/in st/tools/hugeodp" run -- true 2>"$dir/err" || status=$?
check "a path with a blank is an error" [ $status = 126 ]
said "contains a blank"

echo "# containers"
if unshare --pid --fork --mount-proc true 2>"$dir/err"; then
	# inside STATUS OPTION COMMAND...: as the first process of a PID namespace
	inside() {
		local want=$1 got=0
		shift
		unshare --pid --fork "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
		check "unshare ${*##*/}: status $want" [ "$got" = "$want" ]
	}
	inside 0 --mount-proc "$hugeodp" run --report -- "$dir/program"
	said "program[2]: 2 registrations"
	check "... and nothing else" [ "$(grep -c 'program\[' "$dir/err")" = 1 ]
	# an orphan ends first, and the first process of a container does not die by a signal of its own
	inside 137 --mount-proc "$hugeodp" run --report -- sh -c "(setsid true &); exec '$dir/program' kill"
	said " (ended without exit): 2 registrations"
	# it finds other processes by the numbers of this PID namespace
	inside 0 --mount "$hugeodp" run --report -- "$dir/program"
	said "program[2]: 2 registrations"
	said "program[2]: without the /proc of its PID namespace, only a process that ends by exit(3) is reported"
	check "... and not as one that was not reached" [ "$(grep -c 'not reached' "$dir/err")" = 0 ]
else
	echo "NOT CHECKED: containers, which this user cannot make here"
fi

echo "# signals"
# shellcheck disable=SC2016
waits='trap "echo TERM; exit 9" TERM; trap "echo USR1" USR1; echo ready $$; while :; do read x <"$0"; done'
start() { # COMMAND...
	: >"$dir/out"
	"$hugeodp" run --report -- "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	until_true grep -q ready "$dir/out"
	child=$(sed -n 's/ready //p' "$dir/out")
}
# shellcheck disable=SC2317
is_state() { [ "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status")" = "$2" ]; }
start bash -c "$waits" "$dir/go"
kill -USR1 $pid
check "a signal for the program" until_true grep -q USR1 "$dir/out"
check "the command line is that of the program" grep -qF 'echo USR1' "/proc/$child/cmdline"
# shellcheck disable=SC2016
check "... and does not appear a second time" bash -c '! grep -qF "echo USR1" "/proc/$0/cmdline"' $pid
kill -STOP "$child"
check "the program is stopped" until_true is_state "$child" T
check "... and the command still waits for it" until_true is_state $pid S
kill -CONT "$child"
check "... and it continues" until_true is_state "$child" S
kill -TERM $pid
status=0
wait $pid || status=$?
check "SIGTERM ends it with the program's status" [ $status = 9 ]
start bash -c "$waits" "$dir/go"
kill -KILL $pid
wait $pid 2>/dev/null || true
# as an orphan it may be left to a process 1 that does not wait for it, as in some builds
# shellcheck disable=SC2317
has_ended() { [ ! -e "/proc/$1" ] || is_state "$1" Z; }
check "SIGKILL for the command ends the program" until_true has_ended "$child"

if python3 -c 'import os; os.openpty()' 2>/dev/null; then
check "a key of the terminal reaches the program once" python3 - "$hugeodp" <<'PROGRAM'
import os, pty, sys

pid, terminal = pty.fork()
if not pid:
    os.execv(sys.argv[1], [sys.argv[1], "run", "--report", "--", "bash", "-c",
        'trap "echo got INT; n=\\$((n + 1))" INT; echo ready; until [ "$n" ]; do read -t 0.1 x; done;'
        'read -t 0.5 x; exit $((40 + n))'])
text = b""
sent = False
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    text += more
    if b"ready" in text and not sent:
        os.write(terminal, b"\x03")
        sent = True
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(f"# status {status}: {text!r}")
sys.exit(status != 41)
PROGRAM

check "job control of a shell: stopped, continued, interrupted" python3 - "$hugeodp" <<'PROGRAM'
import os, pty, select, sys, time

pid, terminal = pty.fork()
if not pid:
    os.environ["PS1"] = "$ "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
text = b""
def expect(what):
    global text
    end = time.monotonic() + 60
    while what not in text:
        if time.monotonic() > end or not select.select([terminal], [], [], 60)[0]:
            sys.exit(f"# no {what!r} in {text!r}")
        text += os.read(terminal, 4096)
    text = text.split(what, 1)[1]
def send(what):
    os.write(terminal, what)

expect(b"$ ")
send(b"%s run --report -- sh -c 'echo rea\"\"dy; read x; echo got $x; read x'\n" % sys.argv[1].encode())
expect(b"ready\r\n")
send(b"\x1a")
expect(b"Stopped")
send(b"fg\n")
expect(b"fg\r\n")
send(b"input\n")
expect(b"got input\r\n")
send(b"\x03")
expect(b"$ ")
send(b"echo status $?\n")
expect(b"status 130")
send(b"exit\n")
PROGRAM
else
	echo "NOT CHECKED: terminals, without /dev/pts"
fi

echo "# nothing is left"
check "no zombie for a process that does not wait for orphans" python3 - "$hugeodp" "$dir/program" <<'PROGRAM'
import ctypes, os, subprocess, sys, time

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
subprocess.run(["sh", "-c", '"$0" run --report=/dev/null -- "$1" kill; exit 0', *sys.argv[1:]], check=True)
time.sleep(0.3)
me = os.getpid()
def parent(pid):
    try:
        return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
left = [pid for pid in os.listdir("/proc") if pid.isdigit() and parent(pid) == me]
print("# left:", left)
sys.exit(bool(left))
PROGRAM
check "no file" [ "$(places)" = "$before" ]
"$hugeodp" run --report -- bash -c "exec >&-; read x <'$dir/go'" >"$dir/pipe" 2>"$dir/err" &
pid=$!
timeout 60 cat "$dir/pipe"
check "a reader sees the end of the program's output" kill -0 $pid
echo >"$dir/go"
wait $pid

echo "# names"
cp "$dir/program" "$dir"/$'red\e[31m\xc2\x9b"\xff\u00e4'
ends 0 "$dir"/red*
check "... a name does not control the terminal" [ "$(tr -dc '\033\233' <"$dir/err")" = "" ]
said $'red?[31m?"?\u00e4['
options=(--json)
ends 0 "$dir"/red*
check "... and is complete in JSON" python3 -c 'import json, sys
name = json.load(open(sys.argv[1]))["program"]
sys.exit(name != "red\u001b[31m\u009b\"\ufffd\u00e4")' "$dir/err"
options=(--report)

echo "# errors"
ends 127 report program
said "--report=FILE"
printf '#!/no/interpreter\n' >"$dir/script"
chmod +x "$dir/script"
ends 127 "$dir/script"
said "the interpreter in its first line"

echo "# odd surroundings"
check "SIGCHLD is ignored" python3 - "$hugeodp" <<'PROGRAM'
import signal, subprocess, sys
def ignore(): signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.exit(subprocess.run([sys.argv[1], "run", "--report=/dev/null", "sh", "-c", "exit 5"], preexec_fn=ignore).returncode != 5)
PROGRAM
rm -f "$dir/report"
for stream in 0 1 2; do
	# shellcheck disable=SC2016
	bash -c 'eval "exec $0>&-"; exec "$@"' $stream \
		"$hugeodp" run --report="$dir/report" -- "$dir/program" kill >"$dir/out" 2>"$dir/err" || true
done
check "without a standard stream: reported" [ "$(grep -c 'ended without exit' "$dir/report")" = 3 ]
# shellcheck disable=SC2016
check "no files may grow" bash -c 'ulimit -f 0; exec "$0" run --report=/dev/null -- true' "$hugeodp"
exit "$failed"
