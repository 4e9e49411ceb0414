"""What signs Tandem in is told to nobody: by no row, log, call stack or page, whatever a service quotes back."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from synccore import jobs
from synccore.connectors.odata import metadata
from synccore.models import Problem, SynchJob, SynchJobError
from tests.connectors.odata.conftest import on_its_own  # noqa: F401
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import dataverse_server  # noqa: F401
from tests.odata.wire import Answer

from .conftest import Clock
from .test_garbage import ErpAndDataverse, some_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("on_its_own")]

SECRET = "can+ary/of~ours=="
#: So much of it is left in each of the ways in which it can be quoted.
CANARY = re.compile(r"can.{1,8}ary", re.IGNORECASE)


class Quoting:
    """A service that quotes back what signs in, in the next answer of each kind: (status, body, headers)."""

    def __init__(self, server: DataverseServer) -> None:
        self.handle = server.handle
        self.kinds: list[str] = []
        self.said: list[str] = []

    def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        signed = headers.get("authorization", "")
        if self.kinds and (signed or "token" in target):
            return self.quote(self.kinds[0], f"{signed} {SECRET}")
        return self.handle(method, target, headers, body)

    def quote(self, kind: str, word: str) -> Answer:
        self.said.append(word)
        status, _, form = kind.partition(" ")
        html = {"Content-Type": "text/html", "X-Ms-Request-Id": quote(word, safe=" ")}
        match form:
            case "html":
                return Answer(
                    int(status), f"<html><p>{escape(word)} {quote(word).lower()}</p>".encode(), html
                )
            case "text":
                return Answer(
                    int(status), f"no: {word} \\u003a {word!r}".encode(), {"Content-Type": "text/plain"}
                )
            case "cut":
                text = json.dumps({"error": {"code": "x", "message": word, "details": [{"message": word}]}})
                return Answer(int(status), text[:-9].encode(), {"Content-Type": "application/json"})
            case "link":
                link = f"https://elsewhere.example/{quote(word)}"
                return Answer(
                    int(status), {"value": [], "@odata.nextLink": link, "@odata.deltaLink": word}, {}
                )
            case "token":
                said = {"error": "invalid_client", "error_description": f"AADSTS7000215: {word}"}
                return Answer(int(status), said, {"Location": f"/{word}", "Retry-After": word})
        error = {"code": word, "message": f"Refused: {word}", "target": word, "@x.TraceText": word}
        inner = {"innererror": {"message": quote(word), "stacktrace": word}}
        return Answer(int(status), {"error": error | inner}, {"Req_Id": word})


@pytest.fixture
def world(dataverse_server: DataverseServer, no_pauses: None) -> Iterator[ErpAndDataverse]:  # noqa: F811
    assert dataverse_server.tokens
    [(known, (_secret, user))] = dataverse_server.tokens.clients.items()
    dataverse_server.tokens.clients[known] = (SECRET, user)
    dataverse_server.client_secret = SECRET
    metadata.forget()
    yield ErpAndDataverse(dataverse_server)
    metadata.forget()


KINDS = (
    "400 json", "401 json", "403 json", "404 html", "409 cut", "412 json", "413 text", "429 json", "500 html", "500 cut",
    "503 text", "200 html", "200 text", "200 link", "302 token", "401 token",
)  # fmt: skip


def everything_stored() -> str:
    rows = [repr(row) for model in apps.get_models() for row in model._default_manager.values_list()]
    return "\n".join(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_service_quotes_back_nobody_reads_what_signs_us_in(
    world: ErpAndDataverse,
    clock: Clock,
    kind: str,
    admin_user: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("DEBUG")
    rng = random.Random(1)
    quoting = Quoting(world.server)
    monkeypatch.setattr(world.server, "handle", quoting)
    world.left.put("customer", some_id(rng), {"no": "C001", "name": "One"})
    assert world.run().state == "finished"
    assert world.server.tokens
    [token] = list(world.server.tokens._tokens)
    id = next(iter(world.left.tables["customer"].rows))
    world.left.put("customer", id, {"no": "C001", "name": "Two"})
    world.left.put("customer", some_id(rng), {"no": "C002", "name": "New"})
    quoting.kinds = [kind]
    clock.move(minutes=90)
    world.run(scope="full")
    world.run("check")
    metadata.forget()
    jobs.run(jobs.enqueue(verb="check_set_up", connection=world.crm).pk)
    assert quoting.said and (Problem.objects.exists() or SynchJob.objects.exclude(state="finished").exists())
    browser = Client()
    browser.force_login(admin_user)
    addresses = [reverse("errors:entries"), reverse("synccore:jobs"), reverse("coupling:skipped")]
    addresses += [reverse("synccore:job", args=[job.pk]) for job in SynchJob.objects.all()]
    addresses += [reverse("errors:entry", args=[entry.pk]) for entry in SynchJobError.objects.all()]
    addresses += [reverse("synccore:connection", args=[world.crm.pk])]
    pages = "\n".join(browser.get(address).content.decode() for address in addresses)
    told = {"rows": everything_stored(), "pages": pages, "logs": caplog.text + "".join(capfd.readouterr())}
    for where, text in told.items():
        assert token not in text and not CANARY.search(text), where
