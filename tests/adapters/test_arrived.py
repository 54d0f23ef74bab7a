"""What one read of a TLS body gives: every record that has come whole, and nothing that is still on its way."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
import trustme

from reportdl.transports.arrived import arrived

RECORD = 16 * 1024


class Server:
    """The other end of a TLS connection, which decides how many of its bytes leave."""

    def __init__(self) -> None:
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("here").configure_cert(context)
        client = ssl.create_default_context()
        authority.configure_trust(client)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname(), timeout=5.0)
            self.sock, _ = listener.accept()
        shaking = threading.Thread(target=self._shake)
        shaking.start()
        self.client = client.wrap_socket(theirs, server_hostname="here")
        shaking.join()

    def _shake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._out.read())
                self._in.write(self.sock.recv(65_536))
            else:
                return self.sock.sendall(self._out.read())

    def coded(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._out.read()

    def close(self) -> None:
        self.client.close()
        self.sock.close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def reader(server):
    reader = server.client.makefile("rb")
    yield arrived(reader, server.client)
    reader.close()


def settled(server, count):
    """Until so many bytes on the wire are where the client can read them."""
    end, here = time.monotonic() + 5.0, 0
    with socket.socket(fileno=socket.dup(server.client.fileno())) as plain:
        plain.settimeout(5.0)
        while here < count:
            assert time.monotonic() < end, f"{here} of {count} bytes"
            here = len(plain.recv(count, socket.MSG_PEEK))


@pytest.mark.rules("D36")
def test_the_records_that_are_here_come_together_and_half_a_one_is_not_waited_for(server, reader):
    body = bytes(range(256)) * 256  # four records
    wire = server.coded(body)
    last = server.coded(b"the end")
    server.sock.sendall(wire + last[:-1])
    settled(server, len(wire) + len(last) - 1)
    assert reader.read1(1024 * 1024) == body
    server.sock.sendall(last[-1:])
    assert reader.read1(1024 * 1024) == b"the end"
    assert server.client.gettimeout() == 5.0


def test_no_more_is_taken_than_was_asked_for(server, reader):
    wire = server.coded(bytes(3 * RECORD))
    server.sock.sendall(wire)
    settled(server, len(wire))
    assert [len(reader.read1(40_000)), len(reader.read1(9_000)), len(reader.read1(9_000))] == [40_000, 9_000, 152]


@pytest.mark.rules("D21", "I10")
def test_what_comes_before_a_broken_record_counts_and_the_break_is_no_end(server, reader):
    wire = server.coded(b"some") + server.coded(b"more")
    broken = wire[:-1] + bytes([wire[-1] ^ 1])
    server.sock.sendall(broken)
    settled(server, len(broken))
    assert reader.read1(1024) == b"some"
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            reader.read1(1024)


def test_the_end_stays_the_end(server, reader):
    server.sock.sendall(server.coded(b"all"))
    server.sock.shutdown(socket.SHUT_WR)
    settled(server, 1)
    assert b"".join(iter(lambda: reader.read1(1024), b"")) == b"all"
    assert reader.read1(1024) == b""


def test_a_plain_socket_needs_no_help():
    one, other = socket.socketpair()
    with one, other, one.makefile("rb") as reader:
        assert arrived(reader, one) is reader
