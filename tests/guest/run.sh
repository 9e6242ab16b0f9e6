#!/usr/bin/env bash
# run.sh - run one command as root in a throw-away Linux guest (QEMU, software emulation).
#
#   run.sh [options] -- COMMAND [ARG...]
#   run.sh --prepare [--suite S]         only fill the cache (kernel, modules, initramfs)
#
# Why: the machine the tests run on may have hybrid (v1) cgroups, no AppArmor/SELinux, no netem, no loadable
# modules, PSI off.  The guest is a stock Debian kernel with a pure cgroup v2 tree, so what needs those can
# be tested without KVM, without a boot loader and without root on the host.
#
# Options
#   --share DIR     directory of the host seen read-write in the guest at /shared-dir, and at its own path (default: .)
#   --root DIR      guest userland, shared read-only under a tmpfs overlay (default: / : the host's own userland,
#                   so every tool and library of the host is there and a binary built on the host just runs)
#   --suite S       Debian suite the kernel comes from: bookworm (6.1, default) or trixie (6.12)
#   --mem M         guest memory in MiB (default 1024)          --cpus N     virtual CPUs (default 2)
#   --disk M        size in MiB of the ext4 scratch disk (sparse) that backs /tmp, /var/tmp, /home, /scratch and
#                   /var/lib/pcompose (default 4096; 0: tmpfs instead)
#   --timeout S     hard limit in seconds for the whole run (default 300); past it the exit status is 124
#   --systemd       boot --root's /sbin/init (systemd) and run COMMAND as a service of it; with --user: as a
#                   scope of tester's systemd user session.  --root must have systemd, dbus and, for --user,
#                   dbus-user-session and libpam-systemd, as a host with the `long` packages has
#   --user          run COMMAND as user `tester` (uid 1000) with subuid/subgid ranges, XDG_RUNTIME_DIR and a
#                   delegated cgroup (what a systemd user session gets), instead of as root
#   --env K=V       set a variable for COMMAND (repeatable)     --append A   more kernel command line
#   --chdir DIR     working directory in the guest (default /shared-dir)
#   --kernel-deb F  use this linux-image .deb instead of downloading one
#   --verbose       kernel console on stderr, and timings
#
# Exit status: COMMAND's own; 124 timeout; 125 the guest could not be prepared, booted, or died.
# COMMAND's stdout and stderr come back apart, byte for byte; its stdin is /dev/null.  The guest has no
# network: lo, and a dummy eth0 with a default route (192.0.2.15, 2001:db8::15) that leads nowhere.
#
# Needs (Debian packages): qemu-system-x86, busybox-static, cpio, e2fsprogs, xz-utils, zstd, python3-minimal, util-linux,
#   dpkg and apt with working sources (only for the first run: about 70-110 MB are fetched).
#   In the guest the commands of --root are used: iproute2, nftables, uidmap, passt ... must be there.
# Cache: ${XDG_CACHE_HOME:-$HOME/.cache}/pcompose-vm/<suite>  (vmlinux, initramfs, pruned modules; ~200 MB)
#
# Guest kernel: cgroup v2 only (all controllers enabled for children), PSI, AppArmor (on; SELinux with
#   --append security=selinux), overlayfs, 9p, ext4, squashfs, veth, bridge, br_netfilter, macvlan, ipvlan,
#   vxlan, wireguard, dummy, nf_tables with nat/masq/redir/fib/tproxy, iptables-nft compat, sch_netem and the
#   other qdiscs, tun, fuse, io_uring, landlock, BPF (BTF), checkpoint/restore, user namespaces.
#   Modules autoload (the guest has its own modprobe).  6.1 has no overlay data-only layers, no user.* xattrs
#   on tmpfs (6.6) and no idmapped tmpfs (6.3): 6.12 has them.
set -u
prog=${0##*/}
die() { echo "$prog: $*" >&2; exit 125; }

share=$PWD root=/ suite=bookworm mem=1024 cpus=2 disk=4096 limit=300 user=0 systemd=0 append= chdir=/shared-dir deb= verbose=0 prepare=0
envs=()
while [ $# -gt 0 ]; do
  case $1 in
    --share) share=${2:?}; shift 2 ;;   --root) root=${2:?}; shift 2 ;;
    --suite) suite=${2:?}; shift 2 ;;   --mem) mem=${2:?}; shift 2 ;;
    --cpus) cpus=${2:?}; shift 2 ;;     --disk) disk=${2:?}; shift 2 ;;
    --timeout) limit=${2:?}; shift 2 ;; --user) user=1; shift ;;
    --systemd) systemd=1; shift ;;
    --env) envs+=("${2:?}"); shift 2 ;; --append) append=${2?}; shift 2 ;;
    --chdir) chdir=${2:?}; shift 2 ;;   --kernel-deb) deb=${2:?}; shift 2 ;;
    --verbose) verbose=1; shift ;;      --prepare) prepare=1; shift ;;
    -h|--help) sed -n '2,/^set -u/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 0 ;;
    --) shift; break ;;
    *) die "unknown option $1 (see --help)" ;;
  esac
done
[ $prepare = 1 ] || [ $# -gt 0 ] || die "no command (see --help)"
for n in "$mem" "$cpus" "$disk" "$limit"; do case $n in ''|*[!0-9]*) die "not a number: $n" ;; esac; done
PATH=$PATH:/usr/sbin:/sbin
for t in qemu-system-x86_64 busybox cpio xz zstd dpkg-deb python3 mkfs.ext4; do
  command -v $t >/dev/null || die "$t is missing (see the packages in the header)"
done
share=$(readlink -e -- "$share") && [ -d "$share" ] || die "no such directory to share"
root=$(readlink -e -- "$root") && [ -d "$root" ] || die "no such root directory"
case $share in *,*) die "the shared path has a comma" ;; esac

format=7   # raise when what is cached changes
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pcompose-vm
dir=$cache/$suite
mkdir -p "$cache" || die "cannot create $cache"
say() { [ $verbose = 0 ] || echo "$prog: [$(( $(date +%s%3N) - t0 )) ms] $*" >&2; }
t0=$(date +%s%3N)

# ---------------------------------------------------------------- prepare the kernel, once
fetch_deb() {  # -> prints the path of the linux-image .deb of $suite
  local w=$1 apt=() meta=linux-image-amd64 pkg uri
  if [ "$suite" != "$(. /etc/os-release; echo "${VERSION_CODENAME:-}")" ]; then
    # another suite: a private apt state with the mirror the host already uses
    uri=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 2>/dev/null | awk '$2 == "Debian" {print $1; exit}')
    [ -n "$uri" ] || return 1
    mkdir -p "$w/apt/lists/partial" "$w/apt/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" > "$w/apt/sources.list"
    apt=(-o Dir::Etc::sourcelist="$w/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
         -o Dir::State::lists="$w/apt/lists" -o Dir::Cache="$w/apt/cache")
    apt-get -q "${apt[@]}" -o APT::Sandbox::User="$(id -un)" update >&2 || return 1
  fi
  pkg=$(apt-cache "${apt[@]}" depends $meta 2>/dev/null | awk '$1 == "Depends:" && /linux-image-/ {print $2; exit}')
  [ -n "$pkg" ] || { [ "$(id -u)" = 0 ] && [ ${#apt[@]} = 0 ] && apt-get -q update >&2
    pkg=$(apt-cache "${apt[@]}" depends $meta | awk '$1 == "Depends:" && /linux-image-/ {print $2; exit}'); }
  [ -n "$pkg" ] || return 1
  ( cd "$w" && apt-get -q "${apt[@]}" -o APT::Sandbox::User="$(id -un)" download "$pkg" >&2 ) ||
    { [ "$(id -u)" = 0 ] && apt-get -q update >&2 && ( cd "$w" && apt-get -q "${apt[@]}" download "$pkg" >&2 ); } || return 1
  ls "$w"/linux-image-*.deb
}

prepare_kernel() {
  local w ver mods d
  w=$(mktemp -d "$cache/.prep-XXXXXX") || return 1
  trap 'rm -rf "$w"' RETURN
  if [ -n "$deb" ]; then d=$deb; else d=$(fetch_deb "$w") || { echo "$prog: no kernel package" >&2; return 1; }; fi
  say "unpacking ${d##*/}"
  mkdir "$w/x" "$w/out"
  dpkg-deb --fsys-tarfile "$d" | tar -x -C "$w/x" --no-same-owner --wildcards --wildcards-match-slash \
    --exclude='*/drivers/gpu/*' --exclude='*/drivers/media/*' --exclude='*/drivers/net/ethernet/*' \
    --exclude='*/drivers/net/wireless/*' --exclude='*/drivers/infiniband/*' --exclude='*/drivers/scsi/*' \
    --exclude='*/drivers/usb/*' --exclude='*/drivers/iio/*' --exclude='*/drivers/hwmon/*' --exclude='*/kernel/sound/*' \
    --exclude='*/drivers/staging/*' --exclude='*/drivers/input/*' --exclude='*/drivers/hid/*' --exclude='*/drivers/mtd/*' \
    --exclude='*/drivers/isdn/*' --exclude='*/drivers/platform/*' --exclude='*/drivers/video/*' --exclude='*/share/doc/*' || return 1
  mods=$(ls -d "$w"/x/lib/modules/* "$w"/x/usr/lib/modules/* 2>/dev/null | head -n 1)
  ver=${mods##*/}
  [ -n "$ver" ] || { echo "$prog: no modules in the package" >&2; return 1; }
  mkdir -p "$w/out/lib/modules"; mv "$mods" "$w/out/lib/modules/"
  find "$w/out/lib/modules" -name '*.ko.xz' -print0 | xargs -0 -r -P "$(nproc)" -n 100 xz -dq
  sed -i 's/\.ko\.xz$/.ko/' "$w/out/lib/modules/$ver/modules.order"
  busybox depmod -b "$w/out" "$ver" || return 1
  # The bzImage unpacks itself slowly under emulation: hand QEMU the ELF (PVH entry) instead.
  python3 - "$w/x/boot/vmlinuz-$ver" "$w/out/vmlinux" <<'PY' || return 1
import struct, subprocess, sys
d = open(sys.argv[1], 'rb').read()
off, length = struct.unpack_from('<II', d, 0x248)      # payload_offset, payload_length of the x86 boot protocol
base = ((d[0x1f1] or 4) + 1) * 512
p = d[base + off:base + off + length]
if p[:6] == b'\xfd7zXZ\0':
    out = subprocess.run(['xz', '-dcq', '--single-stream'], input=p[:-4], stdout=subprocess.PIPE).stdout
elif p[:4] == b'\x28\xb5\x2f\xfd':
    out = subprocess.run(['zstd', '-dcq'], input=p[:-4], stdout=subprocess.PIPE, check=True).stdout
else:
    sys.exit('unknown kernel compression ' + p[:8].hex())
if out[:4] != b'\x7fELF':
    sys.exit('not an ELF kernel')
open(sys.argv[2], 'wb').write(out)
PY
  cp "$w/x/boot/config-$ver" "$w/out/config"
  # initramfs: busybox, the modules needed to reach the real root (with what they depend on), and /init
  local i=$w/i m=$w/out/lib/modules/$ver n=10 f
  mkdir -p "$i"/{bin,proc,sys,dev,m,r,o}
  cp "$(command -v busybox)" "$i/bin/busybox" || return 1
  for f in $(python3 - "$m/modules.dep" virtio_pci 9pnet_virtio 9p overlay virtio_console virtio_blk virtio_rng crc32c_generic ext4 \
    dummy veth bridge br_netfilter nf_tables nft_chain_nat nft_nat nft_masq nft_redir nft_ct nft_reject_inet nft_fib_inet \
    nft_log nft_limit nft_compat xt_addrtype xt_conntrack xt_MASQUERADE xt_nat xt_tcpudp tun fuse <<'PY'
import sys, os
dep = {}
for l in open(sys.argv[1]):
    k, v = l.split(':', 1)
    dep[os.path.basename(k)[:-3].replace('-', '_')] = (k, v.split())
seen = []
def add(path):
    name = os.path.basename(path)[:-3].replace('-', '_')
    for d in dep[name][1]:
        if d not in seen: add(d)
    if path not in seen: seen.append(path)
for n in sys.argv[2:]:
    n = n.replace('-', '_')
    if n in dep: add(dep[n][0])                         # else built in
print('\n'.join(seen))
PY
  ); do cp "$m/$f" "$i/m/$n-${f##*/}" || return 1; n=$((n + 1)); done
  cat > "$i/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for f in /m/*.ko; do insmod $f || echo "insmod $f failed"; done
p9=trans=virtio,version=9p2000.L,msize=512000
mount -t tmpfs -o mode=755 tmpfs /o && mkdir /o/u /o/w /o/vm
mount -t 9p -o ro,cache=loose,$p9 vmroot /r &&
mount -t overlay -o lowerdir=/r,upperdir=/o/u,workdir=/o/w overlay /r || { echo "no root"; poweroff -f; }
mkdir -p /r/run /r/proc /r/sys /r/dev /r/shared-dir
mount -t tmpfs -o mode=755 tmpfs /r/run && mkdir -p /r/run/vm/ctl /r/run/vm/bin /r/run/vm/cache
mount -t 9p -o $p9,cache=none vmctl /r/run/vm/ctl && mount -t 9p -o ro,cache=loose,$p9 vmcache /r/run/vm/cache ||
  { echo "no control share"; poweroff -f; }
cp /bin/busybox /r/run/vm/bin/busybox
for a in modprobe insmod lsmod depmod; do ln -s busybox /r/run/vm/bin/$a; done
umount /proc; umount /sys; umount /dev
exec switch_root /r /run/vm/bin/busybox sh /run/vm/ctl/init
INIT
  chmod 755 "$i/init"
  ( cd "$i" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0 ) > "$w/out/initrd" || return 1
  echo "$ver" > "$w/out/version"; echo $format > "$w/out/format"
  rm -rf "$dir" && mv "$w/out" "$dir"
}

exec 9> "$cache/.lock-$suite" || die "cannot lock the cache"
flock 9
if [ "$(cat "$dir/format" 2>/dev/null)" != $format ] || [ -n "$deb" ]; then
  say "preparing the $suite kernel"
  prepare_kernel || die "could not prepare the guest kernel"
fi
exec 9>&-
[ $prepare = 0 ] || { say "ready: $dir"; exit 0; }
ver=$(cat "$dir/version")

# ---------------------------------------------------------------- this run
run=$(mktemp -d "${TMPDIR:-/tmp}/vm-run-XXXXXX") || die "no temporary directory"
qpid=
cleanup() {
  if [ -n "$qpid" ]; then kill "$qpid" 2>/dev/null; wait "$qpid" 2>/dev/null; fi    # timeout(1) passes it on to QEMU
  rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
mkdir "$run/ctl"; mkfifo "$run/out" "$run/err"
q() { printf "'%s' " "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

{ # what the guest runs as its own pid 1 (busybox sh)
  echo "ver=$(q "$ver") share=$(q "$share") root=$(q "$root") chdir=$(q "$chdir") user=$user systemd=$systemd disk=$disk now=$(date +%s)"
  cat <<'INIT'
b=/run/vm/bin/busybox
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/vm/bin
m() { $b mount "$@"; }
m -t proc proc /proc; m -t sysfs sysfs /sys; m -t devtmpfs dev /dev
$b mkdir -p /dev/pts /dev/shm /dev/mqueue
m -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts; m -t tmpfs -o mode=1777 tmpfs /dev/shm; m -t mqueue mqueue /dev/mqueue
$b ln -sf /proc/self/fd /dev/fd; $b ln -sf /proc/self/fd/0 /dev/stdin; $b ln -sf /proc/self/fd/1 /dev/stdout; $b ln -sf /proc/self/fd/2 /dev/stderr
$b mkdir -p /dev/net; [ -e /dev/net/tun ] || $b mknod /dev/net/tun c 10 200
$b chmod 666 /dev/net/tun /dev/fuse   # as udev would
m --make-rshared /
m -t securityfs securityfs /sys/kernel/security 2>/dev/null
m -t debugfs debugfs /sys/kernel/debug 2>/dev/null
m -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
m -t bpf bpf /sys/fs/bpf 2>/dev/null
m -t selinuxfs selinuxfs /sys/fs/selinux 2>/dev/null
if [ $systemd = 0 ]; then
  m -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
  for c in $($b cat /sys/fs/cgroup/cgroup.controllers); do echo +$c > /sys/fs/cgroup/cgroup.subtree_control; done
fi
$b mkdir -p /run/lock /run/user; $b chmod 1777 /run/lock
# modules
if [ -L /lib ]; then $b mkdir -p /usr/lib/modules; else $b mkdir -p /lib/modules; fi
$b mkdir -p /lib/modules/$ver && m --bind /run/vm/cache/lib/modules/$ver /lib/modules/$ver
[ -x /sbin/modprobe ] || echo /run/vm/bin/modprobe > /proc/sys/kernel/modprobe
$b ip link set lo up
# an uplink that leads nowhere: a default route, so that what looks for one (pasta, masquerade) finds it
$b ip link add eth0 type dummy && $b ip addr add 192.0.2.15/24 dev eth0 && $b ip link set eth0 up && {
  $b ip route add default via 192.0.2.1
  $b ip -6 addr add 2001:db8::15/64 dev eth0 && $b ip -6 route add default via 2001:db8::1 dev eth0; } 2>/dev/null
echo vmguest > /proc/sys/kernel/hostname
# storage: an ext4 disk (overlay upper directories, user xattrs, idmapped mounts need a real file system)
d=$b; scratch=/run/vm/scratch; $b mkdir -p $scratch
if [ $disk != 0 ]; then m -t ext4 -o noatime /dev/vda $scratch; else m -t tmpfs -o mode=755 tmpfs $scratch; fi
for x in tmp var/tmp home scratch var/lib/pcompose; do
  $b mkdir -p $scratch/$x /$x && m --bind $scratch/$x /$x
done
$b chmod 1777 /tmp /var/tmp
# the shared directory, at /shared-dir and at its own path
$b mkdir -p /shared-dir "$share"
m -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap,posixacl vmshare /shared-dir ||
  m -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap vmshare /shared-dir
[ "$share" = /shared-dir ] || m --bind /shared-dir "$share"
# the ports for stdout and stderr
out= err=
for p in /sys/class/virtio-ports/vport*; do
  case $($b cat $p/name) in vm.out) out=/dev/${p##*/} ;; vm.err) err=/dev/${p##*/} ;; esac
done
# who runs it
$b chmod 666 $out $err
if [ $user = 1 ]; then
  # the guest's /etc is its own: whoever has uid or gid 1000 there gives way
  $b sed -i '/^tester:/d; /^[^:]*:[^:]*:1000:/d' /etc/passwd /etc/group
  echo 'tester:x:1000:1000::/home/tester:/bin/sh' >> /etc/passwd; echo 'tester:x:1000:' >> /etc/group
  echo 'tester:*:19000:0:99999:7:::' >> /etc/shadow      # PAM wants one
  echo 'tester:100000:65536' > /etc/subuid; echo 'tester:100000:65536' > /etc/subgid
  $b mkdir -p /home/tester; $b chown 1000:1000 /home/tester
fi
asuser="/usr/bin/setpriv --reuid 1000 --regid 1000 --init-groups --reset-env /usr/bin/env USER=tester LOGNAME=tester \
  XDG_RUNTIME_DIR=/run/user/1000 PATH=$PATH TERM=dumb IN_VM=1"
asroot="/usr/bin/env HOME=/root USER=root LOGNAME=root PATH=$PATH TERM=dumb IN_VM=1"
if [ $systemd = 1 ]; then
  u=/run/systemd/system; $b mkdir -p $u/multi-user.target.wants
  for x in serial-getty@ttyS0 getty@tty1 systemd-timesyncd systemd-udev-settle apt-daily.timer apt-daily-upgrade.timer \
      e2scrub_reap dpkg-db-backup.timer fstrim.timer systemd-networkd-wait-online; do
    case $x in *.*) ;; *) x=$x.service ;; esac; $b ln -s /dev/null $u/$x
  done
  : > /etc/fstab; [ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef > /etc/machine-id
  if [ $user = 1 ]; then run="systemctl start user@1000.service || journalctl -b -n 30 --no-pager >&2
    $asuser DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus systemd-run --user --scope --quiet --collect /bin/sh /run/vm/ctl/cmd"
  else run="$asroot /bin/sh /run/vm/ctl/cmd"; fi
  echo "($run) < /dev/null > $out 2> $err
echo \$? > /run/vm/ctl/rc; $b sync; $b poweroff -f" > /run/vm/service
  printf '%s\n' '[Unit]' 'After=basic.target systemd-user-sessions.service dbus.socket systemd-logind.service' '[Service]' \
    "ExecStart=$b sh /run/vm/service" 'Delegate=yes' 'TimeoutStartSec=infinity' 'IgnoreSIGPIPE=no' > $u/vm-run.service
  $b ln -s ../vm-run.service $u/multi-user.target.wants/vm-run.service
  $b ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
  exec /sbin/init
fi
if [ $user = 1 ]; then
  $b mkdir -p /run/user/1000; $b chown 1000:1000 /run/user/1000; $b chmod 700 /run/user/1000
  g=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service
  $b mkdir -p $g
  for c in /sys/fs/cgroup/user.slice /sys/fs/cgroup/user.slice/user-1000.slice; do
    for x in $($b cat $c/cgroup.controllers); do echo +$x > $c/cgroup.subtree_control; done
  done
  $b mkdir $g/app.slice $g/app.slice/run.scope
  for c in $g $g/app.slice; do      # every controller below, as a session manager would
    for x in $($b cat $c/cgroup.controllers); do echo +$x > $c/cgroup.subtree_control; done
  done
  for c in $g $g/app.slice $g/app.slice/run.scope; do
    $b chown 1000:1000 $c $c/cgroup.procs $c/cgroup.threads $c/cgroup.subtree_control
  done
  leaf=$g/app.slice/run.scope as=$asuser
else
  leaf=/sys/fs/cgroup/run.scope as=$asroot; $b mkdir $leaf
fi
( echo 0 > $leaf/cgroup.procs; exec $b setsid $as /bin/sh /run/vm/ctl/cmd < /dev/null > $out 2> $err )
echo $? > /run/vm/ctl/rc
$b sync
$b poweroff -f
INIT
} > "$run/ctl/init"
{ echo "cd $(q "$chdir") || exit 125"
  for e in ${envs[@]+"${envs[@]}"}; do echo "export $(q "$e")"; done
  printf 'exec '; for a in "$@"; do q "$a"; done; echo
} > "$run/ctl/cmd"
chmod 755 "$run/ctl" "$run"; chmod 644 "$run/ctl"/*

dev=()
if [ "$disk" != 0 ]; then
  truncate -s "${disk}M" "$run/disk" && mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1,nodiscard -m 0 "$run/disk" || die "no scratch disk"
  dev+=(-drive "file=$run/disk,if=none,id=d0,format=raw,cache=unsafe,aio=threads" -device virtio-blk-pci,drive=d0)
fi
sec=none; [ "$(id -u)" != 0 ] || sec=passthrough
cat "$run/out" & c1=$!
cat "$run/err" >&2 & c2=$!
fs() { dev+=(-fsdev "local,id=$1,path=$2,security_model=$sec,multidevs=remap$3" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"); }
fs vmroot "$root" ,readonly=on; fs vmctl "$run/ctl" ""; fs vmcache "$dir" ,readonly=on; fs vmshare "$share" ""
say "starting QEMU (Linux $ver)"
# q35: microvm boots no faster and hung at times under TCG; -cpu max: everything TCG can emulate
# pdeathsig: should this script be killed outright, QEMU goes with it
setpriv --pdeathsig TERM timeout -k 5 "$limit" setpriv --pdeathsig KILL qemu-system-x86_64 -M q35 -accel tcg,thread=multi,tb-size=512 -cpu max -smp "$cpus" -m "$mem" \
  -nodefaults -no-user-config -display none -no-reboot -rtc base=utc \
  -kernel "$dir/vmlinux" -initrd "$dir/initrd" \
  -append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable random.trust_cpu=on $append" \
  -chardev "file,id=con,path=$run/console" -serial chardev:con \
  -device virtio-serial-pci -chardev "file,id=out,path=$run/out" -device virtserialport,chardev=out,name=vm.out \
  -chardev "file,id=err,path=$run/err" -device virtserialport,chardev=err,name=vm.err \
  -device virtio-rng-pci "${dev[@]}" < /dev/null 2> "$run/qemu.err" & qpid=$!
wait $qpid; qrc=$?; qpid=
: <> "$run/out"; : <> "$run/err"    # if QEMU never opened the pipes, this ends their readers
wait $c1 $c2
say "guest ended ($qrc)"
[ $verbose = 0 ] || sed 's/^/console: /' "$run/console" >&2
if [ $qrc = 124 ] || [ $qrc = 137 ]; then
  echo "$prog: time limit of $limit s" >&2; [ $verbose = 1 ] || tail -n 5 "$run/console" >&2; exit 124
fi
rc=$(cat "$run/ctl/rc" 2>/dev/null)
case $rc in
  ''|*[!0-9]*) echo "$prog: the guest died (qemu: $qrc)" >&2; cat "$run/qemu.err" >&2; tail -n 20 "$run/console" >&2; exit 125 ;;
esac
exit "$rc"
