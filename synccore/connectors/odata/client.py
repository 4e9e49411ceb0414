"""One connection's HTTP: requests of the package out, whole answers in, Failures where there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx2

from synccore.connectors.odata.errors import BadAnswer, Situation, no_answer, translate, without_secrets
from synccore.connectors.odata.profile import Profile
from synccore.failures import Scope, Unrecognised

#: Largest body that is taken in, after decompression.
LARGEST: Final = 64 * 1024 * 1024
#: A body that stands still for so long is given up.
PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is relative to the service root, or an absolute address on the same host; it is already
    encoded and is sent byte for byte (a next link is the service's own text)."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``headers`` have lower-case names; the request is kept for the debug text and holds no secrets."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    request: Request

    def json(self) -> dict[str, Any]:
        """The body as an object, numbers with a point as Decimal. Raises BadAnswer."""
        try:
            found = json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise BadAnswer(self, "no JSON") from None
        if not isinstance(found, dict):
            raise BadAnswer(self, "no object")
        return found


class SignIn:
    """How requests are signed in; this one leaves them as they are. See :mod:`synccore.connectors.odata.auth`."""

    #: Who signs in, for failures: a user's name, a client id.
    user: str = ""
    #: What must never stand in a text.
    secrets: tuple[str, ...] = ()

    def headers(self, client: Client) -> dict[str, str]:
        """The headers of the next request. Raises Failure where the sign-in is refused."""
        return {}

    def refused(self, sent: Mapping[str, str]) -> bool:
        """The service answered 401 to these headers. True: the next ``headers`` will be others, one repeat is worth it."""
        return False


class Client:
    """HTTP with one service: connection reuse, time limits, sign-in. Used by one thread; close it."""

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
    ) -> None:
        self.profile = profile
        self.app = app
        self.root = profile.root() if root is None else root
        #: Round trips made.
        self.requests = 0
        #: The service's clock as its last answer gave it, and ours at that moment.
        self.last_date: tuple[datetime, datetime] | None = None
        self._sign_in = sign_in or SignIn()
        self._connect_timeout, self._request_timeout = connect_timeout, request_timeout
        self._origin = _origin(self.root)
        self._http = httpx2.Client(
            transport=transport,
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
        return Situation(
            table=table,
            operation=operation,
            app=self.app,
            host=host,
            port=str(port),
            user=self._sign_in.user,
            secrets=self._sign_in.secrets,
            **facts,
        )

    def send(
        self,
        request: Request,
        *,
        operation: str,
        table: str = "",
        idempotent: bool | None = None,
        about: Situation | None = None,
    ) -> Answer:
        """The answer, its status below 400.

        ``idempotent`` says that the request may be sent again where its answer was lost; None: a GET may, and a write
        that carries a condition. ``about`` says more of what is being done than operation and table.
        Raises the Failure of ``errors.translate`` or ``errors.no_answer``.
        """
        about = about or self.situation(operation, table)
        answer = self.send_raw(request, operation=operation, table=table, idempotent=idempotent, about=about)
        if answer.status >= 400:
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
    ) -> Answer:
        """As ``send``, with whatever status it has. Raises Failure only where no answer came."""
        about = about or self.situation(operation, table)
        address = self._address(request, about)
        signed = self._sign_in.headers(self)
        answer = self._exchange(request, address, signed, about)
        if answer.status == 401 and self._sign_in.refused(signed):
            answer = self._exchange(request, address, self._sign_in.headers(self), about)
        return answer

    def _address(self, request: Request, about: Situation) -> str:
        """Where the request goes. Raises Unrecognised for another host: our credentials are not for it."""
        path = request.path
        if path.startswith("/") and not path.startswith("//"):
            scheme, host, port = self._origin
            return f"{scheme}://{_authority(host, port)}{path}"
        try:
            absolute = bool(urlsplit(path).netloc) or path.startswith("//")
            foreign = absolute and _origin(path) != self._origin
        except ValueError:
            absolute = foreign = True
        if foreign:
            raise _not_taken(path, about)
        return path if absolute else self.root + path

    def _exchange(
        self, request: Request, address: str, signed: Mapping[str, str], about: Situation
    ) -> Answer:
        until = monotonic() + self._request_timeout
        headers = httpx2.Headers(self.profile.headers())
        headers.update(request.headers)
        headers.update(signed)
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        times = {
            "connect": min(self._connect_timeout, self._request_timeout),
            "read": self._request_timeout,
            "write": self._request_timeout,
            "pool": self._request_timeout,
        }
        try:
            outgoing = self._http.build_request(
                request.method,
                address,
                headers=headers,
                content=request.body,
                extensions={"target": _target(address), "timeout": times},
            )
            self.requests += 1
            incoming = self._http.send(outgoing, stream=True)
            try:
                times["read"] = PAUSE
                body = bytearray()
                for chunk in incoming.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise Unrecognised("app_answer", {"table": about.table}, scope=Scope.TABLE)
                    if monotonic() > until:
                        raise httpx2.ReadTimeout("the answer takes too long", request=outgoing)
            finally:
                incoming.close()
        except httpx2.InvalidURL:
            raise _not_taken(request.path, about) from None
        except httpx2.HTTPError as error:
            raise no_answer(error, about) from None
        named = {name.lower(): value for name, value in incoming.headers.items()}
        self._note_date(named.get("date"))
        return Answer(incoming.status_code, named, bytes(body), request)

    def _note_date(self, said: str | None) -> None:
        try:
            moment = parsedate_to_datetime(said or "")
        except ValueError:
            return
        self.last_date = (moment.astimezone(UTC), datetime.now(UTC))


def _not_taken(path: str, about: Situation) -> Unrecognised:
    """An address of the service's own that no request of ours is sent to."""
    message = without_secrets(path, about.secrets)
    return Unrecognised("app_answer", {"table": about.table}, app_message=message, scope=Scope.TABLE)


def is_loopback(host: str) -> bool:
    """Whether a host's name means this machine."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _origin(address: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address. Raises ValueError."""
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or (443 if scheme == "https" else 80)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _target(address: str) -> bytes:
    """Path and query byte for byte: an address that a service gave is sent as it was given. Only what no request line
    can hold is encoded."""
    behind = address.split("://", 1)[1]
    start = min((at for at in (behind.find("/"), behind.find("?")) if at >= 0), default=len(behind))
    target = behind[start:].split("#", 1)[0]
    if not target.startswith("/"):
        target = "/" + target
    return "".join(c if "!" <= c <= "~" else _encoded(c) for c in target).encode("ascii")


def _encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
