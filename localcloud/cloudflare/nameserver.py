"""The zones over DNS: an authoritative server on UDP."""

from __future__ import annotations

import re
from socketserver import BaseRequestHandler
from typing import TYPE_CHECKING

import dnslib

from .resolve import resolve
from .sockets import PortTakenError, Running, UdpServer

if TYPE_CHECKING:
    import socket

    from .api import Api
    from .resolve import Resource

TXT_CHUNK = 255

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Nameserver:
    """Serves the zones of an Api at `address` until `stop`. Answers are never truncated."""

    def __init__(self, api: Api, host: str = "127.0.0.1", port: int = 0) -> None:
        class Questions(_Questions):
            zones = api

        try:
            server = UdpServer((host, port), Questions)
        except OSError as error:
            raise PortTakenError("DNS", host, port, error) from error
        self.address: tuple[str, int] = (host, int(server.server_address[1]))
        self._running = Running(server, "standin-dns")

    def stop(self) -> None:
        """Close the socket and wait for the threads."""
        self._running.stop()


class _Questions(BaseRequestHandler):
    zones: Api
    request: tuple[bytes, socket.socket]

    def handle(self) -> None:
        packet, sender = self.request
        try:
            question = dnslib.DNSRecord.parse(packet)
        except dnslib.DNSError:
            return
        if not question.header.qr and len(question.questions) == 1:
            sender.sendto(_reply(self.zones, question).pack(), self.client_address)


def _reply(api: Api, question: dnslib.DNSRecord) -> dnslib.DNSRecord:
    asked = str(question.q.qname).removesuffix(".")
    qtype = str(dnslib.QTYPE.get(question.q.qtype))
    with api.lock:
        answer = resolve(api.zones, asked.lower(), qtype)
    reply = question.reply(ra=0, aa=int(answer.authoritative))
    reply.header.rcode = answer.rcode.value
    try:
        for resource in answer.answers:
            # The owner is written as it was asked for: resolvers check the case they sent.
            owner = asked if resource.name == asked.lower() else resource.name
            reply.add_answer(_resource_record(resource, owner))
        for resource in answer.authority:
            reply.add_auth(_resource_record(resource, resource.name))
    except (ValueError, dnslib.DNSError):
        # The API accepts content for which dnslib has no wire format.
        reply = question.reply(ra=0, aa=0)
        reply.header.rcode = dnslib.RCODE.SERVFAIL
    return reply


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
    """Return the strings of a TXT record: the quoted ones, or the whole text in chunks."""
    quoted = _QUOTED.findall(content)
    texts = [re.sub(r"\\(.)", r"\1", text) for text in quoted] if quoted else [content]
    chunks = []
    for text in texts:
        raw = text.encode()
        chunks += [raw[i : i + TXT_CHUNK] for i in range(0, len(raw) or 1, TXT_CHUNK)]
    return chunks
