"""A very small Redis client. https://redis.io/docs/latest/develop/reference/protocol-spec/"""
import socket


def command(host, port, *words):
    """One command over one connection: the answer as int, str or None."""
    with socket.create_connection((host, port), timeout=5) as s, s.makefile("rb") as stream:
        parts = [w.encode() for w in words]
        s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        line = stream.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:].decode()
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if kind == b"$":
            return None if rest == "-1" else stream.read(int(rest)).decode()
        raise ConnectionError("redis: " + (rest or "closed the connection"))
