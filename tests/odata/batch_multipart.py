"""Dataverse's ``$batch``: multipart/mixed, CRLF everywhere and after the last line, at most 1,000 operations."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.odata.service import Service
from tests.odata.wire import Answer, Call, Refused

LIMIT = 1000
LONGEST_ADDRESS = 65_536


class _FailedError(Exception):
    """An operation of a change set was refused: nothing of it is done."""

    def __init__(self, answer: Answer, content_id: str) -> None:
        self.answer, self.content_id = answer, content_id


@dataclass
class Part:
    headers: dict[str, str]
    body: bytes


def unreadable(why: str = "Stream was not readable.") -> Refused:
    text = f"Error identified in Payload provided by the user for Entity :'', InnerException : {why}"
    return Refused(400, "0x80048d19", text)


def boundary_of(content_type: str) -> str:
    match = re.fullmatch(r'multipart/mixed;\s*boundary=(?:"([^"]+)"|([^\s";]+))', content_type.strip())
    if match is None:
        raise unreadable("A batch is 'multipart/mixed' with a boundary.")
    return match.group(1) or match.group(2)


def parts_of(body: bytes, boundary: str) -> list[Part]:
    """The parts between the boundaries. Raises Refused where the framing is not exact."""
    opening, closing = f"--{boundary}\r\n".encode(), f"--{boundary}--\r\n".encode()
    if not body.endswith(closing) or not body.startswith(opening):
        raise unreadable()
    inner = body[len(opening) : -len(closing)]
    if not inner.endswith(b"\r\n"):
        raise unreadable()
    found = []
    for text in inner[:-2].split(b"\r\n" + opening):
        head, blank, content = text.partition(b"\r\n\r\n")
        if not blank or b"\n" in head.replace(b"\r\n", b""):
            raise unreadable()
        found.append(Part(_headers(head), content))
    return found


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, head.split(b"\r\n")):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise unreadable()
        found[name.strip().lower()] = value.strip()
    return found


def answer_batch(service: Service, call: Call) -> Answer:
    parts = parts_of(call.body, boundary_of(call.headers.get("content-type", "")))
    plan: list[Part | list[Part]] = []
    n = 0
    for part in parts:
        kind = part.headers.get("content-type", "")
        if kind.startswith("multipart/mixed"):
            inner = parts_of(part.body, boundary_of(kind))
            plan.append(inner)
            n += len(inner)
        else:
            plan.append(part)
            n += 1
    if n > LIMIT:
        text = f"The number of operations in the batch request exceeds the maximum limit of {LIMIT}."
        raise Refused(400, "0x80060888", text)
    name = f"batchresponse_{uuid4()}"
    goes_on = call.prefers("odata.continue-on-error") is not None
    chunks: list[bytes] = []
    status = 200
    for each in plan:
        answer, content = (
            _change_set(service, call, each) if isinstance(each, list) else _single(service, call, each)
        )
        chunks.append(content)
        if answer is not None and answer.status >= 400 and not goes_on:
            status = answer.status
            break
    if service.faults.drop_answers:
        service.faults.drop_answers -= 1
        del chunks[-1]
    body = b"".join(f"--{name}\r\n".encode() + chunk for chunk in chunks) + f"--{name}--\r\n".encode()
    return Answer(status, body, {"Content-Type": f"multipart/mixed; boundary={name}"})


def _single(service: Service, call: Call, part: Part) -> tuple[Answer, bytes]:
    answer = _run(service, call, part, {})
    return answer, _told(answer, part.headers.get("content-id", ""))


def _change_set(service: Service, call: Call, parts: list[Part]) -> tuple[Answer | None, bytes]:
    name = f"changesetresponse_{uuid4()}"
    references: dict[str, str] = {}
    chunks = []
    try:
        with service.store.all_or_nothing():
            for part in parts:
                number = part.headers.get("content-id", "")
                if not number:
                    raise unreadable("Every operation of a change set needs a Content-ID.")
                answer = _run(service, call, part, references, in_set=True)
                if answer.status >= 400:
                    raise _FailedError(answer, number)
                references[number] = answer.headers.get("OData-EntityId", "")
                chunks.append(_told(answer, number))
    except _FailedError as failed:
        return failed.answer, _told(failed.answer, failed.content_id)
    inner = b"".join(f"--{name}\r\n".encode() + chunk for chunk in chunks) + f"--{name}--\r\n".encode()
    return None, f"Content-Type: multipart/mixed; boundary={name}\r\n\r\n".encode() + inner + b"\r\n"


def _run(
    service: Service, outer: Call, part: Part, references: dict[str, str], in_set: bool = False
) -> Answer:
    if service.faults.per_operation:
        time.sleep(service.faults.per_operation)
    if (
        part.headers.get("content-type") != "application/http"
        or part.headers.get("content-transfer-encoding") != "binary"
    ):
        raise unreadable("A part is 'application/http' with 'Content-Transfer-Encoding: binary'.")
    head, _, body = part.body.partition(b"\r\n\r\n")
    if b"\n" in head.replace(b"\r\n", b""):
        raise unreadable()
    first, _, lines = head.partition(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1":
        raise unreadable(f"'{first.decode('latin-1')}' is no request line.")
    method, url, _ = words
    if in_set and method == "GET":
        raise unreadable("An invalid HTTP method 'GET' was detected. A change set holds no query.")
    if len(url) > LONGEST_ADDRESS:
        raise Refused(414, "0x0", "The request address is too long.")
    for number, address in references.items():
        url = re.sub(rf"^/?\${number}(?=/|$)", address, url)
    root = urlsplit(service.root)
    for start in (service.root, root.path):
        url = url.removeprefix(start)
    path, _, query = url.lstrip("/").partition("?")
    if path.startswith("$batch"):
        raise unreadable("A batch cannot hold a batch.")
    return service.call(
        Call(method, path, query, _headers(lines), body.removesuffix(b"\r\n"), outer.user, in_batch=True)
    )


def _told(answer: Answer, content_id: str) -> bytes:
    lines: dict[str, Any] = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if content_id:
        lines["Content-ID"] = content_id
    content = answer.content()
    inner: dict[str, Any] = {"OData-Version": "4.0", "REQ_ID": str(uuid4()), **answer.headers}
    if content:
        inner = {"Content-Type": "application/json; odata.metadata=minimal", **inner}
    reason = {200: "OK", 201: "Created", 204: "No Content"}.get(answer.status, "Refused")
    text = _lines(lines) + f"\r\nHTTP/1.1 {answer.status} {reason}\r\n" + _lines(inner) + "\r\n"
    return text.encode() + content + b"\r\n"


def _lines(headers: dict[str, Any]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
