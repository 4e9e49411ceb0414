"""One batch as ``multipart/mixed`` (OData 4.0, Dataverse): every operation is an HTTP message of its own.

Lines end in CRLF, the last one too: a service that misses it cannot read the batch. There are no change sets: nothing here
is done all or nothing, so that no record is refused for the sake of another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from synccore.connectors.odata.errors import BadAnswer
from synccore.connectors.odata.messages import Answer, Request, place_of

_BOUNDARY: Final = re.compile(r"""boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE)
_LINE_END: Final = re.compile(rb"\r?\n")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(rb"HTTP/\d\.\d ([2-5]\d\d)(?: [^\r\n]*)?(?:\r?\n|\Z)")


def encode(operations: Sequence[Request], urls: Sequence[str]) -> tuple[str, bytes]:
    """Content type and body of a batch. ``urls`` are the operations' addresses from the host on."""
    boundary = f"batch_{uuid4().hex}"
    lines: list[bytes] = []
    for number, (each, url) in enumerate(zip(operations, urls, strict=True), start=1):
        headers = {"Accept": "application/json", **each.headers}
        if each.body is not None:
            headers = {"Content-Type": "application/json", **headers}
        lines += (
            f"--{boundary}".encode(),
            b"Content-Type: application/http",
            b"Content-Transfer-Encoding: binary",
            f"Content-ID: {number}".encode(),
            b"",
            f"{each.method} {url} HTTP/1.1".encode(),
            *(f"{name}: {value}".encode() for name, value in headers.items()),
            b"",
            each.body or b"",
        )
    lines += (f"--{boundary}--".encode(), b"")
    return f'multipart/mixed; boundary="{boundary}"', b"\r\n".join(lines)


def decode(answer: Answer, operations: Sequence[Request]) -> list[Answer | None]:
    """Each operation's answer: by Content-ID where every part has one of ours, else in order; None where none came. Raises
    BadAnswer, also where ids and order contradict each other."""
    parts = [_part(answer, raw) for raw in _split(answer)]
    if len(parts) > len(operations):
        raise BadAnswer(answer, "more parts than operations")
    named = [place_of(id, len(operations)) for id, _status, _headers, _body in parts]
    places = [place for place in named if place is not None]
    if len(places) < len(parts):
        places = list(range(len(parts)))
    if len(set(places)) < len(places) or any(
        name not in (None, place) for name, place in zip(named, places, strict=True)
    ):
        raise BadAnswer(answer, "parts that say they are another's")
    found: list[Answer | None] = [None] * len(operations)
    for place, (_id, status, headers, body) in zip(places, parts, strict=True):
        found[place] = Answer(status, headers, body, operations[place])
    return found


def _split(answer: Answer) -> list[bytes]:
    said = _BOUNDARY.search(answer.headers.get("content-type", ""))
    if not said:
        raise BadAnswer(answer, "no boundary")
    delimiter = b"--" + (said[1] or said[2]).encode("latin-1", "replace")
    body, parts = answer.body, []
    begins: int | None = None
    ended = False
    for found in re.finditer(re.escape(delimiter) + rb"(--)?[ \t]*(?=\r?\n|\Z)", body):
        at = found.start()
        if at and body[at - 1 : at] != b"\n":
            continue  # in the middle of a line
        if begins is not None:
            # The line end before a delimiter is the delimiter's.
            parts.append(body[begins:at].removesuffix(b"\n").removesuffix(b"\r"))
        ended = found[1] is not None
        begins = None if ended else found.end()
    if not ended:
        raise BadAnswer(answer, "cut before its end")
    return parts


def _part(answer: Answer, raw: bytes) -> tuple[str, int, dict[str, str], bytes]:
    """Content-ID, status, headers and body of one part."""
    outer = _HEAD_END.split(raw, maxsplit=1)
    if len(outer) != 2:
        raise BadAnswer(answer, "a part without a message")
    about = _headers(outer[0])
    status = _STATUS.match(outer[1])
    if status is None or "multipart" in about.get("content-type", ""):
        raise BadAnswer(answer, "a part without a status")
    rest = outer[1][status.end() :]
    # A message may have no headers at all: then its blank line comes at once.
    at_once = _LINE_END.match(rest)
    head, body = (b"", rest[at_once.end() :]) if at_once else _cut(rest)
    headers = _headers(head)
    return about.get("content-id", headers.get("content-id", "")), int(status[1]), headers, body


def _cut(rest: bytes) -> tuple[bytes, bytes]:
    """Headers and body."""
    end = _HEAD_END.search(rest)
    return (rest, b"") if end is None else (rest[: end.start()], rest[end.end() :])


def _headers(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in raw.splitlines():
        name, colon, value = line.partition(b":")
        if colon:
            found[name.decode("latin-1").strip().lower()] = value.decode("utf-8", "replace").strip()
    return found
