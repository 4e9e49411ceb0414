"""One batch as JSON (OData 4.01, Business Central): ``{"requests": […]}`` there, ``{"responses": […]}`` back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from synccore.connectors.odata.errors import BadAnswer
from synccore.connectors.odata.messages import Answer, Request, place_of

CONTENT_TYPE: Final = "application/json"


def encode(operations: Sequence[Request], urls: Sequence[str]) -> tuple[str, bytes]:
    """Content type and body of a batch. ``urls`` are the operations' addresses, relative to the batch's service root."""
    parts: list[bytes] = []
    for number, (each, url) in enumerate(zip(operations, urls, strict=True), start=1):
        headers = {"Accept": "application/json", **each.headers}
        if each.body is not None:
            headers = {"Content-Type": "application/json", **headers}
        head = json.dumps({"id": str(number), "method": each.method, "url": url, "headers": headers})
        # The body stays the text it is: numbers keep their digits.
        parts.append(head[:-1].encode() + b', "body": ' + each.body + b"}" if each.body else head.encode())
    return CONTENT_TYPE, b'{"requests": [' + b", ".join(parts) + b"]}"


def decode(answer: Answer, operations: Sequence[Request]) -> list[Answer | None]:
    """Each operation's answer, whatever the order they came in; None where none came. Raises BadAnswer."""
    responses = answer.json().get("responses")
    if not isinstance(responses, list):
        raise BadAnswer(answer, "no responses")
    found: list[Answer | None] = [None] * len(operations)
    for each in responses:
        if not isinstance(each, dict):
            raise BadAnswer(answer, "a response is no object")
        position = place_of(str(each.get("id")), len(operations))
        status = each.get("status")
        if position is None or not isinstance(status, int) or not 200 <= status <= 599:
            raise BadAnswer(answer, "a response without id or status")
        if found[position] is not None:
            raise BadAnswer(answer, "two responses to one request")
        found[position] = _answer(each, status, operations[position])
    return found


def _answer(each: Mapping[str, Any], status: int, request: Request) -> Answer:
    said = each.get("headers")
    headers = (
        {str(name).lower(): str(value) for name, value in said.items()} if isinstance(said, dict) else {}
    )
    body = each.get("body")
    if body is None:
        return Answer(status, headers, b"", request)
    if isinstance(body, str):
        return Answer(status, headers, body.encode("utf-8", "replace"), request)
    headers.setdefault("content-type", "application/json")
    text = json.dumps(body, default=str).encode()
    return Answer(status, headers, text, request, parsed=body if isinstance(body, dict) else None)
