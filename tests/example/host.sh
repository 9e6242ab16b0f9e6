# host.sh - sourced by the tests beside it, whose first argument is the directory of the programs: goes on in network and
# mount namespaces of its own, with images of real programs in $work/images. `pcompose` runs $work/stack/compose.yaml,
# which the test writes. Everything goes with the end of the test. Exit code 77: skipped.
# shellcheck shell=bash
bin=$(readlink -f "$1")
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
command -v mmdebstrap > /dev/null || { echo "mmdebstrap is missing: no images"; exit 77; }
make_images() { "$top/tools/make-images.sh" "$1" nginx python postgres redis; }
if [ "${PCOMPOSE_EXAMPLE:-}" != inside ]; then
  # Here, where the packages can be had; inside, the images come from the cache.
  images=$(mktemp -d)
  make_images "$images"
  rm -rf "$images"
  PCOMPOSE_EXAMPLE=inside exec unshare --net --mount --propagation private "$0" "$@"
fi

work=$(mktemp -d)
chmod 755 "$work"
as=()  # what a command is run by
pcompose() { "${as[@]}" "$bin/pcompose" -f "$work/stack/compose.yaml" "$@" < /dev/null; }
finish() {
  code=$?
  [ $code = 0 ] || { pcompose ps -a; pcompose logs --tail 20; cat "$PCOMPOSE_ROOT"/log/*.log; } || true
  pcompose down -v -t 1 > /dev/null 2>&1 || true
  rm -rf "$work"
  exit $code
}
trap finish EXIT
mount -t tmpfs tmpfs /run
busybox ip link set lo up   # of package busybox-static, as the images need it
make_images "$work/images"
