"""A very small PostgreSQL client: one connection, trust authentication, text parameters and results.

https://www.postgresql.org/docs/15/protocol-flow.html, "Extended Query"
"""
import socket
import struct


class PostgresError(Exception):
    pass


def message(kind, payload):
    return kind + struct.pack("!I", len(payload) + 4) + payload


def text(value):
    return value.encode() + b"\0"


class Postgres:
    def __init__(self, host, port, user, database):
        self.socket = socket.create_connection((host, port), timeout=5)
        self.stream = self.socket.makefile("rb")
        start = struct.pack("!I", 3 << 16) + text("user") + text(user) + text("database") + text(database) + b"\0"
        self.socket.sendall(struct.pack("!I", len(start) + 4) + start)
        self.read_until_ready()

    def close(self):
        self.stream.close()
        self.socket.close()

    def query(self, sql, *parameters):
        """The rows, each a list of str or None."""
        values = b"".join(struct.pack("!I", len(p.encode())) + p.encode() for p in parameters)
        self.socket.sendall(
            message(b"P", b"\0" + text(sql) + struct.pack("!H", 0))
            + message(b"B", b"\0\0" + struct.pack("!HH", 0, len(parameters)) + values + struct.pack("!H", 0))
            + message(b"E", b"\0" + struct.pack("!I", 0))
            + message(b"S", b""))
        return self.read_until_ready()

    def read_until_ready(self):
        rows = []
        while True:
            kind, payload = self.read_message()
            if kind == b"D":
                rows.append(list(columns(payload)))
            elif kind == b"E":
                raise PostgresError(next(f[1:] for f in payload.decode().split("\0") if f.startswith("M")))
            elif kind == b"R" and payload != b"\0\0\0\0":
                raise PostgresError("the server wants a password; this client has none")
            elif kind == b"Z":
                return rows

    def read_message(self):
        head = self.stream.read(5)
        if len(head) < 5:
            raise ConnectionError("postgres closed the connection")
        return head[:1], self.stream.read(struct.unpack("!I", head[1:])[0] - 4)


def columns(payload):
    at = 2
    for _ in range(struct.unpack_from("!H", payload)[0]):
        size = struct.unpack_from("!i", payload, at)[0]
        at += 4
        yield None if size < 0 else payload[at:at + size].decode()
        at += max(size, 0)
