"""``python -m tandem.demo.online.host dataverse --port 8101 --file …``: one online app of the demo until it is ended.

Started by hand it says what to type on Connection Setup.

The protocol is that of ``tests/odata``. What is added: sample data at the first start, people who sign in with clients of
their own, and a door for whoever runs the app (``/-/demo/state``, with the key of ``TANDEM_DEMO_KEY``) by which *Break
something* breaks it. What is broken stays broken over a restart.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tandem.demo.online.sample import USERS, id_of, rows, user_of
from tandem.demo.sample import ERP_PEOPLE
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.faults import Trouble
from tests.odata.server import Server
from tests.odata.standard_dataverse import PEOPLE
from tests.odata.tokens import Tokens
from tests.odata.wire import Answer, Call

DOOR: Final = "/-/demo/state"
KEY_HEADER: Final = "x-demo-key"
#: What whoever runs the app may say, and what it is where nobody did.
STATE: Final[dict[str, Any]] = {
    "denied": [],  # [set, operation]: rights that Tandem's user lacks
    "admin_mode": False,
    "secret_expired": False,
    "down_until": 0,  # seconds since 1970
    "throttled_until": 0,
    "work": None,  # people at work: {"since", "by", "done", "told"}
    "acts": [],  # what people did once, by name
    "filled": False,
}


class Host:
    """One server with its door; ``key`` opens it."""

    def __init__(self, server: Server, *, key: str, file: Path) -> None:
        self.server, self.key = server, key
        self.file = file.with_suffix(".state")
        self.state = dict(STATE) | self._kept()
        self._answer = server.handle
        self._allowed = server.service.allowed
        server.handle = self.handle  # type: ignore[method-assign]
        server.service.allowed = self.allowed  # type: ignore[method-assign]
        self.user = self._integration_user()
        self._let_people_in()
        if not self.state["filled"]:
            self._fill()
        self._take_effect()

    # -- the door ------------------------------------------------------------------------------------------------------

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if target == DOOR:
            return self._door(method, headers, body)
        now = time.time()
        if self._is_token(target) and self.state["secret_expired"] and self.server.client_id.encode() in body:
            return _expired(self.server.client_id)
        self.server.faults.down = 503 if now < self.state["down_until"] else 0
        if now < self.state["throttled_until"] and not self._is_token(target):
            left = max(1, round(self.state["throttled_until"] - now))
            return self.server.trouble_answer(Trouble(429, {"Retry-After": str(min(left, 15))}))
        return self._answer(method, target, headers, body)

    def _is_token(self, target: str) -> bool:
        return target.partition("?")[0].endswith("/oauth2/v2.0/token")

    def _door(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if not secrets.compare_digest(headers.get(KEY_HEADER, "").encode(), self.key.encode()):
            return Answer(
                403, {"error": {"code": "door", "message": "This door is for whoever runs the app."}}
            )
        if method == "POST":
            told = json.loads(body)
            self.state |= {name: told[name] for name in STATE if name in told and name != "filled"}
            self._keep()
            self._take_effect()
            # An administrator at work: users are read-only in the API.
            for code, fields in (told.get("users") or {}).items():
                self.server.put("systemusers", id_of("systemusers", code), fields, by=user_of("jane.smith"))
            if told.get("secret_expired"):
                self.server.faults.expire_tokens()
        return Answer(200, self.state)

    def _keep(self) -> None:
        self.file.write_text(json.dumps(self.state), encoding="utf-8")

    def _take_effect(self) -> None:
        self.server.faults.denied = {(name, operation) for name, operation in self.state["denied"]}
        self.server.faults.admin_mode = bool(self.state["admin_mode"])

    def _kept(self) -> dict[str, Any]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return (
            {name: value for name, value in found.items() if name in STATE} if isinstance(found, dict) else {}
        )

    # -- people and rights ---------------------------------------------------------------------------------------------

    def allowed(self, shape: Any, operation: str, call: Call) -> None:
        """Rights that are taken away are taken from Tandem's user; people keep theirs."""
        if call.user == self.user:
            self._allowed(shape, operation, call)

    def _integration_user(self) -> str:
        tokens = self._tokens()
        return tokens.clients[self.server.client_id][1]

    def _tokens(self) -> Tokens:
        assert self.server.tokens is not None
        return self.server.tokens

    def _let_people_in(self) -> None:
        names = (
            {name: user_of(name) for name in USERS}
            if self.server.kind == "dataverse"
            else {n: n for n in ERP_PEOPLE}
        )
        for name, user in names.items():
            self._tokens().clients[name] = (self.key, user)

    def _fill(self) -> None:
        for id in PEOPLE if self.server.kind == "dataverse" else ():
            self.server.remove("systemusers", id)
        for name, key, fields, saved, by in rows(self.server.kind):
            self.server.put(name, key, fields, stamp=saved, by=by)
        self.state["filled"] = True
        self._keep()


def _expired(client: str) -> Answer:
    text = f"AADSTS7000222: The provided client secret keys for app '{client}' are expired."
    return Answer(401, {"error": "invalid_client", "error_description": text, "error_codes": [7000222]})


def open_app(kind: str, *, port: int, file: Path, key: str) -> Host:
    """One of the two apps, listening but not serving yet. Raises OSError where the port is taken."""
    server: Server = (DataverseServer if kind == "dataverse" else BusinessCentralServer)(port=port, file=file)
    return Host(server, key=key, file=file)


def by_hand(host: Host) -> str:
    """What people type who started the app themselves."""
    server = host.server
    return (
        f"Address: {server.url}\nClient ID: {server.client_id}\nClient secret: {server.client_secret}\n"
        f"Token address: {server.token_url}\n"
        f"People sign in as {', '.join(USERS if server.kind == 'dataverse' else ERP_PEOPLE)} with {host.key}\n"
    )


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tandem.demo.online.host", description=__doc__)
    parser.add_argument("kind", choices=("business_central", "dataverse"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True, help="where its records are kept")
    given = parser.parse_args(words)
    key = os.environ.get("TANDEM_DEMO_KEY", "")
    host = open_app(given.kind, port=given.port, file=given.file, key=key or secrets.token_urlsafe(12))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(f"{given.kind}: {host.server.url}\n" if key else by_hand(host))
    sys.stdout.flush()
    try:
        host.server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        host.server.service.store.close()


if __name__ == "__main__":
    main(sys.argv[1:])
