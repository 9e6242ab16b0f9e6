#!/usr/bin/env python3
"""pull_image.py OUT MEGABYTES LAYERS - an OCI image layout whose layers are files of installed Debian packages:
programs, libraries, documentation, archives, as images have them. Plain tar; whoever pushes it compresses."""
import hashlib, io, json, os, subprocess, sys, tarfile

out, want, count = sys.argv[1], int(sys.argv[2]) * 1_000_000, int(sys.argv[3])


def files():
    """Regular files of the installed packages, in a stable order, up to the wanted size."""
    packages = sorted(subprocess.run(["dpkg-query", "-f", "${Package}\n", "-W"], stdout=subprocess.PIPE,
                                     text=True, check=True).stdout.split())
    seen, total = set(), 0
    for package in packages:
        listing = subprocess.run(["dpkg", "-L", package], stdout=subprocess.PIPE, text=True).stdout.splitlines()
        for path in listing:
            if path in seen or not path.startswith("/usr/") or os.path.islink(path) or not os.path.isfile(path):
                continue
            seen.add(path)
            size = os.path.getsize(path)
            if size > want // 4:
                continue
            yield path
            total += size
            if total >= want:
                return
    # A small machine has less: random bytes, as archives have them, make up for it.
    number = 0
    while total < want:
        number += 1
        yield 8_000_000, f"/usr/share/filler/{number}"
        total += 8_000_000


os.makedirs(f"{out}/blobs/sha256")


def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{out}/blobs/sha256/{digest}", "wb") as f:
        f.write(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def layer(members, number):
    path = f"{out}/layer{number}"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[1][1:])
                info.size = member[0]
                tar.addfile(info, io.BytesIO(os.urandom(member[0])))
            else:
                tar.add(member, recursive=False)
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            digest.update(piece)
    size = os.path.getsize(path)
    os.rename(path, f"{out}/blobs/sha256/{digest.hexdigest()}")
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{digest.hexdigest()}",
            "size": size}


chosen = list(files())
share = -(-len(chosen) // count)
layers = [layer(chosen[i * share:(i + 1) * share], i) for i in range(count)]
machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
config = blob(json.dumps({"architecture": machine, "os": "linux", "created": "2024-01-01T00:00:00Z", "config": {},
                          "rootfs": {"type": "layers", "diff_ids": [l["digest"] for l in layers]}}).encode())
manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
                            "layers": layers}).encode())
with open(f"{out}/index.json", "w") as f:
    json.dump({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
                "annotations": {"org.opencontainers.image.ref.name": "latest"}}]}, f)
with open(f"{out}/oci-layout", "w") as f:
    f.write('{"imageLayoutVersion":"1.0.0"}')
