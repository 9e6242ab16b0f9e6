#!/usr/bin/env bash
# guestbook_test.sh BIN - the example: entries survive `down` and `up`, and `down -v` removes them.
# In network and mount namespaces of its own, with a state root of its own. Exit code 77: skipped.
set -euo pipefail
bin=$(readlink -f "$1")
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
command -v mmdebstrap > /dev/null || { echo "mmdebstrap is missing: no images"; exit 77; }
if [ "${PCOMPOSE_EXAMPLE:-}" != inside ]; then
  PCOMPOSE_EXAMPLE=inside exec unshare --net --mount --propagation private "$0" "$bin"
fi

work=$(mktemp -d)
export PCOMPOSE_ROOT=$work/root
pcompose() { "$bin/pcompose" -f "$top/examples/guestbook/compose.yaml" "$@" < /dev/null; }
finish() {
  code=$?
  [ $code = 0 ] || { pcompose ps -a; pcompose logs --tail 20; cat "$PCOMPOSE_ROOT"/log/*.log; } || true
  pcompose down -v -t 1 > /dev/null 2>&1 || true
  rm -rf "$work"
  exit $code
}
trap finish EXIT
mount -t tmpfs tmpfs /run

expect() {  # expect WHAT TEXT PATTERN
  case $2 in
    *$3*) echo "ok: $1" ;;
    *) echo "FAILED: $1: no $3 in: $2"; exit 1 ;;
  esac
}
get() { curl --fail --silent --show-error --max-time 10 "$@"; }
entries=http://127.0.0.1:8080/api/entries

"$top/tools/make-images.sh" "$work/images" nginx python postgres redis
for pair in nginx:1.22=nginx python:3.11-slim=python postgres:15=postgres redis:7.0=redis; do
  pcompose image load --name "${pair%%=*}" "$work/images/${pair#*=}"
done
busybox ip link set lo up   # of package busybox-static, as the images need it

pcompose up -d --wait --wait-timeout 120
expect "the page" "$(get http://127.0.0.1:8080/)" '<title>Guestbook</title>'
expect "an entry is taken" "$(get -d '{"name": "Ann", "message": "Hello"}' $entries)" '"entries": 1'
expect "exec sees it in the database" "$(pcompose exec -T db psql -U guestbook -t -c 'SELECT message FROM entries')" Hello
expect "the migration ended" "$(pcompose ps -a)" 'Exited (0)'
pcompose down
pcompose up -d --wait --wait-timeout 120
expect "the entry survived down and up" "$(get $entries)" '"message": "Hello"'
expect "logs" "$(pcompose logs --no-color web)" 'GET /api/entries'
pcompose down -v
pcompose up -d --wait --wait-timeout 120
expect "down -v removed it" "$(get $entries)" '"entries": []'
pcompose down -v
expect "nothing is left" "[$(pcompose ps -a -q)]" '[]'
