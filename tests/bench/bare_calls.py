"""The bare calls: what a careful user writes with urllib3 or aiohttp, doing the same durable work and nothing else.

`run` in a thread or task of its own, `get` when it has answered; SHA-256, fsync, rename, the folder flushed. No
deadline, no polling, no renewal, no verification of what came: the least code that keeps the same file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING

from floor import PATH, synced

if TYPE_CHECKING:
    import aiohttp
    import urllib3

__all__ = ["AIO_BUFFER", "CHUNK", "bare_aiohttp", "bare_urllib3"]

CHUNK = 1024 * 1024
AIO_BUFFER = 512 * 1024


def bare_urllib3(
    pool: urllib3.PoolManager,
    url: str,
    element: int,
    folder: str,
    *,
    segment: int = 0,
    name: str = "Sales.pdf",
    alone: urllib3.PoolManager | None = None,
) -> str:
    """One job. `alone` is the pool for `run`, whose connection is then new and closed afterwards (R20)."""

    def asked(state: str, query: str = "") -> urllib3.BaseHTTPResponse:
        target, headers, by = url + PATH.format(element, segment, state) + query, {"Token": "t"}, pool
        if state == "run" and alone is not None:
            headers["Connection"], by = "close", alone
        return by.request("GET", target, headers=headers, retries=False, preload_content=state != "get")

    assert "pdf" in json.loads(asked("formats").data)["formats"]
    token = json.loads(asked("init").data)["token"]
    query = f"?token={token}&format=pdf"
    answers: list[object] = []
    run = threading.Thread(target=lambda: answers.append(json.loads(asked("run", query).data)))
    run.start()
    run.join()
    assert answers == [{"status": "OK"}]
    return _streamed(asked("get", query), folder, name)


def _streamed(response: urllib3.BaseHTTPResponse, folder: str, name: str) -> str:
    path, hidden, digest = os.path.join(folder, name), os.path.join(folder, f".{name}.part"), hashlib.sha256()
    with open(hidden, "wb", buffering=0) as file:
        for chunk in response.stream(CHUNK):
            file.write(chunk)
            digest.update(chunk)
        os.fsync(file.fileno())
    response.release_conn()
    digest.hexdigest()
    os.rename(hidden, path)
    synced(folder)
    return path


async def bare_aiohttp(
    session: aiohttp.ClientSession,
    url: str,
    element: int,
    folder: str,
    *,
    segment: int = 0,
    name: str = "Sales.pdf",
    alone: aiohttp.ClientSession | None = None,
) -> str:
    """One job; `alone` as for `bare_urllib3`."""

    async def asked(state: str, query: str = "") -> dict[str, object]:
        target = url + PATH.format(element, segment, state) + query
        by = alone if state == "run" and alone is not None else session
        async with by.get(target, headers={"Token": "t"}) as response:
            answer: dict[str, object] = json.loads(await response.read())
        return answer

    formats = (await asked("formats"))["formats"]
    assert isinstance(formats, list)
    assert "pdf" in formats
    token = (await asked("init"))["token"]
    query = f"?token={token}&format=pdf"
    assert await asyncio.create_task(asked("run", query)) == {"status": "OK"}
    path, hidden, digest = os.path.join(folder, name), os.path.join(folder, f".{name}.part"), hashlib.sha256()
    target = url + PATH.format(element, segment, "get") + query
    file = open(hidden, "wb", buffering=0)  # noqa: ASYNC230, SIM115 - closed in the thread that makes it durable
    async with session.get(target, headers={"Token": "t"}, read_bufsize=AIO_BUFFER) as response:
        async for chunk in response.content.iter_any():
            file.write(chunk)
            digest.update(chunk)
    digest.hexdigest()

    def durable() -> None:
        os.fsync(file.fileno())
        file.close()
        os.rename(hidden, path)
        synced(folder)

    await asyncio.to_thread(durable)
    return path
