"""What the answers of an OData service mean: from a status and a body to a Failure that holds facts only.

The order of decision: no answer at all; the token end-point by its ``error``; the service's own code; words, in any
language; the status. Codes come first because a service sends one status for many things, and one thing with several.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx2

from synccore.connectors.odata import errors_business_central, errors_dataverse, errors_plain
from synccore.connectors.odata.bodies import Told, told, without_secrets
from synccore.connectors.odata.errors_token import meaning_of
from synccore.connectors.odata.facts import address, facts, key_in
from synccore.connectors.odata.meanings import BY_STATUS, ErrorTable, Meaning, Rule, Situation
from synccore.connectors.odata.network import OfTheMachine
from synccore.failures import Failure, Misconfigured, Rejected, Scope, Stale, Transient, Unrecognised

if TYPE_CHECKING:
    from synccore.connectors.odata.profile import Profile

__all__ = [
    "BadAnswer", "Situation", "address", "in_doubt", "no_answer", "not_the_service", "token_refused", "translate",
    "without_secrets",
]  # fmt: skip

#: By the name of the profile; a profile without a table of its own has that of a plain service.
TABLES: Final[Mapping[str, ErrorTable]] = {
    "dataverse": errors_dataverse.ERRORS,
    "business_central": errors_business_central.ERRORS,
    "odata": errors_plain.ERRORS,
}
#: After these nobody knows whether a write was carried out, unless the service itself says why it was not.
_UNCERTAIN: Final = frozenset({408, 502, 504})


class Asked(Protocol):
    """A request, as far as a failure tells of it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


class Answered(Protocol):
    """An answer: ``synccore.connectors.odata.client.Answer``, of which this module knows no more."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def request(self) -> Asked: ...


class BadAnswer(Exception):
    """An answer that is not what the protocol says: no JSON, not the members it must have."""

    def __init__(self, answer: Answered, why: str) -> None:
        super().__init__(why)
        self.answer = answer
        self.why = why


def translate(answer: Answered, now: Situation, profile: Profile) -> Failure:
    """The failure that an answer stands for. Never raises, whatever the status and the body.

    An answer below 400 is one that could not be read: a page instead of data, a body that was cut.
    """
    said = told(answer.status, answer.headers, answer.body, now.secrets)
    if not now.id and (key := key_in(answer.request.path)):
        now = _with_id(now, key)
    meaning = _unreadable(said) if answer.status < 400 else _recognise(said, now, profile)
    if meaning.failure is Stale and not (now.writes or now.id and said.status == 404):
        meaning = _not_known(said)  # nothing was written that could be stale
    return _failure(meaning, said, now, answer)


def in_doubt(failure: Failure, answer: Answered, now: Situation) -> Failure:
    """The failure of a repeated change whose earlier try may have been carried out, as it counts for the record.

    Its outcome is unknown, unless the answer refuses the values themselves: then no try can have been carried out."""
    if answer.request.method != "DELETE" and answer.status in (404, 409, 412):
        # Its condition holds no longer: that may only say that the first one arrived.
        failure = Transient(
            "connection_lost", address(now), app_message=failure.app_message, scope=Scope.RECORD
        )
        failure.outcome_unknown = True
    elif isinstance(failure, Transient) or failure.stops_the_job:
        failure.outcome_unknown = True
    return failure


def token_refused(answer: Answered, now: Situation) -> Failure:
    """The failure of a token that was not given; ``now`` tells of the end-point that was asked for it."""
    said = told(answer.status, answer.headers, answer.body, now.secrets)
    return _failure(meaning_of(said), said, now, answer)


def no_answer(error: Exception, now: Situation) -> Failure:
    """The failure of a request without a whole answer; ``outcome_unknown`` where a write may have been carried out."""
    message = without_secrets(str(error), now.secrets)
    failure: Failure
    sent = True
    if isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError
    ):
        failure, sent = _not_connected(error, message, now), False
    elif isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        failure, sent = _at_connection(Misconfigured, "wrong_address", now), False
    elif isinstance(error, httpx2.TimeoutException):
        failure = Transient("statement_timeout", {**address(now), "table": now.table}, scope=Scope.TABLE)
    elif isinstance(error, httpx2.DecodingError | httpx2.TooManyRedirects):
        failure = _at_connection(Transient, "answer_unreadable", now)
    else:
        failure = _at_connection(Transient, "connection_lost", now)
    if now.operation == "token" and failure.code in ("unknown_host", "wrong_address"):
        failure = _at_connection(Misconfigured, "token_address_wrong", now)  # the app's own may be right
    failure.app_message = message
    failure.debug = type(error).__name__
    failure.outcome_unknown = sent and (now.writes or now.operation == "batch")
    return failure


def _not_connected(error: Exception, message: str, now: Situation) -> Failure:
    causes = _causes(error)
    low = message.lower()
    if any(isinstance(each, OfTheMachine) for each in causes):
        return _at_connection(Misconfigured, "address_of_the_machine", now)
    # Cut while the two agreed on how to encrypt, which says nothing of the certificate.
    if _was_cut(error, causes, low):
        return _at_connection(Transient, "connection_refused", now)
    if any(isinstance(each, ssl.SSLError) for each in causes) or "certificate" in low or "ssl" in low:
        return _at_connection(Misconfigured, "certificate_refused", now)
    if any(type(each).__name__ == "gaierror" for each in causes) or "name or service not known" in low:
        if "temporary failure" in low:  # our own name service, not the name
            return _at_connection(Transient, "connection_refused", now)
        return _at_connection(Misconfigured, "unknown_host", now)
    if isinstance(error, httpx2.ProxyError) and message.startswith("407"):  # it wants to know who we are
        return _at_connection(Misconfigured, "wrong_address", now)
    if isinstance(error, httpx2.PoolTimeout):  # our own limit of connections
        return _at_connection(Transient, "too_many_connections", now)
    return _at_connection(Transient, "connection_refused", now)


def _was_cut(error: Exception, causes: list[BaseException], message: str) -> bool:
    """Whether a connection stood still or ended before it was one."""
    ended = any(
        isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError) for each in causes
    )
    return isinstance(error, httpx2.ConnectTimeout) or ended or "eof occurred" in message


def not_the_service(now: Situation) -> Failure:
    """Something answered and said nothing that a service of OData says."""
    return _at_connection(Misconfigured, "wrong_address", now)


def _at_connection(cls: type[Failure], code: str, now: Situation) -> Failure:
    return cls(code, address(now), scope=Scope.CONNECTION)


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and len(found) < 10:
        found.append(each)
        each = each.__cause__ or each.__context__
    return found


# -- deciding -----------------------------------------------------------------------------------------------------------


def _recognise(said: Told, now: Situation, profile: Profile) -> Meaning:
    table = TABLES.get(profile.name) or errors_plain.ERRORS
    found = (
        _means(table.of_code(said.code), said, now)
        or _worded(table, said, now)
        or _means(table.statuses.get(said.status), said, now)
        or _by_status(said, now, profile)
    )
    if now.operation == "connect" and found.code == "missing_privilege" and not found.params:
        # The front door: there is no table yet, and no right was named.
        return Meaning(Misconfigured, "sign_in_refused", Scope.CONNECTION)
    return found


def _means(rule: Meaning | Rule | None, said: Told, now: Situation) -> Meaning | None:
    return rule if rule is None or isinstance(rule, Meaning) else rule(said, now)


def _worded(table: ErrorTable, said: Told, now: Situation) -> Meaning | None:
    for wording, rule in table.words:
        if wording.search(said.message) and (found := _means(rule, said, now)) is not None:
            return found
    return None


def _by_status(said: Told, now: Situation, profile: Profile) -> Meaning:
    status = said.status
    if status in profile.stale_statuses and now.operation != "create":
        return Meaning(Stale, "stale")
    if status in (409, 412) and now.operation == "create":
        return Meaning(Rejected, "duplicate_key")
    if status == 404:
        return _not_found(said, now)
    if status == 413 and not now.writes:
        return Meaning(Transient, "app_overloaded", Scope.TABLE)
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500 and not (now.writes and said.is_the_services):
        return Meaning(Transient, "app_fault")
    return _not_known(said)


def _not_known(said: Told) -> Meaning:
    """A refusal, or a fault of one record that the service describes: in its own words, to a person."""
    return Meaning(Unrecognised, "app_answer", params={"status": said.status, "answer_code": said.code})


def _not_found(said: Told, now: Situation) -> Meaning:
    if now.operation == "connect" or said.form == "html" and not now.id:
        return Meaning(Misconfigured, "wrong_address", Scope.CONNECTION)
    if now.id:
        return Meaning(Stale, "stale")
    return Meaning(Misconfigured, "unknown_table", Scope.TABLE)


def _unreadable(said: Told) -> Meaning:
    if said.form == "html" or 300 <= said.status < 400:
        return Meaning(Misconfigured, "wrong_address", Scope.CONNECTION)
    return Meaning(Transient, "answer_unreadable", Scope.TABLE)


# -- telling ------------------------------------------------------------------------------------------------------------


def _failure(meaning: Meaning, said: Told, now: Situation, answer: Answered) -> Failure:
    scope = _scope(meaning, now)
    failure = meaning.failure(meaning.code, facts(meaning, said, now), scope=scope)
    if meaning.failure is Stale:
        # ``gone``: the record is no longer there, which a deletion takes for done and a reading for absent.
        failure.params = {"table": now.table, "id": now.id, "gone": said.status in (404, 410)}
    for name, value in failure.params.items():
        if isinstance(value, str):
            failure.params[name] = without_secrets(value, now.secrets)
    failure.app_message = said.message
    failure.debug = _debug(said, now, answer)
    writes = now.writes or now.operation == "batch"
    lost = said.status in _UNCERTAIN or said.status < 400 or said.status >= 500 and not said.is_the_services
    turned_away = said.status == 503 and "retry-after" in answer.headers
    failure.outcome_unknown = writes and lost and not turned_away
    return failure


def _scope(meaning: Meaning, now: Situation) -> Scope:
    """What is of a record when it is written concerns the whole page when records are read."""
    is_of_one = now.writes or now.operation == "read" and bool(now.id)
    return Scope.TABLE if meaning.scope is Scope.RECORD and not is_of_one else meaning.scope


def _debug(said: Told, now: Situation, answer: Answered) -> str:
    """For support: what was asked, the status and code, and the ids by which the app's own support finds it."""
    lines = [f"{answer.request.method} {answer.request.path}", f"HTTP {said.status} {said.code}".rstrip()]
    lines += [f"CorrelationId {each}" for each in said.trace]
    lines += [f"{name}: {value}" for name, value in said.facts.items()]
    return without_secrets("\n".join(lines), now.secrets)


def _with_id(now: Situation, key: str) -> Situation:
    fields: dict[str, Any] = {name: getattr(now, name) for name in Situation.__slots__}
    return Situation(**{**fields, "id": key})
