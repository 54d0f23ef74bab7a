"""A stand-alone mock of the External Report Download endpoint.

Written from the API document alone, by someone who had read neither the client nor its tests.
Standard library only.  ``python document_mock.py 0`` picks a free port and prints the URL.

Where the document is silent or says two things, this mock chose:

 1. Credentials.  The document says "the authenticated user" and names no header.  Here:
    ``Authorization: Bearer <word>``; the words are in USERS.  None or a wrong one: 401.
 2. Every error body is ``{"status": "ERROR", "message": "<message of section 6>"}``.
 3. Order of the checks: credentials, state, element, access, type, capabilities, token, format.
 4. "No downloads available" answers every state, not ``formats`` alone.
 5. ``run`` holds its answer until the file is made.  A failed generation: 400 Download failed.
 6. ``check`` after a failed run: 200 ``{"status": "ERROR"}`` (section 3.4: one of three statuses).
    ``get`` after a failed run: 400, ERROR, "Download failed" (3.5 and section 6 together).
 7. ``check`` and ``get`` before any ``run``: 200 IN PROGRESS (the run has not finished).
 8. The five minutes count from ``init`` and nothing prolongs them (Notes: a file whose run
    finishes later is discarded).  An expired token: 400 Download failed in every state.
 9. Malformed or another user's or another element's token: 400 Invalid token.  One of the right
    shape which is not known (never issued, or consumed): 400 Download failed, as if expired.
10. The token is base64, so it may hold + / =, and is returned URL-encoded, to be put in the query
    as it came.  Encoded a second time it is malformed.
11. A second ``run`` on a token simply generates again; the newest generation counts.
12. ``get`` with a supported format other than the one run: 400 Download failed (no such file).
13. The session is consumed once the last byte was written without an error; a ``get`` that was cut
    leaves the file.  A client that hangs up during ``run`` does not stop the generation.
14. Methods other than GET: 405.  A path of another shape, or an id that is no number: 404.
15. Format keys are compared exactly (``PDF`` is Invalid format).  Reserved characters of a file
    name are ``\\ / : * ? " < > |`` and control characters.
"""

import argparse
import base64
import json
import re
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

PATH = re.compile(r"/api/element/id/([^/]+)/segment/([^/]+)/download/state/([^/]*)")
STATES = ("formats", "init", "run", "check", "get")
TOKEN = re.compile(r"[A-Za-z0-9+/]{31}=")
OFFICE = "application/vnd.openxmlformats-officedocument."
FORMATS = {  # key: (extension, MIME type, first bytes)
    "image": ("png", "image/png", b"\x89PNG\r\n\x1a\n"),
    "pdf": ("pdf", "application/pdf", b"%PDF-1.7\n"),
    "apdf": ("pdf", "application/pdf", b"%PDF-1.7\n"),
    "ppt": ("pptx", OFFICE + "presentationml.presentation", b"PK\x03\x04"),
    "xls": ("xlsx", OFFICE + "spreadsheetml.sheet", b"PK\x03\x04"),
    "doc": ("docx", OFFICE + "wordprocessingml.document", b"PK\x03\x04"),
    "csv": ("csv", "text/csv; charset=utf-8", b"region,sales\n"),
    "xml": ("xml", "application/xml", b"<?xml version='1.0'?>\n<report/>\n"),
    "mhtml": ("mhtml", "multipart/related", b"MIME-Version: 1.0\n"),
}
USERS = {"reader-key": "reader", "other-key": "other"}


class Element:
    def __init__(self, name, formats=(), segments=("0",), external=True, seconds=0.2, rows=2000, **rest):
        self.name, self.formats, self.segments, self.external = name, list(formats), segments, external
        self.seconds, self.rows = seconds, rows
        self.fails, self.readers = rest.get("fails", False), rest.get("readers")


ELEMENTS = {
    "1042": Element("Sales Dashboard", ["image", "pdf", "csv"]),
    "1043": Element("Stores", ["pdf", "xls"], segments=("7", "8")),
    "1044": Element("A metric", external=False),
    "1045": Element("Nothing to download"),
    "1046": Element("Board only", ["pdf"], readers=("other",)),
    "1047": Element("Broken at the source", ["pdf"], fails=True),
    "1048": Element("Slow", ["pdf", "csv"], seconds=3.0),
    "1051": Element("Not so slow", ["pdf", "csv"], seconds=1.4),
    "1050": Element("Large", ["csv"], rows=3_000_000),
    "1049": Element('Q1/Q2: "Profit" <EU>', list(FORMATS)),
}


class Session:
    def __init__(self, user, element_id, segment, lifetime):
        self.owner = (user, element_id, segment)
        self.ends = time.monotonic() + lifetime
        self.status, self.format, self.file, self.turn = "IN PROGRESS", None, None, 0


class Refusal(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Handler(BaseHTTPRequestHandler):
    server: "Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            try:
                self.answer()
            except Refusal as refusal:
                self.send_json({"status": "ERROR", "message": refusal.message}, refusal.code)
        except ConnectionError:
            self.close_connection = True

    def not_allowed(self):
        self.close_connection = True
        self.send_json({"status": "ERROR", "message": "Method not allowed"}, 405)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = not_allowed  # noqa: N815

    def answer(self):
        url = urlsplit(self.path)
        place = PATH.fullmatch(url.path)
        if not place:
            raise Refusal(404, "Not found")
        scheme, _, word = self.headers.get("Authorization", "").partition(" ")
        user = USERS.get(word.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Refusal(401, "Not authenticated")
        element_id, segment, state = place.groups()
        if state not in STATES:
            raise Refusal(400, "Invalid state")
        element = ELEMENTS.get(element_id)
        if element is None or segment not in element.segments:
            raise Refusal(404, "Element not found")
        if element.readers is not None and user not in element.readers:
            raise Refusal(403, "Element not allowed")
        if not element.external:
            raise Refusal(400, "Not implemented for this Element Type")
        if not element.formats:
            raise Refusal(400, "No downloads available")
        if state == "formats":
            return self.send_json({"status": "OK", "formats": element.formats})
        if state == "init":
            token = base64.b64encode(secrets.token_bytes(23)).decode()
            self.server.sessions[token] = Session(user, element_id, segment, self.server.lifetime)
            return self.send_json({"status": "OK", "token": quote(token, safe="")})
        query = parse_qs(url.query)
        token = query.get("token", [""])[0]
        session = self.session(token, (user, element_id, segment))
        if state == "check":
            return self.send_json({"status": session.status})
        wanted = query.get("format", [""])[0]
        if wanted not in element.formats:
            raise Refusal(400, "Invalid format")
        return self.run(element, session, wanted) if state == "run" else self.get(element, token, session, wanted)

    def session(self, token, owner):
        if not TOKEN.fullmatch(token):
            raise Refusal(400, "Invalid token")
        session = self.server.sessions.get(token)
        if session is None:
            raise Refusal(400, "Download failed")
        if session.owner != owner:
            raise Refusal(400, "Invalid token")
        if time.monotonic() > session.ends:
            session.file = None
            raise Refusal(400, "Download failed")
        return session

    def run(self, element, session, wanted):
        with self.server.lock:
            session.turn += 1
            turn = session.turn
            session.status, session.format, session.file = "IN PROGRESS", wanted, None
        time.sleep(element.seconds)
        late = time.monotonic() > session.ends
        with self.server.lock:
            if session.turn == turn and not late:
                session.status = "ERROR" if element.fails else "READY"
                session.file = None if element.fails else FORMATS[wanted][2] + b"north,12\n" * element.rows
        if element.fails or late:
            raise Refusal(400, "Download failed")
        self.send_json({"status": "OK"})

    def get(self, element, token, session, wanted):
        if session.status == "IN PROGRESS":
            self.send_json({"status": "IN PROGRESS"})
            return
        if session.status == "ERROR" or session.format != wanted:
            raise Refusal(400, "Download failed")
        extension, mime, _ = FORMATS[wanted]
        name = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "", element.name)
        extra = {"Content-Disposition": f'attachment; filename="{name}.{extension}"'}
        self.send(200, mime, session.file, extra)
        self.server.sessions.pop(token, None)

    def send_json(self, value, code=200):
        self.send(code, "application/json", json.dumps(value).encode())

    def send(self, code, mime, body, extra=()):
        self.send_response(code)
        for key, value in {"Content-Type": mime, "Content-Length": str(len(body)), **dict(extra)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port=0, lifetime=300.0):
        super().__init__(("127.0.0.1", port), Handler)
        self.lifetime, self.sessions, self.lock = lifetime, {}, threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="A mock of the External Report Download endpoint.")
    options.add_argument("port", type=int, nargs="?", default=0)
    options.add_argument("--lifetime", type=float, default=300.0, help="seconds a token lives")
    chosen = options.parse_args()
    server = Server(chosen.port, chosen.lifetime)
    print(server.url, flush=True)
    server.serve_forever()
