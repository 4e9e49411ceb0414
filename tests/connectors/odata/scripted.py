"""A service that says what a test tells it to, request by request, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import httpx2

from synccore.connectors.odata import csdl, model
from synccore.connectors.odata.client import Client
from synccore.connectors.odata.profile import Profile
from synccore.connectors.odata.source import Source
from synccore.shapes import TableRef

ROOT = "https://service.example/api/v2/"
DATE = "Wed, 25 Nov 2026 12:00:00 GMT"
PERSON = TableRef("people", modified_field="changed", key_field="number", name_field="name")
FIELDS = ("name", "city")

#: ``people`` with a stamp, ``notes`` without.
DOCUMENT = """<?xml version="1.0"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="T" xmlns="http://docs.oasis-open.org/odata/ns/edm">
  <EntityType Name="Person"><Key><PropertyRef Name="id"/></Key>
    <Property Name="id" Type="Edm.Guid" Nullable="false"/>
    <Property Name="number" Type="Edm.String" MaxLength="20"/>
    <Property Name="name" Type="Edm.String" MaxLength="100"/>
    <Property Name="city" Type="Edm.String" MaxLength="30"/>
    <Property Name="age" Type="Edm.Int32"/>
    <Property Name="changed" Type="Edm.DateTimeOffset" Precision="3"/>
  </EntityType>
  <EntityType Name="Note"><Key><PropertyRef Name="code"/></Key>
    <Property Name="code" Type="Edm.String" Nullable="false" MaxLength="20"/>
    <Property Name="text" Type="Edm.String"/>
  </EntityType>
  <EntityContainer Name="All">
    <EntitySet Name="people" EntityType="T.Person"><Annotation Term="Org.OData.Capabilities.V1.ChangeTracking">
      <Record><PropertyValue Property="Supported" Bool="true"/></Record></Annotation></EntitySet>
    <EntitySet Name="notes" EntityType="T.Note"/>
  </EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


def id(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012d}"


def row(n: int, stamp: str | None = "2026-11-25T10:00:00.000Z", **values: Any) -> dict[str, Any]:
    """A person as the service sends it."""
    own = {"@odata.etag": f'W/"{n}"', "id": id(n), "number": f"P{n}", "name": f"Name {n}", "city": "Gent"}
    return {**own, "changed": stamp, **values}


def page(*rows: Any, next: str | None = None, delta: str | None = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"@odata.context": ROOT + "$metadata#people", "value": list(rows), **more}
    if next is not None:
        body["@odata.nextLink"] = next
    if delta is not None:
        body["@odata.deltaLink"] = delta
    return body


Told = dict[str, Any] | tuple[int, Any] | tuple[int, Any, dict[str, str]] | Callable[[httpx2.Request], Any]


class Script:
    """``told``: the answers in order, a body or (status, body[, headers]). ``asked``: the requests that came."""

    def __init__(self, *told: Told, profile: Profile | None = None, **more: Any) -> None:
        self.profile = profile or Profile()
        self.told = list(told)
        self.asked: list[httpx2.Request] = []
        self.more = more
        self.entities = model.entities(csdl.parse(DOCUMENT.encode()), self.profile)
        self.source = self.another()

    def another(self) -> Source:
        """The source of another connector for the same service."""
        transport = httpx2.MockTransport(self._answer)
        client = Client(self.profile, app="CRM", root=ROOT, transport=transport, rest=lambda _seconds: None)
        return Source(client, self.more.get("overlap", timedelta(minutes=5)), self.entities.__getitem__)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        assert self.told, f"not foreseen: {request.method} {request.url}"
        told = self.told.pop(0)
        if callable(told):
            told = told(request)
        status, body, headers = (200, told, {}) if isinstance(told, dict) else (*told, {})[:3]
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        return httpx2.Response(
            status, text=text, headers={"Date": DATE, "Content-Type": "application/json", **headers}
        )

    @property
    def paths(self) -> list[str]:
        """What was asked, as it went over the wire, without the root."""
        return [self.target(request).removeprefix("/api/v2/") for request in self.asked]

    @property
    def queries(self) -> list[str]:
        """The same, decoded."""
        return [unquote(path) for path in self.paths]

    @property
    def preferences(self) -> list[str]:
        return [request.headers.get("Prefer", "") for request in self.asked]

    @staticmethod
    def target(request: httpx2.Request) -> str:
        target: bytes = request.extensions.get("target") or request.url.raw_path
        return target.decode()
