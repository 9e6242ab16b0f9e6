#!/usr/bin/env bash
# with-systemd.sh BUILD - projects as units of a real systemd: systemd.sh in a guest whose userland is made for it.
#
# Needs mmdebstrap, and what run.sh needs. The programs of BUILD and the libraries they want go along.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
build=$(readlink -e "${1:?}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase bookworm "$work/tree" --include=systemd,systemd-sysv,dbus,kmod,nftables,procps
mkdir "$work/share"
cp -r "$build/bin" "$here/systemd.sh" "$work/share"
"$here/../../tools/make-images.sh" "$work/images" busybox > /dev/null
cp -r "$work/images/busybox" "$work/share/layout"
ldd "$build"/bin/pcompose "$build"/bin/pcompose-supervisor "$build"/bin/pcompose-images | awk '/=>/ {print $3}' |
  sort -u | while read -r library; do
  [ -e "$work/tree$library" ] || cp -L "$library" "$work/tree$library"
done
"$here/run.sh" --systemd --root "$work/tree" --share "$work/share" --mem 1500 --timeout 900 -- \
  /shared-dir/systemd.sh /shared-dir/bin /shared-dir/layout
