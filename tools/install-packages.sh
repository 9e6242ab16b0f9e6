#!/usr/bin/env bash
# install-packages.sh KIND... - installs what tools/packages.txt lists under these kinds (build, images, test)
# and is missing. Says what first. Does nothing, and needs neither root nor the network, where nothing is.
set -euo pipefail
list=$(dirname "$(readlink -f "$0")")/packages.txt
missing=
for kind; do
  for package in $(sed -n "s/^$kind: *\([^ #]*\).*/\1/p" "$list"); do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
  done
done
if [ -z "$missing" ]; then
  echo "every package is there"
  exit 0
fi
echo "these Debian packages are missing and will be installed:$missing"
[ "$(id -u)" = 0 ] || { echo "install-packages: must run as root to install them" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
trap 'rm -f "$log" "${made-}"' EXIT
# Tests start what they need themselves: no service of these packages shall run, now or after the next boot.
if [ ! -e $policy ]; then
  made=$policy
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod 755 $policy
fi
for step in "update" "install --no-install-recommends --yes $missing"; do
  # shellcheck disable=SC2086   # words
  apt-get --quiet --quiet -o Dpkg::Use-Pty=0 $step < /dev/null > "$log" 2>&1 ||
    { cat "$log" >&2; echo "install-packages: apt-get ${step%% *} failed; see above which package" >&2; exit 1; }
done
[ -d /run/systemd/system ] || exit 0
for package in $missing; do
  case $package in
    docker-registry) systemctl --quiet disable docker-registry.service ;;
    docker.io) systemctl --quiet disable docker.service docker.socket containerd.service ;;
    firewalld | ufw) systemctl --quiet disable "$package.service" ;;
  esac
done
