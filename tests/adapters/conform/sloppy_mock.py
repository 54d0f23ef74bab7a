"""Somebody's mock of the download endpoint: written in an afternoon from the vendor's article, for one demo.

It does what its author read, and not what they skipped. Started as a program, it prints its address.
"""

import base64
import json
import os
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TTL = float(os.environ.get("MOCK_TTL", "300"))
SECONDS = float(os.environ.get("MOCK_SECONDS", "1.0"))
FORMATS = ["PDF", "CSV"]
FILES = {"PDF": b"%PDF-1.4\nmock\n%%EOF\n", "CSV": b"region,revenue\nNorth,1\n"}

sessions: dict[str, dict] = {}


class Mock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        state = url.path.rsplit("/", 1)[-1]
        session = sessions.get(query.get("token", ""))
        if state == "formats":
            return self.answer({"status": "ok", "formats": FORMATS})
        if state == "init":
            token = base64.b64encode(secrets.token_bytes(20)).decode()
            sessions[token] = {"born": time.time(), "state": "new"}
            return self.answer({"status": "ok", "token": token})
        if state not in ("run", "check", "get"):
            return self.page(404, "no such page")
        if session is None:
            return self.answer({"status": "ERROR", "message": "unknown token"})
        if time.time() - session["born"] > TTL:
            return self.answer({"status": "ERROR", "message": "token expired"}, 403)
        return getattr(self, state)(session, query)

    do_POST = do_GET  # noqa: N815

    def run(self, session, query):
        session["state"] = "running"
        time.sleep(SECONDS)
        session["state"] = "done"
        session["file"] = FILES.get(query.get("format", "PDF").upper(), b"")
        self.answer({"status": "ok"})

    def check(self, session, query):
        said = {"new": "not started", "running": "IN_PROGRESS", "done": "ready"}[session["state"]]
        self.answer({"status": said, "message": ""})

    def get(self, session, query):
        if session["state"] != "done":
            self.page(500, "not ready")
            return
        kind = {"PDF": "application/pdf", "CSV": "application/csv"}[query.get("format", "PDF").upper()]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Disposition", 'inline; filename="report"')
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(session["file"])
        self.close_connection = True

    def answer(self, body, code=200):
        self.send(code, "text/plain", json.dumps(body).encode())

    def page(self, code, words):
        self.send(code, "text/html", f"<h1>{words}</h1>".encode())

    def send(self, code, kind, body):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "PHPSESSID=1; path=/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # callers go away in the middle


def until_told(server):
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Mock)
    threading.Thread(target=until_told, args=(server,), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
