"""What a person sees: on a terminal (a real pty, its codes carried out), and in a log."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is POSIX", allow_module_level=True)

import fcntl
import termios

from reportdl.server import LoopbackServer
from reportdl.testing.raw_server import Answer, RawServer, Seen, Then, message

Run = Callable[..., Any]
Serving = Callable[..., LoopbackServer]

COMMAND = [sys.executable, "-m", "reportdl"]
CODE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")


class Terminal:
    """A pty of some width, and the command with its stderr on it. Reads all the time, so that nothing blocks."""

    def __init__(self, words: list[str], *, cwd: Path, url: str, width: int = 80, **more: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
        env = {**kept, "REPORTDL_URL": url, "REPORTDL_TOKEN": "t", "TERM": "xterm-256color", **more}
        self.process = subprocess.Popen([*COMMAND, *words], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        self._came: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while piece := os.read(self._ours, 65536):
                self._came.append(piece)
        except OSError:  # what Linux says at the end of a pty
            pass

    @property
    def text(self) -> str:
        return b"".join(self._came).decode()

    def wait_for(self, pattern: str) -> str:
        """The first line that was ever shown with this in it."""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if found := re.search(f"[^\r\n]*{pattern}[^\r\n]*", CODE.sub("", self.text)):
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"{pattern} was never shown: {self.text!r}")

    def finish(self) -> tuple[int, str]:
        """Exit code and stdout."""
        out, _ = self.process.communicate(timeout=30)
        self._reader.join(10)
        return self.process.returncode, out.decode()

    def screen(self) -> list[str]:
        """The lines that are left at the end."""
        lines, row, column = [""], 0, 0
        for part in re.split(r"(\x1b\[\??[\d;]*[A-Za-z]|\r|\n)", self.text):
            code = CODE.fullmatch(part)
            if code:
                if code[2] == "A":
                    row = max(0, row - int(code[1] or 1))
                elif code[2] == "K":
                    assert code[1] == "2"
                    lines[row] = ""
                else:
                    assert code[2] in "mhl", part
            elif part == "\r":
                column = 0
            elif part == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            else:
                lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
                column += len(part)
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._reader.join(10)
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*words: str, **options: Any) -> Terminal:
        opened.append(Terminal(list(words), cwd=tmp_path, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


HALF, WHOLE = 3_000_000, 6_000_000
SLOW: dict[str, Answer] = {
    "formats": Answer(data=message(200, {"Content-Type": "application/json"}, b'{"status":"OK","formats":["pdf"]}')),
    "init": Answer(data=message(200, {"Content-Type": "application/json"}, b'{"status":"OK","token":"abc%3D"}')),
    "run": Answer(data=message(200, {"Content-Type": "application/json"}, b'{"status":"OK"}')),
    "get": Answer(
        data=message(
            200,
            {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="Half.pdf"'},
            b"x" * HALF,
            length=WHOLE,
        ),
        then=Then.HOLD,
    ),
}


@pytest.fixture
def halting() -> Iterator[RawServer]:
    """A server that sends half a file and then nothing."""

    def answer(seen: Seen) -> Answer:
        return SLOW[seen.state]

    with RawServer(answer) as server:
        yield server


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_the_state_and_the_time_and_keeps_one_line(
    terminal: Callable[..., Terminal], serving: Serving, tmp_path: Path, width: int
) -> None:
    shown = terminal(
        "get", "1044", "--segment", "71", "-f", "csv", url=serving(generation_seconds=1.5).url, width=width
    )
    shown.wait_for(r"1044/71 csv: generating  0:01")
    assert shown.finish() == (0, f"{tmp_path / 'Regional Sales.csv'}\n")
    assert len(shown.screen()) == 1
    assert re.fullmatch(r"1044/71 csv: done, \d+ bytes \(\d\.\d s\)", shown.screen()[0])
    assert shown.text.rindex("\x1b[?25h") > shown.text.rindex("\x1b[?25l"), "the cursor is hidden"


@pytest.mark.rules("D38", "I10")
@pytest.mark.parametrize(
    ("width", "bar"),
    [(50, r"1042 pdf: downloading \d\.\d/6\.0 MB"), (100, r"━ .*\d\.\d/6\.0 MB .* MB/s \d:\d\d:\d\d")],
)
def test_a_transfer_shows_its_bytes_and_ctrl_c_leaves_nothing_of_it(
    terminal: Callable[..., Terminal], halting: RawServer, tmp_path: Path, width: int, bar: str
) -> None:
    shown = terminal("get", "1042", "-f", "pdf", url=halting.url, width=width, PYTHONIOENCODING="utf-8")
    line = shown.wait_for(bar)
    assert len(line) < width - 2, "a terminal echoes ^C at the end of the line, which then must not wrap"
    shown.process.send_signal(signal.SIGINT)
    assert shown.finish() == (130, "")
    assert shown.screen() == ["reportdl: interrupted: nothing was kept"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rules("D19")
def test_a_server_that_does_not_answer_is_seen_at_once_and_not_taken_for_a_generation(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal("get", "1042", "-f", "pdf", "--timeout", "3", url="http://127.0.0.1:9")
    shown.wait_for(r"formats: no answer \(Connection refused\) \(2 times\); going on")
    assert shown.finish()[0] == 6
    assert "time limit" in shown.screen()[0]


def test_no_color_is_honoured_and_a_dumb_terminal_gets_lines(
    terminal: Callable[..., Terminal], serving: Serving, halting: RawServer
) -> None:
    colour = re.compile(r"\x1b\[[\d;]*(3[0-7]|38|9[0-7])[\d;]*m")
    coloured = terminal("get", "1042", "-f", "pdf", url=halting.url, width=100)
    coloured.wait_for("MB/s")
    assert colour.search(coloured.text)
    plain = terminal("get", "1042", "-f", "pdf", url=halting.url, width=100, NO_COLOR="1")
    plain.wait_for("MB/s")
    assert not colour.search(plain.text)
    dumb = terminal("get", "1042", "-f", "csv", url=serving().url, TERM="dumb")
    assert dumb.finish()[0] == 0
    assert "\x1b" not in dumb.text
    assert len(dumb.screen()) == 4


def test_without_rich_a_terminal_gets_lines(
    tmp_path: Path, serving: Serving, terminal: Callable[..., Terminal]
) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ModuleNotFoundError(name='rich')")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    shown = terminal("get", "1042", "-f", "csv", "-o", "x.csv", url=serving().url, PYTHONPATH=path)
    assert shown.finish()[0] == 0
    assert shown.screen()[-1].startswith("1042 csv: done")


def test_a_log_gets_one_line_for_each_move(reportdl: Run, serving: Serving) -> None:
    ran = reportdl("get", "1042", "-f", "csv", url=serving(generation_seconds=0.5).url)
    moves = [re.sub(r"\d+\.\d s|[\d,]+ bytes", "N", line) for line in ran.err.splitlines()]
    assert moves == [
        "1042 csv: asking (N)",
        "1042 csv: generating (N)",
        "1042 csv: downloading (N)",
        "1042 csv: done, N (N)",
    ]


@pytest.mark.rules("D19")
def test_a_log_gets_a_trouble_once_and_how_it_went_on(reportdl: Run, serving: Serving) -> None:
    ran = reportdl("get", "1042", "-f", "csv", url=serving(faults=["init.status=503:3"]).url)
    assert ran.code == 0
    assert len([line for line in ran.err.splitlines() if "init:" in line]) == 1
    assert re.search(r"1042 csv: init: .*\(503\); going on \(\d\.\d s\)", ran.err)


def test_a_trouble_that_ends_the_job_is_told_once(reportdl: Run, serving: Serving) -> None:
    ran = reportdl("get", "9999", "-f", "csv", url=serving().url)
    assert ran.err.count("Element not found") == 1


@pytest.mark.rules("D39")
def test_verbose_shows_each_request_and_no_token(reportdl: Run, serving: Serving) -> None:
    server = serving(faults=["run.drop_after=0.2", "get.status=503:1"], generation_seconds=0.5)
    ran = reportdl("get", "1042", "-f", "csv", "-v", url=server.url)
    assert ran.code == 0
    asked = re.findall(r"reportdl\.requests GET \S+/state/(\w+)$", ran.err, re.MULTILINE)
    assert asked == [call.state for call in server.calls]
    tokens = {call.target.partition("token=")[2].partition("&")[0] for call in server.calls} - {""}
    assert len(tokens) == 1
    assert not any(token in ran.err for token in tokens)


def test_an_error_is_folded_between_words_on_a_terminal_and_one_line_in_a_pipe(
    terminal: Callable[..., Terminal], reportdl: Run, serving: Serving
) -> None:
    url = serving().url
    piped = reportdl("get", "1047", "-f", "pdf", url=url).err.splitlines()[-1]
    assert piped.startswith("reportdl: The server could not generate pdf of element 1047")
    shown = terminal("get", "1047", "-f", "pdf", url=url, width=50)
    assert shown.finish()[0] == 3
    assert " ".join(shown.screen()) == piped
    assert max(len(line) for line in shown.screen()) <= 49
    assert "\x1b[31mreportdl:\x1b[0m" in shown.text
    plain = terminal("get", "1047", "-f", "pdf", url=url, width=50, NO_COLOR="1")
    assert plain.finish()[0] == 3
    assert "\x1b[31m" not in plain.text


def test_a_batchs_last_words_are_folded_between_words_on_a_terminal(
    terminal: Callable[..., Terminal], serving: Serving, tmp_path: Path
) -> None:
    (tmp_path / "night.csv").write_text("element,format\n9999,pdf\n1o42,csv\n")
    shown = terminal("batch", "night.csv", "-o", "out/", url=serving().url, width=60)
    assert shown.finish()[0] == 8
    screen = shown.screen()
    assert max(len(line) for line in screen if str(tmp_path) not in line) <= 60, "a path stays whole"
    at = screen.index("line 2: 9999 pdf: There is no element 9999 on the server")
    assert screen[at + 1].startswith("  (formats: Element not found).")
