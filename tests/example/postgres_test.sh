#!/usr/bin/env bash
# postgres_test.sh BIN - a database that initialises an empty volume, behind a temporary server that answers its health
# check, and a job that connects once: it succeeds 50 times of 50. PCOMPOSE_DATABASES is another number.
# Then: `stop` lets the server shut down in order, and does not cut its initialisation short.
set -euo pipefail
# shellcheck source=tests/example/host.sh
. "$(dirname "$(readlink -f "$0")")/host.sh"
together=10
rounds=$((${PCOMPOSE_DATABASES:-50} / together))

mkdir "$work/stack"
export PCOMPOSE_ROOT=$work/root
pcompose_file() {
  echo "services:"
  for i in $(seq $together); do
    cat << Y
  db$i:
    image: postgres
    environment: {POSTGRES_PASSWORD: secret}
    volumes: ["data$i:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD, pg_isready, -U, postgres], interval: 30s, timeout: 30s}
  job$i:
    image: postgres
    environment: {PGPASSWORD: secret}
    command: [psql, -h, db$i, -U, postgres, -t, -A, -c, "SELECT 'connected'"]
    depends_on: {db$i: {condition: service_healthy}}
Y
  done
  echo "volumes: {$(seq --format 'data%g: {}' --separator ', ' $together)}"
}
pcompose_file > "$work/stack/compose.yaml"
pcompose image load --name postgres "$work/images/postgres" > /dev/null

connected=0
for round in $(seq "$rounds"); do
  pcompose up -d --wait 2> "$work/up.log" || { cat "$work/up.log"; exit 1; }
  # A job that runs is what --wait waits for.
  # shellcheck disable=SC2046
  pcompose wait $(seq --format 'job%g' $together) > "$work/jobs" 2>&1 || true
  answers=$(pcompose logs --no-log-prefix | grep -cx connected) || true
  [ "$answers" = $together ] || { cat "$work/jobs"; pcompose ps -a; pcompose logs; }
  connected=$((connected + answers))
  pcompose down -v 2> /dev/null
done
echo "$connected of $((rounds * together)) jobs connected"
[ "$connected" = $((rounds * together)) ]

pcompose up -d --wait db1 2> /dev/null
pcompose stop db1 2> /dev/null
pcompose logs db1 | grep -q 'database system is shut down'
pcompose ps -a | grep -q 'Exited (0)'
pcompose start db1 2> /dev/null
echo "ok: stopped in order"

# The entrypoint is a shell without a handler and has children: it is not alone.
pcompose down -v 2> /dev/null
pcompose up -d db1 2> /dev/null
pcompose stop db1 2> /dev/null
pcompose logs db1 | grep -q 'database system is ready to accept connections'
echo "ok: its initialisation was waited for"
