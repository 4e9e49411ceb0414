"""One connection's HTTP: requests of the package out, whole answers in, Failures where there is none.

Around every request stand, from the outside in: the time limit of the whole call (waiting and repeating included), the
circuit, the sign-in, the limits shared by all workers, and the exchange itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpx2

from synccore.connectors.odata import batches
from synccore.connectors.odata.auth import SignIn
from synccore.connectors.odata.circuit import Circuit
from synccore.connectors.odata.errors import Situation, in_doubt, no_answer, translate, without_secrets
from synccore.connectors.odata.errors import address as address_in
from synccore.connectors.odata.exchange import Exchange
from synccore.connectors.odata.limiter import Limiter, TooLong, name_of
from synccore.connectors.odata.messages import Answer, Request, address_of, is_loopback, origin_of
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.waiting import (
    BUSY,
    backoff,
    can_be_repeated,
    is_outage,
    moment_of,
    retry_after,
    was_not_done,
)
from synccore.failures import Failure, Scope, Transient, Unrecognised

__all__ = ["Answer", "Client", "Request"]

#: Requests made for one call, the first included.
TRIES: Final = 6
#: The share of a call's time that a request needs for itself. One whose turn comes later is not sent: its answer would be
#: lost, and what a write did unknown.
LEAST: Final = 0.1
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class _End:
    """The other end of calls: the app's service, or the one that gives tokens. Each has its own limits, outages and pauses,
    headers of every request, and a way to sign in."""

    limiter: Limiter
    circuit: Circuit
    headers: Mapping[str, str]
    sign_in: SignIn


@dataclass(slots=True)
class _Call:
    """One request while it is tried. ``until``: by this moment (monotonic); ``repeatable``: twice is as good as once;
    ``wanted``: statuses that mean something to the caller; ``doubtful``: an earlier try may have been carried out."""

    request: Request
    about: Situation
    until: float
    repeatable: bool
    wanted: frozenset[int] = frozenset()
    doubtful: bool = False


class Client:
    """HTTP with one service: connections that are used again, time limits, sign-in, limits, repeats. Used by one thread;
    close it.

    Args:
        root: the service root where it is not the profile's own.
        connect_timeout, request_timeout: seconds for a connection, and for a call as a whole.
        transport: stands in for the network, in tests.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        app: str,
        sign_in: SignIn | None = None,
        root: str | None = None,
        connect_timeout: float = 10,
        request_timeout: float = 55,
        transport: httpx2.BaseTransport | None = None,
        rest: Callable[[float], None] = sleep,
    ) -> None:
        self.profile = profile
        self.app = app
        self.root = profile.root() if root is None else root
        #: Round trips made, those for a token apart.
        self.requests = 0
        #: The service's clock as its last answer gave it.
        self.last_date: datetime | None = None
        #: Called before each call; what it raises ends the call. A job renews its lease here.
        self.before_call: Callable[[], None] = lambda: None
        self._sign_in = sign_in or SignIn()
        self._request_timeout = request_timeout
        #: Whether the call under way asks even a service whose circuit is open.
        self._probes = False
        self._rest = rest
        self._origin = origin_of(self.root)
        # A service counts by who signs in, whatever the company.
        name = name_of(profile.batch_base(self.root), self._sign_in.user)
        limiter = Limiter(name, window=profile.window, at_once=profile.at_once, rest=rest)
        self._service = _End(limiter, Circuit(name), profile.headers(), self._sign_in)
        #: How many operations go into a batch.
        self.sizes = batches.sizes_of(name, profile)
        # A proxy of the surroundings is for the world outside.
        proxies = not is_loopback(self._origin[1])
        try:
            self._exchange = Exchange(connect_timeout=connect_timeout, proxies=proxies, transport=transport)
        except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
            # A proxy or a file of certificates that the surroundings name, and that cannot be used.
            raise no_answer(httpx2.ProxyError(str(error)), self.situation("connect")) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._exchange.close()

    def situation(self, operation: str, table: str = "", **facts: Any) -> Situation:
        """What is being done, with what this client knows: app, host, user, secrets. ``facts``: as of Situation."""
        _scheme, host, port = self._origin
        known: dict[str, Any] = {
            "app": self.app,
            "host": host,
            "port": str(port),
            "user": self._sign_in.user,
            "secrets": self._sign_in.secrets,
        }
        return Situation(table=table, operation=operation, **{**known, **facts})

    # -- calls ---------------------------------------------------------------------------------------------------------

    def send(
        self,
        request: Request,
        *,
        operation: str,
        table: str = "",
        idempotent: bool | None = None,
        about: Situation | None = None,
        probe: bool = False,
    ) -> Answer:
        """The answer, its status below 300, or 304 to a request that asked whether it changed.

        ``idempotent`` says that the request may be sent again where its answer was lost; None: a GET may, and a write
        that carries a condition. ``about`` says more of what is being done than operation and table. ``probe``: a person
        wants to know, so ask the service even where its circuit is open.
        Raises the Failure of ``errors.translate`` or ``errors.no_answer``.
        """
        about = about or self.situation(operation, table)
        answer = self.send_raw(
            request, operation=operation, table=table, idempotent=idempotent, about=about, probe=probe
        )
        if answer.status >= 300 and answer.status != 304:
            raise translate(answer, about, self.profile)
        return answer

    def send_raw(
        self,
        request: Request,
        *,
        operation: str,
        table: str = "",
        idempotent: bool | None = None,
        about: Situation | None = None,
        probe: bool = False,
        wanted: frozenset[int] = frozenset(),
    ) -> Answer:
        """As ``send``, with whatever status it has. Raises Failure only where no answer came. Answers of ``wanted`` statuses
        mean something to the caller: they are given at once, and are no outage; with 408 among them, a call that takes too
        long is given up at once as well."""
        about = about or self.situation(operation, table)
        self.before_call()
        repeatable = can_be_repeated(request) if idempotent is None else idempotent
        self._probes = probe
        call = _Call(request, about, monotonic() + self._request_timeout, repeatable, wanted)
        answer = self._persist(call)
        hops = 0
        while (next_path := self._redirect(call.request, answer)) and hops < 3:
            hops += 1
            call = replace(call, request=Request(request.method, next_path, request.headers))
            answer = self._persist(call)
        return answer

    def batch(
        self,
        operations: Sequence[Request],
        *,
        operation: str,
        table: str,
        about: Sequence[Situation] = (),
    ) -> list[Answer | Failure]:
        """One result per operation, in their order: its answer with a status below 300, or why there is none. A Failure has
        ``outcome_unknown`` where the operation may have been carried out. ``about``: one situation per operation.

        Raises Failure where nothing was sent that could have changed anything.
        """
        return batches.run(self, operations, operation=operation, table=table, about=about)

    def pause(self, seconds: float | None) -> None:
        """The service wants to be left alone, by all workers: for so long, or a little while where it does not say."""
        self._service.limiter.pause(backoff(1) if seconds is None else seconds)

    def token_request(self, address: str, form: bytes, until: float) -> Answer:
        """The token end-point's answer, whatever its status. Raises Failure where none came."""
        request = Request("POST", address, {"Content-Type": "application/x-www-form-urlencoded"}, form)
        _scheme, host, port = origin_of(address)
        about = self.situation("token", host=host, port=str(port))
        name = name_of(address, self._sign_in.user)
        limiter = Limiter(name, window=None, at_once=self.profile.at_once, rest=self._rest)
        end = _End(limiter, Circuit(name), {"Accept": "application/json"}, SignIn())
        try:
            return self._insist(_Call(request, about, until, repeatable=True), address, end)
        except httpx2.InvalidURL as error:
            raise no_answer(error, about) from None

    # -- one call ------------------------------------------------------------------------------------------------------

    def _persist(self, call: _Call) -> Answer:
        """The answer to a request that is repeated where that does no harm and may help, until time is up. Raises Failure;
        what an earlier try may have done stays unknown, whatever came of the later ones."""
        try:
            address = address_of(call.request.path, self.root)
        except ValueError:
            raise self._not_taken(call.request, call.about) from None
        try:
            answer = self._insist(call, address, self._service)
        except httpx2.InvalidURL:
            raise self._not_taken(call.request, call.about) from None
        except Failure as failure:
            failure.outcome_unknown = failure.outcome_unknown or call.doubtful
            raise
        if call.doubtful and answer.status >= 300:
            refused = in_doubt(translate(answer, call.about, self.profile), answer, call.about)
            if refused.outcome_unknown:
                raise refused
        return answer

    def _insist(self, call: _Call, address: str, end: _End) -> Answer:
        about, until = call.about, call.until
        tries, renewed = 0, False
        answer: Answer | None = None
        lost: Failure | None = None
        # Who asks in any case asks once: a service that is gone is not asked again and again.
        while end.circuit.enter(probe=self._probes and not tries):
            signed = end.sign_in.headers(self, until)
            about.secrets = self._sign_in.secrets
            tries += 1
            lost = None
            try:
                answer = self._turn(call, address, end, signed)
            except httpx2.HTTPError as error:
                lost, pause = no_answer(error, about), backoff(tries)
                if isinstance(lost, Transient):
                    end.circuit.outage(_name_of_outage(lost))
                too_long = lost.code == "statement_timeout" and 408 in call.wanted
                if (
                    not isinstance(lost, Transient)
                    or lost.outcome_unknown
                    and not call.repeatable
                    or too_long
                ):
                    raise lost from None
                call.doubtful = call.doubtful or lost.outcome_unknown
            else:
                if is_outage(answer) and answer.status not in call.wanted:
                    end.circuit.outage(_name_of_outage(translate(answer, about, self.profile)))
                else:
                    end.circuit.answered()
                if answer.status == 401 and not renewed and end.sign_in.refused(signed):
                    renewed = True
                    continue
                if answer.status not in BUSY or answer.status in call.wanted:
                    return answer
                pause = self._asked_to_wait(answer, end.limiter, tries)
                if not was_not_done(answer):
                    if not call.repeatable:
                        return answer
                    call.doubtful = call.doubtful or about.writes
            if tries >= TRIES or monotonic() + pause >= until:
                break
            self._rest(pause)
        if answer is not None and lost is None:
            return answer
        raise lost or self._open(end.circuit, about)

    def _turn(self, call: _Call, address: str, end: _End, signed: Mapping[str, str]) -> Answer:
        headers = httpx2.Headers(end.headers)
        headers.update(signed)
        if call.request.body is not None:
            headers["Content-Type"] = "application/json"
        # What a request says of itself, its condition above all, stands before any header that people typed.
        headers.update(call.request.headers)
        try:
            with end.limiter.turn(call.until - LEAST * self._request_timeout):
                self.requests += end is self._service
                answer = self._exchange.once(call.request, address, headers, call.until)
        except TooLong:
            raise self._throttled(call.about) from None
        if end is self._service:
            self.last_date = moment_of(answer.headers.get("date")) or self.last_date
        return answer

    def _asked_to_wait(self, answer: Answer, limiter: Limiter, tries: int) -> float:
        """Seconds until a busy service is asked again; where it asks for them, all workers wait."""
        asked = retry_after(answer.headers)
        # Who says "at once", or a moment that is over, is not asked six times in a row all the same.
        pause = asked or backoff(tries)
        if asked or asked is None and answer.status == 429:
            limiter.pause(pause)
        return pause

    def _throttled(self, about: Situation) -> Transient:
        return Transient("throttled", address_in(about), scope=Scope.CONNECTION)

    def _open(self, circuit: Circuit, about: Situation) -> Transient:
        return Transient(circuit.last(), address_in(about), scope=Scope.CONNECTION)

    def _redirect(self, request: Request, answer: Answer) -> str:
        """Where a reading was moved to, on the same host; "" where it was not."""
        if answer.status not in _REDIRECTS or request.method != "GET":
            return ""
        to = answer.headers.get("location", "")
        try:
            return to and address_of(urljoin(address_of(request.path, self.root), to), self.root)
        except ValueError:
            return ""

    def _not_taken(self, request: Request, about: Situation) -> Unrecognised:
        """An address of the service's own that no request of ours is sent to."""
        message = without_secrets(request.path, about.secrets)[:2000]
        return Unrecognised("app_answer", {"table": about.table}, app_message=message, scope=Scope.TABLE)


def _name_of_outage(failure: Failure) -> str:
    """Its code, where that says something of the connection as a whole."""
    whole = isinstance(failure, Transient) and failure.scope is Scope.CONNECTION
    return failure.code if whole else "connection_lost"
