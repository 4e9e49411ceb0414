"""What the answers of an OData service mean: from a status and a body to a Failure, facts only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx2

from synccore.failures import Failure, Misconfigured, Scope, Stale, Transient, Unrecognised
from synccore.shapes import FieldInfo, Value

if TYPE_CHECKING:
    from synccore.connectors.odata.client import Answer
    from synccore.connectors.odata.profile import Profile

_BUSY: Final = frozenset({408, 429, 502, 503, 504})


class BadAnswer(Exception):
    """An answer that is not what the protocol says: no JSON, not the members it must have."""

    def __init__(self, answer: Answer, why: str) -> None:
        super().__init__(why)
        self.answer = answer
        self.why = why


@dataclass(slots=True)
class Situation:
    """What was being done when the answer came; the facts that the answer itself does not carry.

    ``operation``: read, create, update, delete, connect, token or batch. ``secrets`` are taken out of every text.
    """

    table: str = ""
    operation: str = "read"
    infos: Mapping[str, FieldInfo] = field(default_factory=dict)
    values: Mapping[str, Value] | None = None
    id: str = ""
    app: str = ""
    host: str = ""
    port: str = ""
    user: str = ""
    secrets: Sequence[str] = ()

    @property
    def writes(self) -> bool:
        return self.operation in ("create", "update", "delete")


def address(now: Situation) -> dict[str, Any]:
    return {"app": now.app, "host": now.host, "port": now.port, "user": now.user}


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def translate(answer: Answer, now: Situation, profile: Profile) -> Failure:
    """The failure that an answer of 400 or above stands for. Never raises, whatever the status and body."""
    message = without_secrets(answer.body.decode("utf-8", "replace"), now.secrets)
    debug = without_secrets(f"{answer.request.method} {answer.request.path} {answer.status}", now.secrets)
    failure: Failure
    if answer.status in profile.stale_statuses:
        failure = Stale("changed_too_often", {"table": now.table})
    elif answer.status == 401:
        failure = Misconfigured("sign_in_refused", address(now), scope=Scope.CONNECTION)
    elif answer.status in _BUSY:
        failure = Transient("app_overloaded", address(now), scope=Scope.CONNECTION)
    else:
        scope = Scope.RECORD if now.writes else Scope.TABLE
        failure = Unrecognised("app_answer", {"table": now.table}, scope=scope)
    failure.app_message, failure.debug = message, debug
    return failure


def no_answer(error: httpx2.HTTPError, now: Situation) -> Failure:
    """The failure of a request that got no answer; ``outcome_unknown`` where a write may have been carried out."""
    message = without_secrets(str(error), now.secrets)
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        if any(
            each in message for each in ("Name or service not known", "No address associated", "getaddrinfo")
        ):
            return Misconfigured("unknown_host", address(now), app_message=message, scope=Scope.CONNECTION)
        if "CERTIFICATE" in message.upper():
            return Misconfigured(
                "bad_connection_string", address(now), app_message=message, scope=Scope.CONNECTION
            )
        return Transient("connection_refused", address(now), app_message=message, scope=Scope.CONNECTION)
    unknown = now.writes or now.operation == "batch"
    return Transient(
        "connection_lost", address(now), app_message=message, scope=Scope.CONNECTION, outcome_unknown=unknown
    )


def token_refused(answer: Answer, now: Situation) -> Failure:
    """The failure of a token that was not given."""
    message = without_secrets(answer.body.decode("utf-8", "replace"), now.secrets)
    if answer.status in _BUSY or answer.status >= 500:
        return Transient("app_overloaded", address(now), app_message=message, scope=Scope.CONNECTION)
    return Misconfigured("sign_in_refused", address(now), app_message=message, scope=Scope.CONNECTION)
