#!/usr/bin/env bash
# guestbook_test.sh BIN - the example: entries survive `down` and `up`, and `down -v` removes them. As root and as an
# ordinary user who has a range of subordinate ids, on a bridge and as a pod.
# In network and mount namespaces of its own, with state roots of its own. Exit code 77: skipped.
set -euo pipefail
# shellcheck source=tests/example/host.sh
. "$(dirname "$(readlink -f "$0")")/host.sh"
user=4711
cp -r "$top/examples/guestbook" "$work/stack"

with_line() {  # with_line FILE LINE: the file with a line more, in this mount namespace
  local changed=/run/${1##*/}
  touch "$1"
  { cat "$1"; echo "$2"; } > "$changed"
  chmod 644 "$changed"
  mount --bind "$changed" "$1"
}
become_user() {
  with_line /etc/passwd "pctest:x:$user:$user::/run/home:/bin/sh"
  with_line /etc/group "pctest:x:$user:"
  with_line /etc/subuid "pctest:700000:65536"
  with_line /etc/subgid "pctest:700000:65536"
  install -d -m 700 -o $user -g $user /run/home /run/user
  export HOME=/run/home XDG_RUNTIME_DIR=/run/user
  as=(setpriv --reuid $user --regid $user --clear-groups)
}

expect() {  # expect WHAT TEXT PATTERN
  case $2 in
    *$3*) echo "ok: $1" ;;
    *) echo "FAILED: $1: no $3 in: $2"; exit 1 ;;
  esac
}
get() { curl --fail --silent --show-error --max-time 10 "$@"; }
entries=http://127.0.0.1:8080/api/entries

load_images() {  # load_images OWNER: into a root of its own
  export PCOMPOSE_ROOT=$work/root-$1
  install -d -m 700 -o "$1" -g "$1" "$PCOMPOSE_ROOT"
  for pair in nginx:1.22=nginx python:3.11-slim=python postgres:15=postgres redis:7.0=redis; do
    pcompose image load --name "${pair%%=*}" "$work/images/${pair#*=}"
  done
}

story() {  # story WORDS-OF-UP...
  echo "-- ${as[0]:-root} $*"
  up() { pcompose up -d --wait --wait-timeout 120 "$@"; }
  up "$@"
  expect "the page" "$(get http://127.0.0.1:8080/)" '<title>Guestbook</title>'
  expect "an entry is taken" "$(get -d '{"name": "Ann", "message": "Hello"}' $entries)" '"entries": 1'
  expect "exec sees it in the database" "$(pcompose exec -T db psql -U guestbook -t -c 'SELECT message FROM entries')" Hello
  expect "the migration ended" "$(pcompose ps -a)" 'Exited (0)'
  pcompose down
  up "$@"
  expect "the entry survived down and up" "$(get $entries)" '"message": "Hello"'
  expect "logs" "$(pcompose logs --no-color web)" 'GET /api/entries'
  pcompose down -v
  up "$@"
  expect "down -v removed it" "$(get $entries)" '"entries": []'
  pcompose down -v
  expect "nothing is left" "[$(pcompose ps -a -q)]" '[]'
}

load_images 0
story
story --pod
become_user
load_images $user
story
story --pod
