#!/usr/bin/env bash
# make-images.sh - small real images as OCI layouts, made from Debian packages only: nothing is pulled.
#
#   make-images.sh OUT [IMAGE...]     make (or take from the cache) and put OUT/<image>/, one layout each
#   make-images.sh --list
#
#   busybox      busybox-static and its applets; one layer
#   debian-min   Debian minbase; one layer, shared byte for byte by the four below
#   redis        entrypoint drops to user redis, volume /data, port 6379, health check in the image
#   nginx        port 80, logs to stdout and stderr, STOPSIGNAL SIGQUIT
#   postgres     entrypoint with initdb (POSTGRES_PASSWORD, _USER, _DB, _HOST_AUTH_METHOD,
#                /docker-entrypoint-initdb.d), volume, port 5432, STOPSIGNAL SIGINT
#   python       python3 with flask, redis and psycopg2
#
# The images behave as the public ones of the same names do, as far as this project uses them.
# Finished images are kept in ${XDG_CACHE_HOME:-$HOME/.cache}/pcompose-images; OUT's files are hard links
# there, so whoever wants to damage a blob copies it first. The same packages give the same digests.
#
# Needs root, the packages marked `images:` in tools/packages.txt, and apt with working sources. Two runs
# at once are fine (one waits). Everything is mounted in a private mount namespace, so an interrupted run
# leaves no mount.
# Lists of words are split on purpose; config_NAME is used by name.
# shellcheck disable=SC2034,SC2046,SC2086
set -euo pipefail
prog=${0##*/}
all="busybox debian-min redis nginx postgres python"
suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pcompose-images
self=$(readlink -f "$0")

die() { echo "$prog: $*" >&2; exit 1; }
say() { echo "$prog: $*" >&2; }
has() { case " $1 " in *" $2 "*) return 0 ;; *) return 1 ;; esac; }

case ${1-} in
  --list) printf '%s\n' $all; exit 0 ;;
  ''|-*) sed -n '2,/^set -e/p' "$self" | sed '$d; s/^# \{0,1\}//'; [ "${1-}" = --help ] && exit 0 || exit 2 ;;
esac
out=$1; shift
want=${*:-$all}
for i in $want; do has "$all" "$i" || die "no image $i (see --list)"; done
mkdir -p "$cache" "$out"
cache=$(readlink -f "$cache") out=$(readlink -f "$out")
store=$cache/$suite-$(sha256sum < "$self" | cut -c1-12)   # another version of this file makes other images

exec 9> "$cache/.lock"
flock 9
mkdir -p "$store"
todo=
for i in $want; do [ -f "$store/$i/index.json" ] || todo="$todo $i"; done

if [ -n "$todo" ] && [ "${PCOMPOSE_MAKE_IMAGES:-}" != mounted ]; then
  [ "$(id -u)" = 0 ] || die "making images needs root (not made yet:$todo)"
  [ "$todo" = " busybox" ] || command -v mmdebstrap > /dev/null || die "mmdebstrap is missing"
  flock -u 9
  PCOMPOSE_MAKE_IMAGES=mounted exec unshare --mount --propagation private "$self" "$out" $want
fi

export SOURCE_DATE_EPOCH=1700000000 DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
work=
trap '[ -z "$work" ] || { umount -R "$work"/*/m 2> /dev/null || true; rm -rf "$work"; }' EXIT

# ---- layers and layouts

blob() {  # blob FILE: moves it among the blobs, prints its digest and size
  local digest size
  digest=$(sha256sum < "$1" | cut -d' ' -f1) size=$(stat -c %s "$1")
  mv "$1" "$store/blobs/$digest"
  echo "$digest $size"
}

# pack TREE NAME: a tree, or the upper directory of an overlay, becomes a layer: $work/NAME.layer says
# "digest size diff-id". Overlay's whiteouts (character devices 0:0) become the format's. Opaque
# directories are not looked for: no package here replaces a directory of the base.
pack() {
  local tree=$1 name=$2 file diff
  find "$tree" -type c | while read -r file; do
    [ "$(stat -c %t:%T "$file")" = 0:0 ] || continue
    rm "$file"
    : > "${file%/*}/.wh.${file##*/}"
  done
  find "$tree/var/log" "$tree/var/cache/apt" "$tree/var/lib/apt/lists" -type f -delete 2> /dev/null || true
  rm -rf "$tree"/var/cache/ldconfig/aux-cache "$tree"/var/cache/debconf/*-old "$tree"/var/lib/dpkg/*-old \
    "$tree"/var/lib/dpkg/lock* "$tree"/etc/*- "$tree"/etc/.pwd.lock "$tree"/etc/machine-id \
    "$tree"/etc/resolv.conf "$tree"/etc/hostname "$tree"/etc/ssl/certs/ssl-cert-snakeoil.pem \
    "$tree"/etc/ssl/private/ssl-cert-snakeoil.key
  [ "$name" = debian-min ] || rm -rf "$tree/var/cache/debconf"   # written in any order
  tar --directory "$tree" --create --file "$work/$name.tar" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --numeric-owner --format=pax --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
    --xattrs --xattrs-include=security.capability --xattrs-include='user.*' --transform='s,^\./,,' .
  diff=$(sha256sum < "$work/$name.tar" | cut -d' ' -f1)
  gzip -n -4 "$work/$name.tar"
  echo "$(blob "$work/$name.tar.gz") $diff" > "$work/$name.layer"
}

# commit NAME CONFIG LAYER...: the layout of an image whose configuration's `config` member is CONFIG.
commit() {
  local name=$1 config=$2 layout layers='' diffs='' history='' digest size diff arch created l
  shift 2
  layout=$work/$name.layout arch=$(dpkg --print-architecture)
  created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  mkdir -p "$layout/blobs/sha256"
  for l; do
    read -r digest size diff < "$work/$l.layer"
    ln -f "$store/blobs/$digest" "$layout/blobs/sha256/$digest"
    layers="$layers${layers:+,}{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"
    diffs="$diffs${diffs:+,}\"sha256:$diff\""
    history="$history${history:+,}{\"created\":\"$created\",\"created_by\":\"make-images $l\"}"
  done
  add() {  # add TEXT: a blob of the layout; prints its digest and size
    printf %s "$1" > "$work/$name.json"
    read -r digest size <<< "$(blob "$work/$name.json")"
    ln -f "$store/blobs/$digest" "$layout/blobs/sha256/$digest"
    echo "\"digest\":\"sha256:$digest\",\"size\":$size"
  }
  local oci=application/vnd.oci.image platform="\"architecture\":\"$arch\",\"os\":\"linux\""
  config=$(add "{\"created\":\"$created\",$platform,\"config\":$config,\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$diffs]},\"history\":[$history]}")
  config=$(add "{\"schemaVersion\":2,\"mediaType\":\"$oci.manifest.v1+json\",\"config\":{\"mediaType\":\"$oci.config.v1+json\",$config},\"layers\":[$layers]}")
  printf %s "{\"schemaVersion\":2,\"mediaType\":\"$oci.index.v1+json\",\"manifests\":[{\"mediaType\":\"$oci.manifest.v1+json\",$config,\"platform\":{$platform},\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}}]}" > "$layout/index.json"
  printf %s '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
  rm -rf "${store:?}/$name"
  mv "$layout" "$store/$name"
}

link() {  # link NAME: a finished image from the cache to OUT
  rm -rf "$out/.$1.new"
  cp -al "$store/$1" "$out/.$1.new" 2> /dev/null || { rm -rf "$out/.$1.new"; cp -a "$store/$1" "$out/.$1.new"; }
  rm -rf "${out:?}/$1"
  mv "$out/.$1.new" "$out/$1"
}

path='"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'

# ---- busybox

make_busybox() {
  local r=$work/busybox bb=/bin/busybox applet
  mkdir -p "$r"/{bin,sbin,etc,tmp,root,dev,proc,sys,home,var/tmp,var/www,usr/bin,usr/sbin}
  if ldd $bb > /dev/null 2>&1; then   # not the static one
    mkdir "$work/deb"
    (cd "$work/deb" && apt-get -q -o APT::Sandbox::User=root download busybox-static && dpkg-deb -x busybox-static_*.deb .) > /dev/null
    bb=$work/deb/bin/busybox
  fi
  install -m 755 "$bb" "$r/bin/busybox"
  for applet in $("$bb" --list); do [ "$applet" = busybox ] || ln -s busybox "$r/bin/$applet"; done
  ln -s ../../bin/env "$r/usr/bin/env"
  chmod 1777 "$r/tmp" "$r/var/tmp"
  chmod 700 "$r/root"
  printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
    www-data:x:33:33:www-data:/var/www:/bin/false nobody:x:65534:65534:nobody:/home:/bin/false > "$r/etc/passwd"
  printf '%s\n' root:x:0: daemon:x:1: tty:x:5: www-data:x:33: users:x:100: nogroup:x:65534: > "$r/etc/group"
  pack "$r" busybox
}

# ---- the Debian base and what is installed over it

make_base() {
  local mirror
  mirror=$(apt-get indextargets --format "\$(REPO_URI) \$(LABEL)" | awk '$2 == "Debian" {print $1; exit}')
  [ -n "$mirror" ] || die "apt's sources name no Debian archive"
  mmdebstrap --quiet --mode=root --variant=minbase --format=directory --skip=check/empty,cleanup/apt \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$suite" "$work/base" \
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" < /dev/null >&2
  # package lists and archives stay outside and are shared by the builds that follow
  mkdir -p "$work/lists" "$work/archives/partial"
  mv "$work/base/var/lib/apt/lists"/* "$work/lists/"
  rm -rf "$work"/base/var/cache/apt/* "$work"/base/{dev,proc,sys,run,tmp}/*
  mkdir -p "$work/base/var/cache/apt/archives/partial" "$work/base/var/lib/apt/lists/partial"
  sed -i 's/ \[signed-by[^]]*\]//' "$work/base/etc/apt/sources.list"
}

enter() {  # enter NAME: an overlay over the base, with what package scripts need, at $work/NAME/m
  local d=$work/$1 node
  mkdir -p "$d"/{u,w,m}
  mount -t overlay -o "lowerdir=$work/base,upperdir=$d/u,workdir=$d/w,metacopy=off,redirect_dir=off" overlay "$d/m"
  mount -t proc proc "$d/m/proc"
  mount -t tmpfs -o mode=1777 tmp "$d/m/tmp"
  mount -t tmpfs -o mode=755 run "$d/m/run"
  mount -t tmpfs -o mode=755 dev "$d/m/dev"
  for node in null zero full random urandom tty; do : > "$d/m/dev/$node"; mount --bind /dev/$node "$d/m/dev/$node"; done
  mkdir "$d/m/dev/shm" "$d/m/dev/pts"
  mount --bind "$work/lists" "$d/m/var/lib/apt/lists"
  mount --bind "$work/archives" "$d/m/var/cache/apt/archives"
  # nothing may be started while packages are configured
  printf '#!/bin/sh\nexit 101\n' > "$d/m/usr/sbin/policy-rc.d"
  chmod 755 "$d/m/usr/sbin/policy-rc.d"
}

inside() {  # inside NAME COMMAND...
  local root=$work/$1/m
  shift
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" ${http_proxy:+"http_proxy=$http_proxy"} \
    chroot "$root" "$@" < /dev/null 9>&-
}

logged() {  # logged NAME COMMAND...: as inside, but silent where it succeeds
  inside "$@" > "$work/$1.log" 2>&1 || { cat "$work/$1.log" >&2; die "$1: the packages could not be installed"; }
}

packages() {
  case $1 in
    redis) echo redis-server ;;
    nginx) echo nginx-light ;;
    postgres) echo postgresql ;;
    python) echo python3 python3-flask python3-redis python3-psycopg2 ;;
  esac
}

fetch() {  # fetch IMAGE...: all their packages, downloaded once
  local i names=
  for i; do names="$names $(packages "$i")"; done
  enter fetch
  cp /etc/resolv.conf "$work/fetch/m/etc/resolv.conf" 2> /dev/null || true
  logged fetch apt-get -q -y --no-install-recommends --download-only install $names
  umount -R "$work/fetch/m"
}

install_packages() {  # install_packages NAME
  # The builds run at once over the same package cache: without locks, each with its index in memory.
  logged "$1" apt-get -q -y --no-install-recommends --no-download -o Debug::NoLocking=1 -o Dpkg::Use-Pty=0 \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= install $(packages "$1")
}

leave() {  # leave NAME: what was added to the base becomes the layer
  rm -f "$work/$1/m/usr/sbin/policy-rc.d"
  umount -R "$work/$1/m"
  pack "$work/$1/u" "$1"
}

entrypoint() {  # entrypoint NAME < TEXT
  cat > "$work/$1/m/usr/local/bin/docker-entrypoint.sh"
  chmod 755 "$work/$1/m/usr/local/bin/docker-entrypoint.sh"
}

make_redis() {
  enter redis
  install_packages redis
  mkdir "$work/redis/m/data"
  inside redis chown redis:redis /data
  entrypoint redis << 'S'
#!/bin/sh
# Options only: they are redis-server's. As root: give /data to redis and become it.
set -e
case ${1-} in -*|*.conf|'') set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis '{}' + 2>/dev/null || true
  exec setpriv --reuid=redis --regid=redis --clear-groups -- "$0" "$@"
fi
[ "$1" != redis-server ] || set -- "$@" --protected-mode no
exec "$@"
S
  leave redis
}
config_redis="{\"Env\":[$path],\"Entrypoint\":[\"docker-entrypoint.sh\"],\"Cmd\":[\"redis-server\"],\"WorkingDir\":\"/data\",\"Volumes\":{\"/data\":{}},\"ExposedPorts\":{\"6379/tcp\":{}},\"Healthcheck\":{\"Test\":[\"CMD\",\"redis-cli\",\"ping\"],\"Interval\":2000000000,\"Timeout\":2000000000,\"Retries\":10}}"

make_nginx() {
  enter nginx
  install_packages nginx
  local m=$work/nginx/m
  ln -sf /dev/stdout "$m/var/log/nginx/access.log"
  ln -sf /dev/stderr "$m/var/log/nginx/error.log"
  mkdir -p "$m/usr/share/nginx/html"
  rm -f "$m/etc/nginx/sites-enabled/default"
  echo '<!doctype html><title>nginx</title><h1>It works</h1>' > "$m/usr/share/nginx/html/index.html"
  printf '%s\n' 'server {' '  listen 80 default_server;' '  listen [::]:80 default_server;' \
    '  root /usr/share/nginx/html;' '}' > "$m/etc/nginx/conf.d/default.conf"
  leave nginx
}
config_nginx="{\"Env\":[$path],\"Cmd\":[\"nginx\",\"-g\",\"daemon off;\"],\"ExposedPorts\":{\"80/tcp\":{}},\"StopSignal\":\"SIGQUIT\"}"

make_postgres() {
  enter postgres
  local m=$work/postgres/m version program ids
  mkdir -p "$m/etc/postgresql-common"
  echo 'create_main_cluster = false' > "$m/etc/postgresql-common/createcluster.conf"
  install_packages postgres
  version=$(ls "$m/usr/lib/postgresql" | sort -V | tail -n 1)
  # the JIT is three quarters of the size
  rm -rf "$m"/usr/lib/postgresql/*/lib/{bitcode,llvmjit*} "$m"/usr/lib/*-linux-gnu/lib{LLVM,z3}* "$m"/usr/lib/llvm-*
  mkdir -p "$m/docker-entrypoint-initdb.d" "$m/var/lib/postgresql/data"
  inside postgres sh -c 'chown postgres:postgres /var/lib/postgresql /var/lib/postgresql/data; chmod 700 /var/lib/postgresql/data'
  for program in psql pg_isready initdb postgres pg_dump; do
    ln -s "/usr/lib/postgresql/$version/bin/$program" "$m/usr/local/bin/$program"
  done
  entrypoint postgres << 'S'
#!/bin/bash
# Initialises PGDATA when it is empty, then runs the server as postgres.
set -e
case ${1-} in -*) set -- postgres "$@" ;; esac
if [ "$1" = postgres ]; then
  if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /run/postgresql; chown -R postgres:postgres "$PGDATA" /run/postgresql; chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}" "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
    [ -z "${POSTGRES_PASSWORD_FILE-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    if [ -z "${POSTGRES_PASSWORD-}" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
      echo 'POSTGRES_PASSWORD is not set (or set POSTGRES_HOST_AUTH_METHOD=trust)' >&2; exit 1
    fi
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-x}") -D "$PGDATA" -E UTF8 --locale=C.UTF-8 --no-sync > /dev/null
    { echo 'local all all trust'; echo "host all all all $POSTGRES_HOST_AUTH_METHOD"; } > "$PGDATA/pg_hba.conf"
    printf "listen_addresses = '*'\njit = off\nunix_socket_directories = '/run/postgresql'\n" >> "$PGDATA/postgresql.conf"
    postgres -D "$PGDATA" -c listen_addresses= & pid=$!
    until pg_isready -q -h /run/postgresql -U "$POSTGRES_USER"; do kill -0 $pid; sleep 0.1; done
    run() { psql -v ON_ERROR_STOP=1 -q --no-psqlrc -h /run/postgresql -U "$POSTGRES_USER" "$@"; }
    [ "$POSTGRES_DB" = postgres ] || run -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    for f in /docker-entrypoint-initdb.d/*; do
      case $f in *.sh) . "$f" ;; *.sql) run -d "$POSTGRES_DB" -f "$f" ;; esac
    done
    kill -INT $pid; wait $pid
  fi
  set -- "$@" -D "$PGDATA"
fi
exec "$@"
S
  ids=$(awk -F: '$1 == "postgres" {print $3 ":" $4}' "$m/etc/passwd")
  # beside the mount: /run of the build is a tmpfs
  mkdir -p "$work/postgres/u/run/postgresql"
  chown "$ids" "$work/postgres/u/run/postgresql"
  leave postgres
}
config_postgres="{\"Env\":[$path,\"PGDATA=/var/lib/postgresql/data\",\"LANG=C.UTF-8\"],\"Entrypoint\":[\"docker-entrypoint.sh\"],\"Cmd\":[\"postgres\"],\"Volumes\":{\"/var/lib/postgresql/data\":{}},\"ExposedPorts\":{\"5432/tcp\":{}},\"StopSignal\":\"SIGINT\"}"

make_python() {
  enter python
  install_packages python
  mkdir "$work/python/m/app"
  ln -sf python3 "$work/python/m/usr/bin/python"
  find "$work/python/m"/usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} +
  leave python
}
config_python="{\"Env\":[$path,\"LANG=C.UTF-8\",\"PYTHONDONTWRITEBYTECODE=1\"],\"Cmd\":[\"python3\"]}"

# ---- all of it

if [ -n "$todo" ]; then
  work=$(mktemp -d "$cache/.work-XXXXXX")
  mkdir -p "$store/blobs"
  if has "$todo" busybox; then
    make_busybox
    commit busybox "{\"Env\":[$path],\"Cmd\":[\"sh\"]}" busybox
  fi
  apps=
  for i in $todo; do has "busybox debian-min" "$i" || apps="$apps $i"; done
  if [ -n "$apps" ] || has "$todo" debian-min; then
    say "making the Debian base (about 20 s)"
    make_base
    [ -z "$apps" ] || fetch $apps
    say "installing and packing:${apps:- nothing}"
    pids=
    pack "$work/base" debian-min & pids="$pids $!"
    for i in $apps; do "make_$i" & pids="$pids $!"; done
    for p in $pids; do wait "$p" || die "an image could not be made"; done
    commit debian-min "{\"Env\":[$path],\"Cmd\":[\"bash\"]}" debian-min
    for i in $apps; do c=config_$i; commit "$i" "${!c}" debian-min "$i"; done
  fi
  # the blobs live on as hard links in the layouts; older versions of the cache go
  rm -rf "$store/blobs"
  for d in "$cache/$suite"-*; do [ "$d" = "$store" ] || rm -rf "$d"; done
fi
for i in $want; do link "$i"; done
