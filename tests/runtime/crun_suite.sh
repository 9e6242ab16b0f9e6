#!/usr/bin/env bash
# crun_suite.sh SOURCE [TEST...] - crun's own tests, in Python, with ours in its place.
#
# SOURCE is a checkout of containers/crun (of 1.29.1: ok 397, not ok 24); nothing is built but its test's init
# (statically, with the system's C library). Fails where a test fails that is not known to, with the reason, below;
# prints both kinds. Needs root.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
tests=$(readlink -e "${1:?SOURCE is missing}/tests")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compiler=$(command -v clang-19 || command -v cc)
printf '#define HAVE_%s 1\n' SECCOMP ERROR_H LINUX_IOPRIO_H > "$work/config.h"
"$compiler" -static -I"$work" -o "$work/init" "$tests/init.c"
# Python before 3.12 has no way between namespaces; some of the tests want one.
cat > "$work/sitecustomize.py" << 'PYTHON'
import ctypes, os
if not hasattr(os, "setns"):
    os.CLONE_NEWNET = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    def checked(call):
        def wrapper(*words):
            if call(*words) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return wrapper
    os.setns, os.unshare = checked(libc.setns), checked(libc.unshare)
PYTHON
export OCI_RUNTIME=$here/../../build/release/bin/pcompose-runtime INIT=$work/init PYTHONPATH=$work:$tests
cd "$work"
for test in "${@:-$tests/test_*.py}"; do
  for file in $test; do
    timeout -s KILL 300 unshare -n -m --propagation private python3 "$file" < /dev/null 2> /dev/null || true
  done
done > results
known=$(cat << 'KNOWN'
version-command its own words
test_help_delete its own words
exec-help its own words
help its own words
scheduler-deadline-missing-runtime refused, too, in other words
scheduler-deadline-missing-deadline refused, too, in other words
scheduler-deadline-zero-runtime refused, too, in other words
scheduler-deadline-invalid-order refused, too, in other words
scheduler-deadline-invalid-deadline-period refused, too, in other words
scheduler-deadline-too-small-runtime refused, too, in other words
scheduler-deadline-too-big-runtime refused, too, in other words
start its own file in --root
crun-features its own commit and annotations
test-annotation-hook-stdout-stderr its own annotation
annotation-seccomp-fail-unknown-syscall its own annotation
seccomp-listener its own version of the message; ours says the one of the spec that it complies with
unknown-caps the spec wants a warning, not an error (config, "capabilities")
delete-in-created-state the spec wants an error of what is not stopped (runtime, "Delete")
exec_add_no_new_privileges the container's own noNewPrivileges holds for further processes, as with runc
exec-root-netns-with-userns wants to be in the network namespace of PID 1; here it has one of its own
net-devices wants dummy devices of the kernel; NetDevicesTest has the same with veth
scheduler-fifo wants a kernel without RT_GROUP_SCHED on cgroup v1; ProcessTest.RealTime* shows the cure
scheduler-rr wants a kernel without RT_GROUP_SCHED on cgroup v1
scheduler-flags wants a kernel without RT_GROUP_SCHED on cgroup v1
KNOWN
)
unknown=0
echo "ok $(grep -c '^ok' results), not ok $(grep -c '^not ok' results)"
while read -r name; do
  if reason=$(grep -E "^$name " <<< "$known"); then
    echo "known: $reason"
  else
    echo "FAILED: $name"
    unknown=1
  fi
done < <(sed -nE 's/^not ok [0-9]+ - ([^ ]*).*/\1/p' results)
exit $unknown
