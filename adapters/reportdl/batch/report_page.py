"""Decides what the page about a batch shows: every job on a timeline, how long generations took, failures by cause.

One file that loads nothing from anywhere. Must never put a text that a server or a user wrote into the page as markup,
nor hold more of the ledger than what it shows.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, Final, final

from reportdl.batch.advice import advice
from reportdl.batch.ledger import Ledger
from reportdl.batch.plan import State
from reportdl.batch.progress import lasting
from reportdl.batch.rows import Row
from reportdl.spool import Spool
from reportdl_core.errors import Reason

__all__ = ["histogram", "page", "write_page"]

_MOST: Final = 100_000  # rows: a browser holds no more of them with ease
_EXAMPLES: Final = 25
_BARS: Final = 24
_STATES: Final = tuple(State)


def write_page(ledger: Ledger, path: str | os.PathLike[str], *, steps: Iterable[str] = ()) -> None:
    """Write the page, whole or not at all; `steps` are what to do now. Raises OSError."""
    shown = os.path.abspath(path)
    if os.path.exists(shown) and not os.path.isfile(shown):
        raise OSError(errno.EEXIST, "something that is not a regular file has this name")  # a device is not replaced
    spool = Spool(os.path.dirname(shown))
    try:
        spool.write(page(ledger, steps=steps).encode())
        spool.permit(0o644)
        spool.replace(shown)
    finally:
        spool.remove()


@dataclass(slots=True)
class _Failures:
    count: int = 0
    rows: list[Row] = field(default_factory=list[Row])


@final
@dataclass(slots=True)
class _Seen:
    """What one walk over the ledger gathers."""

    began: float
    until: float = 0.0
    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    generations: list[float] = field(default_factory=list[float])
    failures: dict[str, _Failures] = field(default_factory=dict[str, _Failures])
    noted: list[Row] = field(default_factory=list[Row])
    size: int = 0

    def take(self, row: Row) -> list[Any]:
        self.counts[row.state] += 1
        self.size += row.size or 0
        self.until = max(
            self.until, *(when - self.began for when in (row.ended, row.got, row.ran, row.began) if when), 0.0
        )
        if row.ran is not None and row.got is not None:
            self.generations.append(max(0.0, row.got - row.ran))
        if row.state is State.FAILED:
            failures = self.failures.setdefault(row.reason or Reason.NOT_KEPT.value, _Failures())
            failures.count += 1
            if len(failures.rows) < _EXAMPLES:
                failures.rows.append(row)
        if row.note and len(self.noted) < _EXAMPLES:
            self.noted.append(row)
        times = [self._since(when) for when in (row.began, row.ran, row.got, row.ended)]
        return [row.line, row.label, _STATES.index(row.state), *times, row.error or row.note or row.path or ""]

    def _since(self, when: float | None) -> float | None:
        return None if when is None else round(when - self.began, 2)


def page(ledger: Ledger, *, steps: Iterable[str] = ()) -> str:
    """The page about a batch as it stands now; `steps` are what to do."""
    began = float(ledger.settings.get("began", 0.0))
    seen = _Seen(began)
    rows = list(_first(ledger.every(), seen))
    when = datetime.fromtimestamp(began).astimezone()
    template = Template((files("reportdl.batch") / "report_page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"Batch of {when:%Y-%m-%d %H:%M}"),
        where=escape(_where(ledger)),
        tiles=_tiles(seen, ledger.refused_count()),
        steps=_steps(tuple(steps)),
        servers=_servers(ledger),
        histogram=histogram(seen.generations),
        failures=_failures(seen.failures),
        notes=_table(("line", "report", "what the ledger says"), ((r.line, r.label, r.note or "") for r in seen.noted)),
        refused=_table(
            ("line", "what stands there", "problem"), ((b.line, b.text, b.problem) for b in ledger.refused(_EXAMPLES))
        ),
        rows=max(4, min(len(rows), 100)),
        left_out=_left_out(seen.counts, len(rows)),
        # `<` inside a script could end it, whatever a server called its report.
        data=json.dumps({"rows": rows, "until": round(seen.until, 2)}, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _first(rows: Iterator[Row], seen: _Seen) -> Iterator[list[Any]]:
    for number, row in enumerate(rows):
        values = seen.take(row)
        if number < _MOST:
            yield values


def _left_out(counts: Mapping[State, int], shown: int) -> str:
    total = sum(counts.values())
    return "" if shown == total else f"<p>The first {shown:,} of {total:,} jobs are drawn; the ledger has them all.</p>"


def _steps(steps: tuple[str, ...]) -> str:
    if not steps:
        return ""
    only, *more = steps
    items = "".join(f"<li>{escape(step)}</li>" for step in steps)
    said = f"<ol>{items}</ol>" if more else f"<p>{escape(only)}</p>"
    return f"<h2>What to do now</h2>{said}"


def _tiles(seen: _Seen, refused: int) -> str:
    said = [(f"{seen.counts[state]:,}", state.value) for state in State if seen.counts[state] or state is State.DONE]
    if refused:
        said.append((f"{refused:,}", "unusable lines"))
    said.append((lasting(seen.until), "from begin to end"))
    if seen.generations:
        ordered = sorted(seen.generations)
        said.append((lasting(ordered[len(ordered) // 2]), "median generation"))
        said.append((lasting(ordered[-1]), "slowest generation"))
    return "".join(
        f'<div class="tile {escape(word)}"><b>{escape(value)}</b><span>{escape(word)}</span></div>'
        for value, word in said
    )


def _where(ledger: Ledger) -> str:
    settings = ledger.settings
    urls: dict[str, str] = settings.get("servers", {})
    one = [f"from {url}" for url in urls.values()] if len(urls) == 1 else []
    return ", ".join([f"ledger {ledger.path}", *one, f"to {settings.get('to', '.')}"])


def _servers(ledger: Ledger) -> str:
    """Whose reports these are, and how they stand; nothing where it is one server, which is named above."""
    urls: dict[str, str] = ledger.settings.get("servers", {})
    if len(urls) < 2:
        return ""
    counts, none = ledger.counts(), dict.fromkeys(State, 0)
    shown = [state for state in State if state is State.DONE or any(one[state] for one in counts.values())]
    head = ("server", "URL", *(state.value for state in shown))
    rows = ((name, url, *(f"{counts.get(name, none)[state]:,}" for state in shown)) for name, url in urls.items())
    return f"<h2>Servers</h2>{_table(head, rows)}"


def _failures(failures: Mapping[str, _Failures]) -> str:
    if not failures:
        return "<p>None.</p>"
    blocks: list[str] = []
    for reason, one in sorted(failures.items(), key=lambda item: -item[1].count):
        more = f"<p>and {one.count - len(one.rows):,} more</p>" if one.count > len(one.rows) else ""
        table = _table(
            ("line", "report", "attempts", "what happened"),
            ((r.line, r.label, r.attempts, r.error or "") for r in one.rows),
        )
        way = f"<p>{escape(said)}</p>" if (said := advice(reason)) is not None else ""
        head = f"<summary><b>{one.count:,}</b> {escape(reason)}</summary>"
        blocks.append(f"<details open>{head}{way}{table}{more}</details>")
    return "".join(blocks)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return "<p>None.</p>"
    return (
        "<table><thead><tr>"
        + "".join(f"<th>{escape(name)}</th>" for name in head)
        + f"</tr></thead><tbody>{body}</tbody></table>"
    )


def histogram(seconds: list[float]) -> str:
    """An SVG of how many generations took how long."""
    if not seconds:
        return "<p>Nothing was generated.</p>"
    step = _step(max(seconds))
    bars = [0] * (int(max(seconds) / step) + 1)
    for one in seconds:
        bars[int(one / step)] += 1
    width, height, left, bottom = 860, 220, 50, 40
    each, most = (width - left - 10) / len(bars), max(bars)
    drawn: list[str] = []
    for number, count in enumerate(bars):
        tall = (height - bottom - 20) * count / most
        x, y = left + number * each, height - bottom - tall
        title = f"{number * step:g} to {(number + 1) * step:g} s: {count:,}"
        place = f'x="{x + 1:.1f}" y="{y:.1f}" width="{max(1.0, each - 2):.1f}" height="{tall:.1f}"'
        drawn.append(f"<rect {place}><title>{title}</title></rect>")
        if number % math.ceil(len(bars) / 8) == 0:
            drawn.append(f'<text x="{x:.1f}" y="{height - bottom + 16}">{number * step:g} s</text>')
    drawn.append(f'<text x="{left - 6}" y="24" text-anchor="end">{most:,}</text>')
    drawn.append(f'<text x="{left - 6}" y="{height - bottom}" text-anchor="end">0</text>')
    said = f"seconds from `run` to the file being ready; {len(seconds):,} generations"
    drawn.append(f'<text x="{left}" y="{height - 4}">{said}</text>')
    label = 'role="img" aria-label="Histogram of generation times"'
    return f'<svg viewBox="0 0 {width} {height}" {label}>{"".join(drawn)}</svg>'


def _step(longest: float) -> float:
    """The width of a bar: 1, 2 or 5 times a power of ten, so that there are at most as many as fit."""
    raw = max(longest / _BARS, 0.001)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(nice * power for nice in (1, 2, 5, 10) if nice * power >= raw)
