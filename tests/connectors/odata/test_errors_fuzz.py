"""Whatever a service answers, a Failure comes out: no exception, no secret, always something that can be stored."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore import guides
from synccore.codes import CODES
from synccore.connectors.odata.bodies import KEPT
from synccore.connectors.odata.client import Answer, Request
from synccore.connectors.odata.errors import no_answer, token_refused, translate
from synccore.failures import Failure, Stale
from synccore.shapes import FieldInfo, FieldType
from tests.connectors.odata.said import BUSINESS_CENTRAL, DATAVERSE, PLAIN, SECRET, error, situation

PROFILES = (DATAVERSE, BUSINESS_CENTRAL, PLAIN)
OPERATIONS = ("read", "create", "update", "delete", "connect", "token", "batch")

words = st.sampled_from(
    [
        "prvWriteAccount", "Id=6f1c1d1e-0000-4000-8000-00000000abcd", "Admin Only mode", "TableData 18 Customer Modify:",
        "(TableData", "must have a value in", "does not match to a", "With Id = ", "the length of the string is 9, but it",
        "CorrelationId:", "Bearer ", "client_secret=", SECRET, "{", "}", "'", '"', "<", ">", "\x00", "\ud800", "\n", "%s",
        "Identification fields and values: No.='", "outside the valid range", "9" * 30, "exchange rate", "AADSTS7000215:",
    ]
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=60), st.lists(words, max_size=8).map(" ".join), st.lists(words, max_size=8).map("".join)
)
known = st.sampled_from(
    ["0x80040220", "-2147220960", "0x80040217", "0x80048d19", "0x80044331", "Internal_RecordNotFound", "Unknown",
     "Application_DialogException", "Application_StringExceededLength", "Internal_ServerError", "BadRequest",
     "Internal_EntityWithSameKeyExists", "Authorization_x", "invalid_client", ""]
)  # fmt: skip
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    known,
    st.integers(min_value=10**5000, max_value=10**5001),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["error", "code", "message", "target", "details", "innererror", "value", "error_description",
                                 "@Microsoft.PowerApps.CDS.InnerError.Message"]),
                texts,
            ),
            inner, max_size=5,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


def as_json(document: Any) -> bytes:
    try:
        return json.dumps(document).encode("utf-8", "surrogatepass")
    except ValueError:  # a number of more digits than Python writes
        return b'{"error": {"code": ' + b"9" * 6000 + b"}}"


errors = st.builds(
    lambda code, message, more: as_json({"error": {**more, "code": code, "message": message}}),
    st.one_of(known, scalars),
    st.one_of(texts, scalars),
    st.dictionaries(texts, scalars, max_size=3),
)
pages = st.builds(
    lambda start, middle, end: f"{start}{middle}{end}".encode("utf-8", "surrogatepass"),
    st.sampled_from(
        ["<html>", "<!DOCTYPE html>", "<error><code>", "<?xml version='1.0'?>", "<script>", "<!--", ""]
    ),
    texts,
    st.sampled_from(["</html>", "</code></error>", "</script>", "", "&#0;&#xD800;&bogus;"]),
)
bodies = st.one_of(
    st.binary(max_size=200),
    documents.map(as_json),
    errors,
    errors.flatmap(lambda body: st.integers(0, len(body)).map(lambda cut: body[:cut])),
    pages,
    texts.map(lambda text: text.encode("utf-16", "surrogatepass")),
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "req_id", "x-ms-service-request-id", "date", "location"]),
    st.one_of(
        st.sampled_from(
            ["application/json", "text/html; charset=utf-16", "application/xml", "x; charset=nosuch"]
        ),
        texts,
    ),
)
values = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["name", "number", "currencyId"]),
        st.one_of(texts, st.integers(), st.none()),
        max_size=3,
    ),
)
INFOS = {"name": FieldInfo("name", FieldType.TEXT, length=3, label="Name")}


def assert_sound(found: Failure) -> None:
    """It can be stored, shown and explained, and holds no secret."""
    params = json.dumps(found.params, allow_nan=False)
    for text in (params, found.app_message, found.debug, repr(found)):
        assert SECRET not in text and json.dumps(SECRET)[1:-1] not in text
    for text in (*map(str, found.params.values()), found.app_message, found.debug):
        assert "\x00" not in text
        text.encode()  # no lone surrogate: the database would refuse it
        assert len(text) <= 4 * KEPT
    if not isinstance(found, Stale):
        assert CODES[found.code].kind is found.kind
        assert found.params.keys() <= CODES[found.code].params
        assert guides.render(found.code, found.params, apps={"left": "L", "right": "R"}).sentence


@given(
    st.integers(100, 999),
    bodies,
    headers,
    st.sampled_from(PROFILES),
    st.sampled_from(OPERATIONS),
    values,
    st.booleans(),
)
def test_any_answer_gives_a_failure(
    status: int, body: bytes, header: dict[str, str], profile: Any, operation: str, written: Any, keyed: bool
) -> None:
    path = f"accounts({SECRET})?x=1" if keyed else "accounts"
    now = situation(operation=operation, values=written, infos=INFOS, id="")
    got = Answer(status, header, body, Request("PATCH", path))
    assert_sound(translate(got, now, profile))
    assert_sound(token_refused(got, now))


@given(texts, st.sampled_from(OPERATIONS))
def test_any_error_without_an_answer_gives_a_failure(text: str, operation: str) -> None:
    for raised in (ValueError(text), OSError(text), RuntimeError(text)):
        assert_sound(no_answer(raised, situation(operation=operation)))


HUGE = 300_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * HUGE,
        b'{"error":' * (HUGE // 9),
        b"<script>" * (HUGE // 8),
        b"<!--" * (HUGE // 4),
        b"<" * HUGE,
        b" " * HUGE + b"x",
        b'"message":"' * (HUGE // 11),
        error("Unknown", " " * HUGE),
        error("Unknown", "\n " * (HUGE // 2)),
        error("0x80040220", "Id=6f1c1d1e-0000-4000-8000-00000000abcd " * (HUGE // 40)),
        error("Unknown", "TableData " * (HUGE // 10)),
        error("Unknown", "(TableData x " * (HUGE // 13)),
        error("", "user " * (HUGE // 5)),
        error("", "environment exchange rate property value string " * (HUGE // 48)),
        error("Application_FieldValidationException", "x" * HUGE),
        error("Unknown", "Bearer " * (HUGE // 7)),
        error("", "eyJ" + "a" * HUGE),
        error("", "client_secret" * (HUGE // 13)),
        error("Internal_EntityWithSameKeyExists", "Identification fields and values: " + "a" * HUGE),
        error("", "With Id = " * (HUGE // 10)),
        error("", "'a" * (HUGE // 2)),
        error("", "[]" * (HUGE // 2), details=[{"message": "m" * 1000}] * 5000),
    ],
    ids=range(22),
)  # fmt: skip
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_huge_body_is_no_way_to_keep_a_worker_busy(body: bytes, profile: Any) -> None:
    started = time.process_time()
    found = translate(
        Answer(400, {}, body, Request("GET", "accounts")), situation(operation="update"), profile
    )
    assert_sound(found)
    assert time.process_time() - started < 5, "every pattern is bounded"
