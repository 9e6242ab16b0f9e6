#!/usr/bin/env bash
# crun_suite.sh SOURCE [TEST...] - crun's own tests, in Python, with ours in its place.
#
# SOURCE is a checkout of containers/crun; nothing is built but its test's init (statically, with the system's C
# library). Prints a line for each test that fails. Needs root. Some tests are of crun alone: its messages, its files
# in --root, its annotations.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
tests=$(readlink -e "${1:?SOURCE is missing}/tests")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compiler=$(command -v clang-19 || command -v cc)
printf '#define HAVE_%s 1\n' SECCOMP ERROR_H LINUX_IOPRIO_H > "$work/config.h"
"$compiler" -static -I"$work" -o "$work/init" "$tests/init.c"
export OCI_RUNTIME=$here/../../build/release/bin/pcompose-runtime INIT=$work/init PYTHONPATH=$tests
cd "$work"
for test in "${@:-$tests/test_*.py}"; do
  for file in $test; do
    timeout -s KILL 300 unshare -n -m --propagation private python3 "$file" < /dev/null 2> /dev/null || true
  done
done > results
echo "ok $(grep -c '^ok' results), not ok $(grep -c '^not ok' results)"
grep '^not ok' results | sed -E 's/^not ok [0-9]+ - //' || true
