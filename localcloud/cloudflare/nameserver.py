"""The zones over DNS: an authoritative server on UDP and TCP, under one port number."""

from __future__ import annotations

import re
import struct
from socketserver import BaseRequestHandler
from typing import TYPE_CHECKING

import dnslib

from localcloud.cloudflare.resolve import Edge, resolve
from localcloud.cloudflare.sockets import Running, TcpServer, UdpServer
from localcloud.ports import PortTakenError

if TYPE_CHECKING:
    import socket

    from localcloud.cloudflare.api import Api
    from localcloud.cloudflare.resolve import Answer, Resource

PLAIN_UDP_SIZE = 512
EDNS_UDP_SIZE = 1232
TXT_CHUNK = 255
PORT_ATTEMPTS = 20
DEFAULT_EDGE = Edge()

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Nameserver:
    """Serves an Api's zones until ``stop``. ``address`` is the host and port of both protocols."""

    def __init__(
        self, api: Api, host: str = "127.0.0.1", port: int = 0, edge: Edge = DEFAULT_EDGE
    ) -> None:
        tcp, udp = _bind(api, host, port, edge)
        self.address: tuple[str, int] = (host, tcp.server_address[1])
        self._running = (Running(tcp, "standin-dns-tcp"), Running(udp, "standin-dns-udp"))

    def stop(self) -> None:
        """Close both sockets and wait for their threads."""
        for running in self._running:
            running.stop()


def _bind(api: Api, host: str, port: int, edge: Edge) -> tuple[TcpServer, UdpServer]:
    """Bind TCP, then UDP to the same number; a free number is looked for again if UDP's is not."""

    class Tcp(_TcpQuestions):
        answerer = _Answerer(api, edge)

    class Udp(_UdpQuestions):
        answerer = _Answerer(api, edge)

    attempts_left = 1 if port else PORT_ATTEMPTS
    while True:
        attempts_left -= 1
        try:
            tcp = TcpServer((host, port), Tcp)
        except OSError as error:
            raise PortTakenError("DNS over TCP", host, port, error) from error
        number = int(tcp.server_address[1])
        try:
            return tcp, UdpServer((host, number), Udp)
        except OSError as error:
            tcp.server_close()
            if not attempts_left:
                raise PortTakenError("DNS over UDP", host, number, error) from error


class _Answerer:
    """Turns a packet into its answer, or into None if it is not a question."""

    def __init__(self, api: Api, edge: Edge) -> None:
        self._api = api
        self._edge = edge

    def answer(self, packet: bytes, limit: int | None) -> bytes | None:
        """Answer a packet; beyond the limit (or what the client offers) only that it was cut."""
        try:
            question = dnslib.DNSRecord.parse(packet)
        except dnslib.DNSError:
            return None
        if question.header.qr or len(question.questions) != 1:
            return None
        reply = self._reply(question)
        edns = next((item for item in question.ar if item.rtype == dnslib.QTYPE.OPT), None)
        if edns is not None:
            reply.add_ar(dnslib.EDNS0(udp_len=EDNS_UDP_SIZE))
            limit = None if limit is None else max(limit, min(int(edns.rclass), EDNS_UDP_SIZE))
        packed: bytes = reply.pack()
        if limit is not None and len(packed) > limit:
            # The question stays in: clients match answers by it.
            reply.rr, reply.auth = [], []
            reply.header.tc = 1
            packed = reply.pack()
        return packed

    def _reply(self, question: dnslib.DNSRecord) -> dnslib.DNSRecord:
        reply = question.reply(ra=0)
        asked = str(question.q.qname).removesuffix(".")
        qtype = dnslib.QTYPE.get(question.q.qtype)
        with self._api.lock:
            answer = resolve(self._api.zones, asked.lower(), str(qtype), self._edge)
        try:
            _fill(reply, answer, asked)
        except (ValueError, dnslib.DNSError):
            # The API took content that this library has no wire form for.
            reply = question.reply(ra=0, aa=0)
            reply.header.rcode = dnslib.RCODE.SERVFAIL
        return reply


def _fill(reply: dnslib.DNSRecord, answer: Answer, asked: str) -> None:
    reply.header.rcode = answer.rcode.value
    reply.header.aa = int(answer.authoritative)
    for resource in answer.answers:
        # The owner is written as it was asked for: resolvers check the case they sent.
        owner = asked if resource.name == asked.lower() else resource.name
        reply.add_answer(_resource_record(resource, owner))
    for resource in answer.authority:
        reply.add_auth(_resource_record(resource, resource.name))


def _resource_record(resource: Resource, owner: str) -> dnslib.RR:
    if resource.type == "TXT":
        data = dnslib.TXT(_txt_chunks(resource.content))
        return dnslib.RR(owner, dnslib.QTYPE.TXT, rdata=data, ttl=resource.ttl)
    content = resource.content
    if resource.type in {"CNAME", "NS", "MX", "PTR", "SRV"} and not content.endswith("."):
        content = f"{content}."
    if resource.priority is not None:
        content = f"{resource.priority} {content}"
    records = dnslib.RR.fromZone(f"x. {resource.ttl} IN {resource.type} {content}")
    record = records[0]
    record.rname = dnslib.DNSLabel(owner)
    return record


def _txt_chunks(content: str) -> list[bytes]:
    """Return the strings of a TXT record: those quoted, or the whole text cut to what fits."""
    quoted = _QUOTED.findall(content)
    texts = [re.sub(r"\\(.)", r"\1", text) for text in quoted] if quoted else [content]
    chunks = []
    for text in texts:
        raw = text.encode()
        chunks += [raw[i : i + TXT_CHUNK] for i in range(0, len(raw) or 1, TXT_CHUNK)]
    return chunks


class _UdpQuestions(BaseRequestHandler):
    answerer: _Answerer
    request: tuple[bytes, socket.socket]

    def handle(self) -> None:
        packet, sender = self.request
        reply = self.answerer.answer(packet, PLAIN_UDP_SIZE)
        if reply is not None:
            sender.sendto(reply, self.client_address)


class _TcpQuestions(BaseRequestHandler):
    answerer: _Answerer
    request: socket.socket

    def handle(self) -> None:
        while header := _read(self.request, 2):
            (length,) = struct.unpack("!H", header)
            reply = self.answerer.answer(_read(self.request, length), None)
            if reply is None:
                return
            self.request.sendall(struct.pack("!H", len(reply)) + reply)


def _read(connection: socket.socket, count: int) -> bytes:
    """Return exactly this many bytes, or none if the client closes the connection first."""
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            return b""
        received += chunk
    return received
