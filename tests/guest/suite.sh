#!/usr/bin/env bash
# suite.sh BUILD - inside the guest (run.sh): what has to hold on a pure cgroup v2 tree and on Linux 6.1, too.
#
# The programs in BUILD/tests/bin are those of the host; only what meets the kernel is run, as emulation makes
# everything some twenty times slower.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.."
bin=${1:?}/tests/bin
tests="engine-integration runtime-integration volumes-integration netns_kernel_test netns_networks_test
  scenario-attributes scenario-escapes scenario-hooks scenario-lifecycle scenario-namespaces scenario-runtime
  scenario-volumes scenario-ports scenario-exec scenario-users"
# Its five hundred runs take minutes here and tell nothing about the kernel.
export GTEST_FILTER='-*FiveHundred*'
log=$(mktemp)
failed=
for test in $tests; do
  SECONDS=0
  if timeout -k 5 900 "$bin/$test" > "$log" 2>&1 < /dev/null; then
    echo "guest: passed $test, $SECONDS s"
  else
    echo "guest: FAILED $test: exit $?, $SECONDS s"
    cat "$log"
    failed="$failed $test"
  fi
done
[ -z "$failed" ] || { echo "guest: failed:$failed"; exit 1; }
