"""Business Central's ``$batch``: a JSON document of at most 100 requests, one after the other."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from tests.odata.service import Service
from tests.odata.wire import Answer, Call, Refused, dump, load

LIMIT = 100


class _RolledBackError(Exception):
    pass


def answer_batch(service: Service, call: Call) -> Answer:
    if call.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise Refused(400, "BadRequest", "The content type of a batch must be 'application/json'.")
    try:
        requests = load(call.body)["requests"]
        ids = [each["id"] for each in requests]
    except (ValueError, KeyError, TypeError):
        raise Refused(
            400, "BadRequest", "The batch is not a JSON object with 'requests', each with an 'id'."
        ) from None
    if len(requests) > LIMIT:
        text = f"The current batch has exceeded the maximum number of '{LIMIT}' query operations and change sets."
        raise Refused(500, "Unknown", text)
    if len(set(ids)) != len(ids) or not all(isinstance(id, str) and id for id in ids):
        raise Refused(400, "BadRequest", "The 'id' of each request in a batch must be a unique text.")
    answers: list[dict[str, Any]] = []
    if call.headers.get("isolation", "").lower() == "snapshot":
        try:
            with service.store.all_or_nothing():
                for each in requests:
                    answers.append(_one(service, call, each))
                    if answers[-1]["status"] >= 400:
                        raise _RolledBackError
        except _RolledBackError:
            pass  # what was done before still says that it was done
    else:
        answers = [_one(service, call, each) for each in requests]
    if service.faults.shuffle:
        answers.reverse()
    if service.faults.drop_answers:
        service.faults.drop_answers -= 1
        del answers[-1]
    return Answer(200, {"responses": answers})


def _one(service: Service, outer: Call, request: dict[str, Any]) -> dict[str, Any]:
    if service.faults.per_operation:
        time.sleep(service.faults.per_operation)
    answer = _answer(service, outer, request)
    content = answer.content()
    headers = {"content-type": "application/json; odata.metadata=minimal", "odata-version": "4.0"}
    headers |= {name.lower(): value for name, value in answer.headers.items()}
    told: dict[str, Any] = {"id": request["id"], "status": answer.status, "headers": headers}
    if content:
        told["body"] = load(content)
    return told


def _answer(service: Service, outer: Call, request: dict[str, Any]) -> Answer:
    method, url, body = request.get("method"), request.get("url"), request.get("body")
    headers = {str(name).lower(): str(value) for name, value in (request.get("headers") or {}).items()}
    if method not in ("GET", "POST", "PATCH", "DELETE") or not isinstance(url, str):
        return service.error(Refused(400, "BadRequest", "A request of a batch needs 'method' and 'url'."))
    if body is not None and "content-type" not in headers:
        return service.error(
            Refused(400, "BadRequest", "A request with a body needs the header 'Content-Type'.")
        )
    if "$batch" in url:
        return service.error(Refused(400, "BadRequest", "A batch cannot hold a batch."))
    root = urlsplit(service.root)
    for start in (service.root, root.path):
        url = url.removeprefix(start)
    path, _, query = url.lstrip("/").partition("?")
    content = b"" if body is None else dump(body)
    return service.call(Call(method, path, query, headers, content, outer.user, in_batch=True))
