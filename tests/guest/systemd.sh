#!/usr/bin/env bash
# systemd.sh BIN LAYOUT - inside a guest with systemd (run.sh --systemd): a project as a unit.
#
# BIN has the programs, LAYOUT is an OCI layout of busybox.
set -eu
bin=${1:?} layout=${2:?}
cd "$(mktemp -d)"
fail() { echo "guest: FAILED systemd: $*"; journalctl --no-pager -u pcompose-shop 2> /dev/null | tail -20; exit 1; }
cat > compose.yaml <<'YAML'
name: shop
services:
  db:
    image: busybox
    command: sh -c 'sleep 1; touch /tmp/ok; exec sleep 1000'
    stop_signal: SIGKILL
    restart: always
    healthcheck: {test: test -e /tmp/ok, interval: 5s, start_period: 60s}
  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, depends_on: {db: {condition: service_healthy}}}
YAML
"$bin/pcompose" image load --name busybox "$layout" > /dev/null
"$bin/pcompose" systemd enable
[ "$(systemctl is-enabled pcompose-shop)" = enabled ] || fail "not enabled"
# Blocks until the unit says that it is ready.
systemctl start pcompose-shop || fail "does not start"
[ "$(systemctl is-active pcompose-shop)" = active ] || fail "not active"
"$bin/pcompose" ps --format json | grep -q '"Health":"healthy"' || fail "ready and not healthy"
[ "$(systemctl show -p StatusText --value pcompose-shop)" = "project shop is up" ] || fail "no status"
systemctl stop pcompose-shop || fail "does not stop"
[ -z "$("$bin/pcompose" ps -q)" ] || fail "stopped, and containers run"
systemctl start pcompose-shop || fail "does not start again"
"$bin/pcompose" exec -T web true || fail "started again, and web does not run"
"$bin/pcompose" systemd disable shop
systemctl is-enabled pcompose-shop 2> /dev/null && fail "still enabled"
"$bin/pcompose" down -v
echo "guest: passed systemd"
