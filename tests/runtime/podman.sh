#!/usr/bin/env bash
# podman.sh - podman with our runtime: run, exec, pause, stats, kill, rm. Needs root and podman, static busybox.
#
# In namespaces and a storage of its own; where the v2 tree of a hybrid host has controllers, without that tree.
set -euo pipefail
if [ -z "${PCOMPOSE_PODMAN_INNER-}" ]; then
  PCOMPOSE_PODMAN_INNER=1 exec unshare -n -m --propagation private "$(readlink -f "$0")"
fi
runtime=$(dirname "$(readlink -f "$0")")/../../build/release/bin/pcompose-runtime
umount /sys/fs/cgroup/unified 2> /dev/null || true
mount -t tmpfs none /run
work=$(mktemp -d /var/tmp/pcompose-podman-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/fs/{bin,proc,sys,dev,tmp,etc,run}
cp "$(command -v busybox)" "$work/fs/bin/busybox"
for applet in sh sleep echo id; do ln -s busybox "$work/fs/bin/$applet"; done
podman() {
  command podman --root "$work/root" --runroot "$work/run" --storage-driver vfs --cgroup-manager cgroupfs \
    --runtime "$runtime" "$@" < /dev/null
}
is() { [ "$2" = "$3" ] || { echo "FAILED: $1: $2, not $3" >&2; exit 1; }; }
status() { podman ps -a --filter name=c --format '{{.Status}}'; }
is run "$(podman run --rm --network none --rootfs "$work/fs" echo hello)" hello
is "run -t" "$(podman run --rm -t --network none --rootfs "$work/fs" sh -c 'test -t 0 && echo tty' | tr -d '\r')" tty
podman run -d --name c --network none --memory 64m --pids-limit 50 --rootfs "$work/fs" sleep 1000 > "$work/id"
is exec "$(podman exec c id -u)" 0
podman pause c > /dev/null
is pause "$(status)" Paused
podman unpause c > /dev/null
is stats "$(podman stats --no-stream --format '{{.MemUsage}}' c | sed 's/.* //')" 67.11MB
podman kill -s KILL c > /dev/null
podman wait c > /dev/null
case $(status) in "Exited (137)"*) ;; *) is kill "$(status)" "Exited (137)" ;; esac
podman rm c > /dev/null
is rm "$(podman ps -a -q)" ""
echo "passed: podman"
