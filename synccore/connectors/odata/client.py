"""One connection's HTTP: requests of the package out, whole answers in, Failures where there is none.

Around every request stand, from the outside in: the time limit of the whole call (waiting and repeating included), the
circuit, the sign-in, the limits shared by all workers, and the exchange itself.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpx2

from synccore.connectors.odata import batches
from synccore.connectors.odata.auth import SignIn
from synccore.connectors.odata.circuit import Circuit
from synccore.connectors.odata.errors import Situation, no_answer, translate, without_secrets
from synccore.connectors.odata.limiter import Limiter, TooLong, name_of
from synccore.connectors.odata.messages import (
    Answer,
    Request,
    address_of,
    is_loopback,
    origin_of,
    origin_text,
    target_of,
)
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.waiting import (
    BUSY,
    backoff,
    can_be_repeated,
    is_outage,
    moment_of,
    refuses_a_repetition,
    retry_after,
    was_not_done,
)
from synccore.failures import Failure, Scope, Transient, Unrecognised

# They would log the address of every request, which holds what is searched for (people's data), and headers of answers.
for _each in ("httpx2", "httpcore2"):
    logging.getLogger(_each).setLevel(logging.WARNING)

__all__ = ["Answer", "Client", "Request"]

#: Largest body that is taken in, unpacked.
LARGEST: Final = 64 * 1024 * 1024
#: A body that stands still for so many seconds is given up.
PAUSE: Final = 5.0
#: Requests made for one call, the first included.
TRIES: Final = 6
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TOO_LARGE: Final = b'{"error": {"code": "", "message": "The answer is larger than 64 MB."}}'


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
        #: The service's clock as its last answer gave it, and ours at that moment.
        self.last_date: tuple[datetime, datetime] | None = None
        #: Called before each call; what it raises ends the call. A job renews its lease here.
        self.before_call: Callable[[], None] = lambda: None
        self._sign_in = sign_in or SignIn()
        self._connect_timeout, self._request_timeout = connect_timeout, request_timeout
        self._rest = rest
        self._origin = origin_of(self.root)
        # A service counts by who signs in, whatever the company.
        name = name_of(profile.batch_base(self.root), self._sign_in.user)
        self._limiter = Limiter(name, window=profile.window, at_once=profile.at_once, rest=rest)
        self._circuit = Circuit(name)
        #: How many operations go into a batch.
        self.sizes = batches.sizes_of(name, profile)
        self._http = httpx2.Client(
            transport=transport,
            verify=_certificates(),
            # A proxy of the surroundings is for the world outside.
            trust_env=not is_loopback(self._origin[1]),
            headers={"User-Agent": "Tandem"},
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

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
        mean something to the caller: they are given at once, and are no outage."""
        about = about or self.situation(operation, table)
        self.before_call()
        repeatable = can_be_repeated(request) if idempotent is None else idempotent
        until = monotonic() + self._request_timeout
        answer = self._persist(request, about, until, repeatable, probe, wanted)
        hops = 0
        while (next_path := self._redirect(request, answer)) and hops < 3:
            hops += 1
            moved = Request(request.method, next_path, request.headers)
            answer = self._persist(moved, about, until, repeatable, probe, wanted)
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
        self._limiter.pause(backoff(1) if seconds is None else seconds)

    def token_request(self, address: str, form: bytes, until: float) -> Answer:
        """The token end-point's answer, whatever its status. Raises Failure where none came."""
        request = Request("POST", address, {"Content-Type": "application/x-www-form-urlencoded"}, form)
        _scheme, host, port = origin_of(address)
        about = self.situation("token", host=host, port=str(port))
        headers = {"Accept": "application/json", **request.headers}
        tries = 0
        while True:
            tries += 1
            failure: Failure | None = None
            try:
                answer = self._exchange(request, address, headers, about, until)
                if answer.status not in BUSY:
                    return answer
                pause = retry_after(answer.headers)
            except httpx2.HTTPError as error:
                failure, pause = no_answer(error, about), None
            pause = backoff(tries) if pause is None else pause
            transient = failure is None or isinstance(failure, Transient)
            if not transient or tries >= TRIES or monotonic() + pause >= until:
                if failure is not None:
                    raise failure
                return answer
            self._rest(pause)

    # -- one call ------------------------------------------------------------------------------------------------------

    def _persist(
        self,
        request: Request,
        about: Situation,
        until: float,
        repeatable: bool,
        probe: bool,
        wanted: frozenset[int],
    ) -> Answer:
        """The answer to a request that is repeated where that does no harm and may help, until time is up."""
        try:
            address = address_of(request.path, self.root)
        except ValueError:
            raise self._not_taken(request, about) from None
        tries, renewed, doubtful = 0, False, False
        answer: Answer | None = None
        lost: Failure | None = None
        while True:
            # Who asks in any case asks once: a service that is gone is not asked again and again.
            if not self._circuit.enter(probe=probe and not tries):
                break
            signed = self._sign_in.headers(self, until)
            about.secrets = self._sign_in.secrets
            tries += 1
            lost = None
            try:
                answer = self._turn(request, address, signed, about, until)
            except httpx2.InvalidURL:
                raise self._not_taken(request, about) from None
            except httpx2.HTTPError as error:
                lost = no_answer(error, about)
                if isinstance(lost, Transient):
                    self._circuit.outage(_name_of_outage(lost))
                if not isinstance(lost, Transient) or lost.outcome_unknown and not repeatable:
                    raise lost from None
                doubtful = doubtful or lost.outcome_unknown
                pause = backoff(tries)
            else:
                if answer.status in wanted:
                    self._circuit.answered()
                    return answer
                if is_outage(answer):
                    self._circuit.outage(_name_of_outage(translate(answer, about, self.profile)))
                else:
                    self._circuit.answered()
                if answer.status == 401 and not renewed and self._sign_in.refused(signed):
                    renewed = True
                    continue
                if doubtful and refuses_a_repetition(answer):
                    raise Transient(
                        "connection_lost", self._address(about), scope=Scope.RECORD, outcome_unknown=True
                    )
                if answer.status not in BUSY:
                    return answer
                doubtful = doubtful or about.writes and not was_not_done(answer)
                asked = retry_after(answer.headers)
                pause = backoff(tries) if asked is None else asked
                if answer.status == 429 or asked is not None:
                    self._limiter.pause(pause)
                if not repeatable and not was_not_done(answer):
                    return answer
            if tries >= TRIES or monotonic() + pause >= until:
                break
            self._rest(pause)
        if answer is not None and lost is None:
            return answer
        raise lost or Transient(self._circuit.last(), self._address(about), scope=Scope.CONNECTION)

    def _turn(
        self, request: Request, address: str, signed: Mapping[str, str], about: Situation, until: float
    ) -> Answer:
        headers = httpx2.Headers(self.profile.headers())
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        headers.update(request.headers)
        headers.update(signed)
        try:
            with self._limiter.turn(until):
                self.requests += 1
                return self._exchange(request, address, headers, about, until)
        except TooLong:
            raise Transient("throttled", self._address(about), scope=Scope.CONNECTION) from None

    def _exchange(
        self,
        request: Request,
        address: str,
        headers: Mapping[str, str],
        about: Situation,
        until: float,
    ) -> Answer:
        """One round trip. Raises httpx2.HTTPError, httpx2.InvalidURL."""
        started = monotonic()
        left = max(until - started, 0.1)
        times = {"connect": min(self._connect_timeout, left), "read": left, "write": left, "pool": left}
        target = target_of(address)
        outgoing = self._http.build_request(
            request.method,
            origin_text(address) + target.decode(),
            headers=headers,
            content=request.body,
            extensions={"target": target, "timeout": times},
        )
        incoming = self._http.send(outgoing, stream=True)
        try:
            trip = monotonic() - started
            times["read"] = PAUSE
            body = bytearray()
            for chunk in incoming.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    if request.method == "GET":
                        return Answer(413, {}, _TOO_LARGE, request)
                    raise httpx2.ReadError("the answer is larger than 64 MB", request=outgoing)
                if monotonic() > until:
                    raise httpx2.ReadTimeout("the answer takes too long", request=outgoing)
        finally:
            incoming.close()
        named = {name.lower(): value for name, value in incoming.headers.items()}
        if (said := moment_of(named.get("date"))) is not None and about.operation != "token":
            self.last_date = (said, datetime.now(UTC) - timedelta(seconds=trip / 2))
        return Answer(incoming.status_code, named, bytes(body), request)

    def _redirect(self, request: Request, answer: Answer) -> str:
        """Where a reading was moved to, on the same host; "" where it was not."""
        if answer.status not in _REDIRECTS or request.method != "GET":
            return ""
        to = answer.headers.get("location", "")
        try:
            return to and address_of(urljoin(address_of(request.path, self.root), to), self.root)
        except ValueError:
            return ""

    def _address(self, about: Situation) -> dict[str, Any]:
        return {"app": about.app, "host": about.host, "port": about.port, "user": about.user}

    def _not_taken(self, request: Request, about: Situation) -> Unrecognised:
        """An address of the service's own that no request of ours is sent to."""
        message = without_secrets(request.path, about.secrets)
        return Unrecognised("app_answer", {"table": about.table}, app_message=message, scope=Scope.TABLE)


def _name_of_outage(failure: Failure) -> str:
    """Its code, where that says something of the connection as a whole."""
    whole = isinstance(failure, Transient) and failure.scope is Scope.CONNECTION
    return failure.code if whole else "connection_lost"


@cache
def _certificates() -> ssl.SSLContext:
    """Read once per process: the certificates of those we trust, or of SSL_CERT_FILE."""
    return httpx2.create_ssl_context()
