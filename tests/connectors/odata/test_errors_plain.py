"""What any other OData V4 service says, refused tokens, and requests that got no answer."""

# ruff: noqa: E501  (what a service said is as long as it is)

from __future__ import annotations

import json
import re
import socket
import ssl

import httpx2
import pytest

from synccore.codes import CODES
from synccore.connectors.odata import errors_business_central, errors_dataverse, errors_plain
from synccore.connectors.odata.errors import no_answer, token_refused, translate, without_secrets
from synccore.connectors.odata.meanings import Meaning
from synccore.failures import Misconfigured, Rejected, Scope, Stale, Transient, Unrecognised
from tests.connectors.odata.said import (
    CREATE,
    DELETE,
    PLAIN,
    READ,
    READ_ONE,
    SECRET,
    UPDATE,
    Row,
    answer,
    check,
    error,
    situation,
)

RECORD, TABLE, CONNECTION = Scope.RECORD, Scope.TABLE, Scope.CONNECTION

ROWS = [
    Row("sign-in", 401, error("401", "Unauthorized"), READ, Misconfigured, "sign_in_refused", CONNECTION, {"user": "tandem", "host": "crm.example.com"}, "Unauthorized"),
    Row("forbidden", 403, error("403", "Forbidden"), UPDATE, Misconfigured, "missing_privilege", TABLE, {"table": "orders", "user": "tandem"}),
    Row("proxy asks for a sign-in", 407, b"<html>Proxy</html>", READ, Misconfigured, "wrong_address", CONNECTION),
    Row("gone", 404, error("404", "Not Found"), UPDATE, Stale, "stale", RECORD, {"gone": True}),
    Row("gone when read", 404, b"", READ_ONE, Stale, "stale", RECORD, {"gone": True}),
    Row("no such set", 404, error("404", "Invalid resource path"), READ, Misconfigured, "unknown_table", TABLE, {"table": "orders"}),
    Row("no service there", 404, b"", {"operation": "connect"}, Misconfigured, "wrong_address", CONNECTION),
    Row("not allowed", 405, b"", UPDATE, Misconfigured, "not_supported", TABLE),
    *(Row(f"stale by {status}", status, b"", UPDATE, Stale, "stale", RECORD, {"gone": False}) for status in (409, 412, 428)),
    *(Row(f"there already by {status}", status, b"", CREATE, Rejected, "duplicate_key", RECORD) for status in (409, 412)),
    Row("there already by words", 409, error("409", "Entity already exists"), {**UPDATE, "values": {"code": "A"}}, Rejected, "duplicate_key", RECORD),
    Row("unique constraint", 500, error("500", "duplicate key value violates unique constraint\nDetail: Key (code)=(A1) already exists."),
        CREATE, Rejected, "duplicate_key", RECORD, {"field": "code", "value": "A1"}),
    Row("the feed has expired", 410, b"", READ, Transient, "delta_expired", TABLE),
    Row("throttled", 429, b"slow down", READ, Transient, "throttled", CONNECTION, message="slow down"),
    Row("starting", 503, b"", READ, Transient, "app_starting", CONNECTION),
    Row("fault", 500, error("500", "Internal Server Error"), READ, Transient, "app_fault", TABLE),
    Row("fault of one record", 500, error("500", "NullReferenceException"), UPDATE, Unrecognised, "app_answer", RECORD, {"status": 500, "answer_code": "500"}),
    Row("unknown property", 400, error("400", "Could not find a property named 'colour' on type 'Shop.Order'."), READ, Misconfigured, "unknown_field", TABLE, {"field": "colour"}),
    Row("property does not exist", 400, error("400", "Property 'colour' does not exist in orders"), UPDATE, Misconfigured, "unknown_field", TABLE, {"field": "colour"}),
    Row("too long", 400, error("ASSERT", "Value of 'name' exceeds the maximum length of 30", target="name"), {**UPDATE, "values": {"name": "x" * 31}},
        Rejected, "value_too_long", RECORD, {"field": "name", "limit": 30, "length": 31}),
    Row("required", 400, error("ASSERT", "Value is required", target="name"), CREATE, Rejected, "value_required", RECORD, {"field": "name"}),
    Row("reference", 400, error("400", "insert or update violates foreign key constraint"), UPDATE, Rejected, "reference_missing", RECORD),
    Row("referenced", 400, error("400", "delete violates foreign key constraint"), DELETE, Rejected, "still_referenced", RECORD),
    Row("lock", 500, error("500", "Lock wait timeout exceeded; try restarting transaction"), UPDATE, Transient, "lock_timeout", RECORD),
    Row("odd status", 418, b"I am a teapot", UPDATE, Unrecognised, "app_answer", RECORD, {"status": 418}, "I am a teapot"),
    Row("a page instead of data", 200, b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><script>var a='x';</script><p>Sign in</p></body></html>",
        READ, Misconfigured, "wrong_address", CONNECTION, message="Sign in", headers={"content-type": "text/html"}),
    Row("cut", 200, b'{"value":[{"id":1},', READ, Transient, "answer_unreadable", TABLE),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    check(row, PLAIN, "orders")


@pytest.mark.parametrize("status", [409, 412, 428])
@pytest.mark.parametrize("doing", [READ, READ_ONE, {"operation": "connect"}, {"operation": "batch"}], ids=str)
def test_what_was_only_read_is_never_stale(status: int, doing: dict[str, str]) -> None:
    check(
        Row("", status, b"", doing, Unrecognised, "app_answer", TABLE if doing is not READ_ONE else RECORD),
        PLAIN,
        "orders",
    )
    found = translate(answer(status, b"", path="orders(7)"), situation("orders", operation="read"), PLAIN)
    assert found.code == "app_answer"


def test_a_record_that_is_asked_for_by_its_key_and_is_not_there_is_gone() -> None:
    found = translate(
        answer(404, b"", path="orders(7)?$select=id"), situation("orders", operation="read"), PLAIN
    )
    assert isinstance(found, Stale) and found.params == {"table": "orders", "id": "7", "gone": True}


# -- every table ------------------------------------------------------------------------------------------------------


def test_what_the_wordings_take_out_may_be_sent_by_their_codes() -> None:
    for module in (errors_business_central, errors_dataverse, errors_plain):
        for name, meaning in vars(module).items():
            if isinstance(meaning, Meaning) and meaning.code != "stale":
                taken = {group for pattern in meaning.wordings for group in pattern.groupindex}
                assert taken <= CODES[meaning.code].params, f"{module.__name__}.{name}"


# -- tokens -----------------------------------------------------------------------------------------------------------


def entra(code: str, number: int, words: str) -> bytes:
    """A refusal of Microsoft's token end-point."""
    return json.dumps(
        {
            "error": code,
            "error_description": f"AADSTS{number}: {words} Trace ID: 1 Correlation ID: 2 Timestamp: 2026-11-25 20:00:00Z",
            "error_codes": [number],
            "correlation_id": "2",
        }
    ).encode()


@pytest.mark.parametrize(
    ("status", "body", "cls", "code"),
    [
        # the secret
        (401, entra("invalid_client", 7000215, "Invalid client secret provided."), Misconfigured, "secret_refused"),
        (401, entra("invalid_client", 7000222, "The provided client secret keys for app 'x' are expired."), Misconfigured, "secret_expired"),
        (401, entra("invalid_client", 7005003, "The secret was revoked."), Misconfigured, "secret_expired"),
        (401, entra("invalid_client", 123456789, "A number nobody knows."), Misconfigured, "secret_refused"),
        # the client
        (400, entra("unauthorized_client", 700016, "Application with identifier 'x' was not found in the directory."), Misconfigured, "client_unknown"),
        (400, entra("unauthorized_client", 700038, "00000000-0000-0000-0000-000000000000 is not a valid application identifier."), Misconfigured, "client_unknown"),
        (401, entra("invalid_client", 7000112, "Application 'x' is disabled."), Misconfigured, "client_unknown"),
        # the tenant
        (400, entra("invalid_request", 90002, "Tenant 'contoso' not found."), Misconfigured, "tenant_unknown"),
        (400, entra("invalid_request", 900023, "Specified tenant identifier 'x y' is neither a valid DNS name, nor a valid external domain."), Misconfigured, "tenant_unknown"),
        # what is asked for
        (400, entra("invalid_resource", 500011, "The resource principal named https://x was not found in the tenant named y."), Misconfigured, "scope_refused"),
        (400, entra("invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid."), Misconfigured, "scope_refused"),
        (400, entra("invalid_scope", 1002012, "Client credential flows must have a scope value with /.default suffixed."), Misconfigured, "scope_refused"),
        # consent, and who may sign in from where
        (400, entra("invalid_grant", 65001, "The user or administrator has not consented to use the application."), Misconfigured, "consent_missing"),
        (400, entra("unauthorized_client", 650052, "The app is trying to access a service that your organization lacks a service principal for."), Misconfigured, "consent_missing"),
        (400, entra("invalid_grant", 53003, "Access has been blocked by Conditional Access policies."), Misconfigured, "conditional_access"),
        (400, entra("access_denied", 53003, "Access has been blocked by Conditional Access policies."), Misconfigured, "conditional_access"),
        (400, entra("interaction_required", 53003, "Access has been blocked by Conditional Access policies."), Misconfigured, "conditional_access"),
        (400, entra("interaction_required", 50076, "You must use multi-factor authentication."), Misconfigured, "interaction_required"),
        (400, entra("invalid_grant", 50173, "The provided grant has expired due to it being revoked."), Misconfigured, "password_expired"),
        (400, entra("invalid_grant", 50055, "The password is expired."), Misconfigured, "password_expired"),
        (400, entra("invalid_grant", 50057, "The user account is disabled."), Misconfigured, "user_disabled"),
        (400, entra("invalid_grant", 70008, "The grant is not valid."), Misconfigured, "token_refused"),
        # too often, or not now
        (400, entra("invalid_grant", 50196, "The server terminated an operation because it encountered a client request loop."), Transient, "throttled"),
        (429, entra("invalid_request", 90055, "The tenant is throttled."), Transient, "throttled"),
        (429, b"", Transient, "throttled"),
        (503, entra("temporarily_unavailable", 90033, "A transient error has occurred."), Transient, "app_overloaded"),
        (500, b"<html>oops</html>", Transient, "app_overloaded"),
        # not what gives tokens
        (404, b"<html>not here</html>", Misconfigured, "token_address_wrong"),
        (404, b"", Misconfigured, "token_address_wrong"),
        (405, b'{"error": {"code": "MethodNotAllowed"}}', Misconfigured, "token_address_wrong"),
        (200, b"<html>sign in</html>", Misconfigured, "token_address_wrong"),
        (403, b"<html>Blocked by the proxy</html>", Misconfigured, "token_address_wrong"),
        (302, b"", Misconfigured, "token_address_wrong"),
        (200, b'{"value": []}', Misconfigured, "token_address_wrong"),
        (200, b"", Misconfigured, "token_address_wrong"),
        (400, entra("unsupported_grant_type", 70003, "The grant type is not supported."), Misconfigured, "token_address_wrong"),
        # in words of its own
        (400, entra("invalid_request", 900144, "The request body must contain: 'scope'."), Misconfigured, "token_refused"),
        (400, b'{"error": "it_rains", "error_description": "No umbrella."}', Misconfigured, "token_refused"),
        (400, b"{}", Misconfigured, "token_refused"),
    ],
)  # fmt: skip
def test_a_refused_token(status: int, body: bytes, cls: type, code: str) -> None:
    headers = {"content-type": "text/html" if body[:1] == b"<" else "application/json"}
    found = token_refused(
        answer(status, body, headers, path="/tenant/oauth2/v2.0/token"), situation(operation="token")
    )
    assert (type(found), found.code, found.scope) == (cls, code, CONNECTION)
    assert found.params["user"] == "tandem"
    assert found.params.keys() <= CODES[code].params and CODES[code].kind is found.kind
    assert not found.outcome_unknown


def test_the_number_of_a_refusal_counts_before_its_words() -> None:
    body = b'{"error": "invalid_client", "error_description": "Geheim klopt niet.", "error_codes": [7000222]}'
    found = token_refused(answer(401, body), situation(operation="token"))
    assert (found.code, found.app_message) == ("secret_expired", "Geheim klopt niet.")
    assert "error_codes: 7000222" in found.debug


# -- no answer --------------------------------------------------------------------------------------------------------


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "cls", "code", "unknown"),
    [
        (caused(httpx2.ConnectError("[Errno -2] Name or service not known"), socket.gaierror(-2, "…")), Misconfigured, "unknown_host", False),
        (caused(httpx2.ConnectError("[Errno -3] Temporary failure in name resolution"), socket.gaierror(-3, "…")), Transient, "connection_refused", False),
        (caused(httpx2.ConnectError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"), ssl.SSLEOFError(8, "EOF occurred")), Transient, "connection_refused", False),
        (caused(httpx2.ConnectTimeout("_ssl.c:989: The handshake operation timed out"), TimeoutError("…")), Transient, "connection_refused", False),
        (httpx2.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), Misconfigured, "certificate_refused", False),
        (caused(httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired"), ssl.SSLCertVerificationError("…")), Misconfigured, "certificate_refused", False),
        (httpx2.ConnectError("[Errno 111] Connection refused"), Transient, "connection_refused", False),
        (httpx2.ConnectTimeout("timed out"), Transient, "connection_refused", False),
        (httpx2.PoolTimeout("no connection"), Transient, "too_many_connections", False),
        (httpx2.ProxyError("403 Forbidden"), Transient, "connection_refused", False),
        (httpx2.UnsupportedProtocol("Request URL has an unsupported protocol 'ftp://'."), Misconfigured, "wrong_address", False),
        (httpx2.InvalidURL("Invalid port"), Misconfigured, "wrong_address", False),
        (httpx2.ReadTimeout("timed out"), Transient, "statement_timeout", True),
        (httpx2.WriteTimeout("timed out"), Transient, "statement_timeout", True),
        (httpx2.ReadError("Connection reset by peer"), Transient, "connection_lost", True),
        (httpx2.WriteError("Broken pipe"), Transient, "connection_lost", True),
        (httpx2.RemoteProtocolError("peer closed connection without sending complete message body"), Transient, "connection_lost", True),
        (httpx2.DecodingError("incorrect header check"), Transient, "answer_unreadable", True),
        (httpx2.TooManyRedirects("…"), Transient, "answer_unreadable", True),
    ],
)  # fmt: skip
def test_a_request_without_an_answer(raised: Exception, cls: type, code: str, unknown: bool) -> None:
    for operation, is_unknown in (("create", unknown), ("batch", unknown), ("read", False)):
        found = no_answer(raised, situation("orders", operation=operation))
        assert (type(found), found.code, found.outcome_unknown) == (cls, code, is_unknown)
        assert found.app_message == str(raised) and found.stops_the_job
    found = no_answer(raised, situation(operation="token"))
    of_the_token = "token_address_wrong" if code in ("unknown_host", "wrong_address") else code
    assert (type(found), found.code, found.outcome_unknown) == (cls, of_the_token, False)


@pytest.mark.parametrize(
    "quoted",
    [
        "{}", "ab%2Bcd%2Fé%3D%3D%20%27%3C\"", "ab%2bcd%2f%c3%a9%3d%3d+%27%3c%22", "ab%252Bcd%252F%25C3%25A9%253D%253D%2520%2527%253C%2522",
        "ab\\u002Bcd\\/\\u00E9==\\u0020\\u0027\\u003C\\u0022", "ab&#43;cd&#x2F;&#233;== &#39;&lt;&quot;", "YWIrY2Qvw6k9PSAnPCI",
        "ab+cd/\\u00e9== '<\\\"",
    ],
)  # fmt: skip
def test_a_secret_is_known_in_whatever_way_its_characters_are_written(quoted: str) -> None:
    secret = "ab+cd/é== '<\""
    said = without_secrets(f"The key {quoted.format(secret)} is not known.", (secret,))
    assert said == "The key *** is not known."


def test_secrets_are_taken_out_however_they_are_quoted_back() -> None:
    token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl"
    body = error(
        "x", f"client_secret={SECRET} or s3cr3t~with%2Bsigns%2F%3D%3D, Bearer {token}", target=SECRET
    )
    headers = {"content-type": "application/json", "request-id": SECRET}
    found = translate(
        answer(400, body, headers, path=f"orders?x={SECRET}"), situation("orders", operation="update"), PLAIN
    )
    for text in (found.app_message, found.debug, repr(found), json.dumps(found.params)):
        assert SECRET not in text and "%2Bsigns" not in text and not re.search("eyJ", text)
    assert "***" in found.app_message
