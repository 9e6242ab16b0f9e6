#!/usr/bin/env bash
# systemd_test.sh BUILD - inside the guest, where systemd runs: a project lives in a delegated unit of its own, limits of
# root and of an ordinary user end in its group, and nothing of it belongs to the login that it was started from. And
# `pcompose systemd`: a project as a service that is ready when its containers are healthy.
set -eu
bin=$(readlink -f "${1:?}")/bin
work=$(mktemp -d)
export PCOMPOSE_ROOT=$work/root
# Of a user started by systemd-run: there is no session that would set it.
[ "$(id -u)" = 0 ] && manager= || { manager=--user; export XDG_RUNTIME_DIR=/run/user/$(id -u); }
pcompose() { "$bin/pcompose" -f "$work/compose.yaml" "$@" < /dev/null; }
systemctl() { command systemctl $manager "$@"; }
fail() {
  echo "FAILED: $*" >&2
  systemctl status --no-pager "$unit" >&2 || true
  systemd-cgls --no-pager >&2 || true
  cat "$PCOMPOSE_ROOT"/log/*.log >&2 || true
  pcompose down -t 0 > /dev/null 2>&1 || true
  exit 1
}
expect() { [ "$2" = "$3" ] || fail "$1: $2, not $3"; }
eventually() {  # eventually WHAT COMMAND...: emulation is slow
  local what=$1
  shift
  for _ in $(seq 600); do
    if "$@"; then return; fi
    sleep 0.1
  done
  fail "$what"
}

mkdir -p "$work/image/bin"
cp "$(command -v busybox)" "$work/image/bin/busybox"
for applet in sleep sh touch test true; do ln -s busybox "$work/image/bin/$applet"; done
mkdir "$work/image/tmp"
"$bin/pcompose" image import -c 'CMD ["sleep", "1000"]' "$work/image" box > /dev/null
cat > "$work/compose.yaml" << YAML
name: shop
services:
  web: {image: box, init: true, stop_grace_period: 1s, mem_limit: 64m, pids_limit: 50, cpus: 0.5}
YAML
tag=pcompose-$(printf %s "$PCOMPOSE_ROOT" | sha256sum | cut -c1-6)
unit=$tag-shop.scope

# What is started in a login's scope leaves it, so that the scope ends by itself.
systemd-run $manager --quiet --scope --unit=login.scope "$bin/pcompose" -f "$work/compose.yaml" up -d < /dev/null ||
  fail "up"
ended() { ! systemctl --quiet is-active login.scope; }
eventually "something of the project is left in the login" ended
echo "passed: nothing is left in the login"

group=/sys/fs/cgroup$(systemctl show --value -p ControlGroup "$unit")
expect "Delegate of $unit" "$(systemctl show --value -p Delegate "$unit")" yes
expect "TasksMax of $unit" "$(systemctl show --value -p TasksMax "$unit")" infinity
expect "processes in the unit itself" "$(cat "$group/cgroup.procs")" ""
expect "the keeper's group" "$(ls -d "$group"/keeper)" "$group/keeper"
container=$(echo "$group/$tag"/*/)
expect "memory.max" "$(cat "${container}memory.max")" 67108864
expect "pids.max" "$(cat "${container}pids.max")" 50
expect "cpu.max" "$(cat "${container}cpu.max")" "50000 100000"
grep -q . "${container}cgroup.procs" || fail "the container is not in $container"
pcompose top web | grep -q sleep || fail "top finds no process"
echo "passed: limits end in the unit's group"

kill -9 $(cat "$group/keeper/cgroup.procs")
empty() { [ -z "$(cat "$group/keeper/cgroup.procs")" ]; }
eventually "killed processes are still there" empty
grep -q . "${container}cgroup.procs" || fail "the container died with its keeper"
pcompose up -d --scale web=2 > "$work/out" 2>&1 || { cat "$work/out" >&2; fail "up after the keeper was killed"; }
expect "the containers' groups" "$(ls -d "$group/$tag"/*/ | wc -l)" 2
echo "passed: the next keeper joins the unit"

pcompose down -t 0 > "$work/out" 2>&1 || { cat "$work/out" >&2; fail "down"; }
gone() { [ -z "$(find /sys/fs/cgroup -type d -name "$tag*")" ]; }
eventually "groups are left" gone
expect "the unit" "$(systemctl show --value -p LoadState "$unit")" not-found
echo "passed: the unit ends with the project"

mkdir "$work/market"
cd "$work/market"
cat > compose.yaml << 'YAML'
name: market
services:
  db:
    image: box
    command: sh -c 'sleep 1; touch /tmp/ok; exec sleep 1000'
    stop_signal: SIGKILL
    restart: always
    healthcheck: {test: test -e /tmp/ok, interval: 5s, start_period: 60s}
  web: {image: box, command: sleep 1000, stop_signal: SIGKILL, depends_on: {db: {condition: service_healthy}}}
YAML
unit=pcompose-market
"$bin/pcompose" systemd enable
expect "the service" "$(systemctl is-enabled $unit)" enabled
# Blocks until the unit says that it is ready.
systemctl start $unit || fail "the service does not start"
expect "the service" "$(systemctl is-active $unit)" active
"$bin/pcompose" ps --format json | grep -q '"Health":"healthy"' || fail "ready and not healthy"
expect "its status" "$(systemctl show -p StatusText --value $unit)" "project market is up"
systemctl stop $unit || fail "the service does not stop"
expect "stopped, and containers" "$("$bin/pcompose" ps -q)" ""
systemctl start $unit || fail "the service does not start again"
"$bin/pcompose" exec -T web true || fail "started again, and web does not run"
"$bin/pcompose" systemd disable market
! systemctl is-enabled $unit 2> /dev/null || fail "still enabled"
"$bin/pcompose" down -v
echo "passed: a project as a service"
