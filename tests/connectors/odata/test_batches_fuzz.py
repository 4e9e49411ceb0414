"""Whatever is answered to a batch, every operation has a result, and nothing but a Failure comes out."""

import contextlib
import json

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synccore.connectors.odata import batches, circuit, limiter
from synccore.connectors.odata.client import Answer, Client, Request
from synccore.failures import Failure
from tests.connectors.odata.test_batches import FORMS, get, post, update

OPERATIONS = [update(1), get(2), post(3)]
STATUSES = st.sampled_from(
    [200, 200, 200, 200, 202, 204, 301, 400, 404, 408, 413, 429, 500, 501, 502, 503, 504]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
RESPONSE = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["1", "2", "3", 1, 2, "4", "", None, "01", "²"]) | JSON,
        "status": st.sampled_from([200, 201, 204, 400, 404, 412, 424, 429, 500, "200", None, True]) | JSON,
        "headers": st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3) | JSON,
        "body": JSON,
    },
)


def whole(parts: list[bytes], cut: int) -> bytes:
    """A multipart body of these parts, cut off at a place."""
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return body[:cut] if cut else body


PART = st.builds(
    lambda id, status, body: (
        (f"Content-ID: {id}\r\n" if id else "").encode()
        + f"Content-Type: application/http\r\n\r\nHTTP/1.1 {status} X\r\nA: b\r\n\r\n".encode()
        + body
    ),
    st.sampled_from(["", "1", "2", "3", "9", "x"]),
    st.sampled_from([200, 204, 400, 404, 412, 424, 500, "xx", ""]),
    st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()),
) | st.binary(max_size=60)

ANSWERS = {
    "json": JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(RESPONSE, max_size=5).map(lambda rows: json.dumps({"responses": rows}).encode())
    | st.binary(max_size=80),
    "multipart": st.builds(whole, st.lists(PART, max_size=5), st.just(0) | st.integers(1, 300))
    | st.binary(max_size=80),
}


@pytest.mark.parametrize("form", list(FORMS))
@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_operation_has_a_result(form, data):
    for known in (batches._known, circuit._locals, limiter._locals):
        known.clear()
    sent: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/$batch"):
            sent.append(request.method)
            return httpx2.Response(data.draw(STATUSES), content=data.draw(st.binary(max_size=20)))
        body = data.draw(ANSWERS[form])
        headers = {"Content-Type": "multipart/mixed; boundary=b"} if form == "multipart" else {}
        headers |= data.draw(st.sampled_from([{}, {}, {"Retry-After": "0"}, {"Retry-After": "x"}]))
        sent.append(request.method)
        return httpx2.Response(data.draw(STATUSES), content=body, headers=headers)

    profile, root = FORMS[form]
    client = Client(
        profile(), app="X", root=root, transport=httpx2.MockTransport(answer), rest=lambda seconds: None
    )
    with client:
        client.pause = lambda seconds: None  # type: ignore[method-assign]
        client._service.limiter.pause = lambda seconds: None  # type: ignore[method-assign]
        try:
            results = client.batch(OPERATIONS, operation="update", table="accounts")
        except Failure:
            return
    assert len(results) == len(OPERATIONS)
    assert len(sent) < 60
    for request, result in zip(OPERATIONS, results, strict=True):
        assert isinstance(result, Answer | Failure)
        if isinstance(result, Answer):
            assert result.status < 300
            assert result.request == request
        else:
            assert not (result.outcome_unknown and request.method == "GET")


@settings(max_examples=300)
@given(path=st.text(max_size=60), body=st.binary(max_size=20))
def test_whatever_address_a_service_gives_no_other_host_hears_of_it(path, body):
    for known in (circuit._locals, limiter._locals):
        known.clear()
    heard: list[httpx2.URL] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        heard.append(request.url)
        assert b" " not in request.extensions["target"] and b"\r" not in request.extensions["target"]
        return httpx2.Response(200, content=body)

    profile, root = FORMS["multipart"]
    client = Client(
        profile(), app="X", root=root, transport=httpx2.MockTransport(answer), rest=lambda seconds: None
    )
    with client, contextlib.suppress(Failure):
        client.send(Request("GET", path), operation="read")
    assert all(url.host == "sales.example" and url.scheme == "https" for url in heard)
