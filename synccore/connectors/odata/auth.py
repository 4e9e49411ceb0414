"""How requests are signed in: not at all, by fixed headers, or by a token for a client's credentials (OAuth2).

A token is held once per process, whatever number of connectors use the same credentials: many callers that need one wait
for a single fetch. Nothing here compares wall clocks: a token is good for so long after it was asked for, on a clock that
only runs forward, and where that was wrong (a machine that slept) the service's 401 says so and the token is renewed.

Secrets and tokens are in no ``repr``, no failure and no log.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote_plus, urlencode

from synccore.connectors.odata.errors import token_refused
from synccore.connectors.odata.messages import origin_of
from synccore.failures import Failure, Scope, Transient

if TYPE_CHECKING:
    from synccore.connectors.odata.client import Answer
    from synccore.connectors.odata.errors import Situation

#: A token is renewed so many seconds before it ends, or after nine tenths of a short life.
MARGIN: Final = 300.0
#: Seconds a token is taken to last where the answer does not say.
UNSAID: Final = 300.0
#: Longest life that is believed.
LONGEST: Final = 86_400.0


class TokenClient(Protocol):
    """What fetching a token needs of a client."""

    def token_request(self, address: str, form: bytes, until: float) -> Answer: ...

    def situation(self, operation: str, table: str = "", **facts: Any) -> Situation: ...


class SignIn:
    """Fixed headers on every request; none of them: the service asks for no sign-in.

    ``user``: who signs in, for failures. ``secrets``: what must never stand in a text.
    """

    def __init__(
        self, headers: Mapping[str, str] | None = None, *, user: str = "", secrets: Iterable[str] = ()
    ) -> None:
        self._headers = dict(headers or {})
        self._secrets = tuple(secret for secret in secrets if secret)
        self.user = user

    def __repr__(self) -> str:
        return f"{type(self).__name__}(user={self.user!r})"

    @property
    def secrets(self) -> tuple[str, ...]:
        return self._secrets

    def headers(self, client: TokenClient, until: float) -> dict[str, str]:
        """The headers of the next request, by the moment ``until``. Raises Failure where the sign-in is refused."""
        return dict(self._headers)

    def refused(self, sent: Mapping[str, str]) -> bool:
        """The service answered 401 to these headers. True: the next ones will be others, so that one repeat is worth it."""
        return False


def fixed_headers(headers: Mapping[str, str], *, user: str = "", password: str = "") -> SignIn:
    """Headers as the connection says them, with Basic authentication where there is a user."""
    secrets = [value for value in headers.values() if len(value) > 3]
    # "Bearer abc" and "ApiKey abc" are quoted without their scheme too.
    secrets += [value.split(None, 1)[1] for value in headers.values() if " " in value.strip()]
    all_headers = dict(headers)
    if user:
        basic = b64encode(f"{user}:{password}".encode()).decode()
        all_headers["Authorization"] = f"Basic {basic}"
        secrets += [password, basic, quote_plus(password)]
    return SignIn(all_headers, user=user, secrets=secrets)


@dataclass(slots=True)
class _Token:
    """The token of one set of credentials in this process."""

    lock: Lock = field(default_factory=Lock)
    value: str = field(default="", repr=False)
    #: The one before: a late answer may still quote it.
    former: str = field(default="", repr=False)
    good_until: float = 0.0
    #: Counts fetches that ended, so that those who waited for one know how it ended.
    fetches: int = 0
    failure: Failure | None = None


_tokens: Final[dict[str, _Token]] = {}
_tokens_lock: Final = Lock()


class ClientCredentials(SignIn):
    """A token for a client id and its secret (OAuth2 client credentials), fetched when one is needed."""

    def __init__(
        self,
        *,
        token_address: str,
        client_id: str,
        client_secret: str,
        scope: str,
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(headers, user=client_id, secrets=(client_secret, quote_plus(client_secret)))
        self._address = token_address
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            **({"scope": scope} if scope else {}),
        }
        self._clock = clock
        known_by = sha256(json.dumps([token_address, self._form], sort_keys=True).encode()).hexdigest()
        with _tokens_lock:
            self._token = _tokens.setdefault(known_by, _Token())

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self._secrets, *filter(None, (self._token.value, self._token.former)))

    def headers(self, client: TokenClient, until: float) -> dict[str, str]:
        return {**self._headers, "Authorization": f"Bearer {self._value(client, until)}"}

    def refused(self, sent: Mapping[str, str]) -> bool:
        with self._token.lock:
            if sent.get("Authorization") == f"Bearer {self._token.value}":
                self._token.good_until = 0.0
        return True

    def _value(self, client: TokenClient, until: float) -> str:
        token = self._token
        if token.value and self._clock() < token.good_until:
            return token.value
        fetches = token.fetches
        if not token.lock.acquire(timeout=max(until - monotonic(), 0.01)):
            now = self._situation(client)
            params = {"app": now.app, "host": now.host, "port": now.port, "user": now.user}
            raise Transient("connection_refused", params, scope=Scope.CONNECTION)
        try:
            if token.fetches != fetches and token.failure is not None:
                # Somebody else asked while we waited: the answer would be the same.
                raise token.failure.again()
            if not token.value or self._clock() >= token.good_until:
                self._fetch(client, until)
            return token.value
        finally:
            token.lock.release()

    def _situation(self, client: TokenClient) -> Situation:
        """What is told of a token that is not given: of the end-point that was asked, not of the app."""
        _scheme, host, port = origin_of(self._address)
        return client.situation("token", host=host, port=str(port))

    def _fetch(self, client: TokenClient, until: float) -> None:
        token = self._token
        asked = self._clock()
        now = self._situation(client)
        try:
            answer = client.token_request(self._address, urlencode(self._form).encode(), until)
            if answer.status != 200:
                raise token_refused(answer, now)
            value, life = _read(answer, now)
        except Failure as failure:
            token.failure = failure
            raise
        finally:
            token.fetches += 1
        token.failure = None
        token.former, token.value = token.value, value
        token.good_until = asked + life - min(MARGIN, life / 10)


def _read(answer: Answer, now: Situation) -> tuple[str, float]:
    """Token and life in seconds of a token end-point's answer. Raises Failure."""
    try:
        found = json.loads(answer.body)
        value, life = found["access_token"], found.get("expires_in")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise token_refused(answer, now) from None
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise token_refused(answer, now)
    try:
        seconds = float(life)
    except (TypeError, ValueError):
        seconds = UNSAID
    # Written so that "not a number" fails it too.
    return value, seconds if 0 <= seconds <= LONGEST else UNSAID if not seconds > 0 else LONGEST
