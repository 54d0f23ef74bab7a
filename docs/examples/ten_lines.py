"""The document's workflow in ten lines of plain Python; whatever can go wrong on the way is left out.

Usage: python ten_lines.py http://127.0.0.1:8080/api/element/id/1042/segment/0/download/state pdf
"""

import json
import sys
from pathlib import Path
from urllib.request import urlopen

state, key = sys.argv[1:]
assert key in json.load(urlopen(f"{state}/formats"))["formats"]
token = json.load(urlopen(f"{state}/init"))["token"]  # to be put into the query exactly as it is
assert json.load(urlopen(f"{state}/run?token={token}&format={key}"))["status"] == "OK"
assert json.load(urlopen(f"{state}/check?token={token}"))["status"] == "READY"
with urlopen(f"{state}/get?token={token}&format={key}") as answer:
    Path(Path(answer.headers.get_filename()).name).write_bytes(answer.read())
