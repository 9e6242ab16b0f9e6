"""The guestbook's API, in the Python standard library only, so that any Python image runs it.

GET /api/entries         {"visits": N, "entries": [{"name": ..., "message": ..., "written": ...}]}
POST /api/entries        {"name": ..., "message": ...}: 201
GET /api/health          200 when database and cache answer
server.py --check        asks the running server for its health, for the health check
"""
import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis
from postgres import Postgres

PORT = 8000


def address(variable, default):
    host, port = os.environ.get(variable, default).split(":")
    return host, int(port)


def query(sql, *parameters):
    db = Postgres(*address("POSTGRES", "db:5432"), user="guestbook", database="guestbook")
    try:
        return db.query(sql, *parameters)
    finally:
        db.close()


def cache(*words):
    return redis.command(*address("REDIS", "cache:6379"), *words)


def entries():
    rows = query("SELECT name, message, to_char(written, 'YYYY-MM-DD HH24:MI') FROM entries ORDER BY id DESC LIMIT 50")
    return {"visits": cache("INCR", "visits"), "entries": [dict(zip(("name", "message", "written"), r)) for r in rows]}


def add_entry(body):
    fields = json.loads(body)
    name, text = str(fields["name"]).strip()[:80], str(fields["message"]).strip()[:1000]
    if not name or not text:
        raise ValueError("name and message must not be empty")
    query("INSERT INTO entries (name, message) VALUES ($1, $2)", name, text)
    return {"entries": cache("INCR", "entries")}


def health():
    query("SELECT 1 FROM entries LIMIT 1")
    return {"cache": cache("PING")}


class Handler(BaseHTTPRequestHandler):
    def answer(self, work, status=200):
        try:
            body = work()
        except (ValueError, KeyError, TypeError) as e:
            status, body = 400, {"error": str(e)}
        except Exception as e:
            print(f"error: {e}", file=sys.stderr)
            status, body = 503, {"error": str(e)}
        data = (json.dumps(body) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        routes = {"/api/entries": entries, "/api/health": health}
        if self.path in routes:
            self.answer(routes[self.path])
        else:
            self.send_error(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/entries":
            self.answer(lambda: add_entry(body), 201)
        else:
            self.send_error(404)

    def log_request(self, code="-", size="-"):
        if self.path != "/api/health":
            super().log_request(code, size)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/health", timeout=3).read()
    else:
        print(f"listening on port {PORT}")
        ThreadingHTTPServer(("", PORT), Handler).serve_forever()
