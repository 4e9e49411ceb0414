"""A service behind a socket: HTTP/1.1 with connections kept open, gzip, tokens, a log of requests, and trouble on demand."""

from __future__ import annotations

import gzip
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from tests.odata.faults import Faults, Trouble
from tests.odata.pages import page_of
from tests.odata.schema import EntitySet
from tests.odata.service import Service
from tests.odata.store import Key, Stamp, canonical
from tests.odata.tokens import TENANT, Tokens
from tests.odata.wire import Answer, Call, Refused

CLIENT_ID = "5c1d2f4e-7a7b-4c52-8a0e-9e7d0f3a6b11"
CLIENT_SECRET = "s3cret~of.the-client"


class CutError(Exception):
    """The connection ends here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    site: Server

    def log_message(self, *_args: Any) -> None:
        pass

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = self.site.handle(self.command, self.path, headers, body)
        except CutError:
            self.close_connection = True
            return
        except Exception:
            self.site.crashes.append(traceback.format_exc())
            answer = Answer(500, {"error": {"code": "crash", "message": self.site.crashes[-1]}})
        self._send(answer, headers)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = _any

    def _send(self, answer: Answer, asked: Mapping[str, str]) -> None:
        content = answer.content()
        lines = {"Content-Type": "application/json; odata.metadata=minimal", "OData-Version": "4.0"}
        lines |= {"Date": self.site.date(), **answer.headers}
        if "gzip" in asked.get("accept-encoding", "") and len(content) > 800:
            content = gzip.compress(content, 1)
            lines["Content-Encoding"] = "gzip"
        if answer.status == 204 or not content:
            lines.pop("Content-Type", None)
        if answer.status not in (204, 304):
            lines["Content-Length"] = str(len(content))
        head = f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('?',))[0]}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        with suppress(ConnectionError):
            self.wfile.write(head.encode("latin-1", "replace") + content)


class Server:
    """One service on one port. Use as a context, or ``close`` it."""

    kind = ""
    #: Longest address, and longest query in it, that the web server in front of the service takes: those of IIS.
    longest_address, longest_query = 16_384, 2048

    def __init__(self, port: int = 0) -> None:
        handler = type("Bound", (Handler,), {"site": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.client_id, self.client_secret = CLIENT_ID, CLIENT_SECRET
        self.tenant = TENANT
        self.tokens: Tokens | None = None
        self.token_url = f"{self.address}/{TENANT}/oauth2/v2.0/token"
        self.faults = Faults(self._expire_tokens, self._expire_deltas)
        #: Every request to the service in order: (method, path with query). Tokens are not in it.
        self.requests: list[tuple[str, str]] = []
        #: The addresses that were longer than it takes.
        self.too_long: list[str] = []
        #: Tracebacks of the test server itself: none, ever.
        self.crashes: list[str] = []
        self.service: Service = self.make_service()

    # -- for each kind -------------------------------------------------------------------------------------------------

    def make_service(self) -> Service:
        raise NotImplementedError

    @property
    def url(self) -> str:
        """What a person types as the address of the service."""
        return self.service.root

    def signed_in(self, headers: Mapping[str, str]) -> str | None:
        """The user, None where the request signs nobody in."""
        return self.tokens.user_of(headers) if self.tokens else "somebody"

    def refuse_sign_in(self, headers: Mapping[str, str]) -> Answer:
        return Answer(401, None, {"WWW-Authenticate": f'Bearer authorization_uri="{self.token_url}"'})

    def refuse_length(self) -> Answer:
        """What the web server says to an address that is too long; the service does not hear of it."""
        page = b"<!DOCTYPE html><html><body><h2>404.15 - Not Found</h2>The query string is too long.</body></html>"
        return Answer(404, page, {"Content-Type": "text/html"})

    def answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, user: str
    ) -> Answer:
        """The answer to a signed-in request; ``path`` starts with a slash and is still encoded."""
        root = self.service.root[len(self.address) :]
        if not path.startswith(root.rstrip("/")):
            return Answer(404, b"<html><body>Not found</body></html>", {"Content-Type": "text/html"})
        return self.service.call(Call(method, path[len(root) :], query, headers, body, user))

    def trouble_answer(self, trouble: Trouble) -> Answer:
        """What a planned status looks like."""
        body = trouble.body
        if body is None:
            body = {"error": {"code": "", "message": "The service is busy."}}
        return Answer(trouble.status, body, dict(trouble.headers or {}))

    def _expire_tokens(self) -> None:
        if self.tokens:
            self.tokens.expire()

    def _expire_deltas(self) -> None:
        pass

    # -- one request ---------------------------------------------------------------------------------------------------

    def date(self) -> str:
        return self.service.store.now().strftime("%a, %d %b %Y %H:%M:%S GMT")

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        parts = path.split("/")
        if len(self.address) + len(target) > self.longest_address or len(query) > self.longest_query:
            self.too_long.append(target)
            return self.refuse_length()
        if self.tokens and parts[2:] == ["oauth2", "v2.0", "token"] and method == "POST":
            return self.tokens.answer(unquote(parts[1]), headers, body)
        if method == "GET" and (page := page_of(self.service, path, query)) is not None:
            return page
        self.requests.append((method, target))
        trouble = self.faults.next(method, target)
        time.sleep(self.faults.seconds + (trouble.seconds if trouble else 0.0))
        if trouble and trouble.cut == "before":
            raise CutError
        if trouble and trouble.status:
            return self.trouble_answer(trouble)
        if self.faults.down:
            return self.trouble_answer(Trouble(self.faults.down))
        user = self.signed_in(headers)
        if user is None:
            return self.refuse_sign_in(headers)
        try:
            answer = self.answer(method, path, query, headers, body, user)
        except Refused as refused:
            answer = self.service.error(refused)
        if trouble and trouble.cut == "after":
            raise CutError
        return answer

    # -- people at work, and what is there --------------------------------------------------------------------------------

    def put(
        self,
        name: str,
        id: Key,
        fields: Mapping[str, Any],
        *,
        stamp: Stamp = "now",
        by: str | None = "somebody",
    ) -> None:
        """Create or change a row as somebody else; no rule of the service is asked."""
        store = self.service.store
        shape = self.service.shapes[name]
        with store.lock:
            before = store.tables[name].rows.get(id)
            values = (
                dict(before.values)
                if before
                else {prop.name: self.blank(prop) for prop in shape.props.values()}
            )
            for field, value in fields.items():
                values[field] = canonical(shape.props[field], value, store.fraction)
                if values[field] is None:
                    values[field] = self.blank(shape.props[field])
            store.write(name, id, values, stamp=stamp, by=by)

    def blank(self, prop: Any) -> Any:
        """What a property holds that nobody filled in."""
        return prop.default

    def remove(self, name: str, id: Key) -> None:
        self.service.store.remove(name, id)

    def rows(self, name: str) -> dict[Key, dict[str, Any]]:
        with self.service.store.lock:
            return {key: dict(row.values) for key, row in self.service.store.tables[name].rows.items()}

    # -- running -------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def serve(self) -> None:
        self._http.serve_forever(0.2)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self.service.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def chosen(shapes: Iterable[EntitySet], more: Iterable[EntitySet]) -> list[EntitySet]:
    """The standard sets and those that a test adds; one of the same name replaces the standard one."""
    return list({shape.name: shape for shape in (*shapes, *more)}.values())
