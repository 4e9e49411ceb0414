"""Filters against the strict services: every rendered filter is taken by them and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid5

import pytest

from synccore.connectors.filtering import matcher
from synccore.connectors.odata import metadata
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client, Request
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.filtering import query, render
from synccore.connectors.odata.json_answers import rows_of
from synccore.connectors.odata.model import Entity
from synccore.connectors.odata.plain import PlainProfile
from synccore.connectors.odata.values import field_reader
from synccore.failures import Failure
from synccore.shapes import Condition, Operator
from tests.connectors.odata.test_metadata import connect
from tests.odata.business_central import BusinessCentralServer
from tests.odata.client import Client as Bare
from tests.odata.dataverse import DataverseServer
from tests.odata.plain import PlainServer
from tests.odata.server import Server

NAMES: Final = ("nl", "NL", "nl ", "d'Or & co #1", "a + b", "100%", "50% %41", "Søn", "[ab]c", "x_y", "1/2")
TEXTS: Final = ("", "nl", "NL", "d'Or", "d'Or & co #1", "a + b", "100%", "Søn", "[ab]", "x", "1/2", "zz" * 60)


def id_of(n: int) -> str:
    return str(uuid5(UUID(int=7), str(n)))


def company(server: BusinessCentralServer) -> str:
    bare = Bare(server)
    id = bare.value("companies")[0]["id"]
    bare.close()
    return f"{server.service.root}companies({id})/"


@pytest.fixture(scope="module", params=["plain", "business_central", "dataverse"])
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Client, Entity, dict[str, tuple[str, ...]]]]:
    """A client, a table with odd records in it, and what is asked of which field."""
    metadata.forget()
    server: Server
    if request.param == "plain":
        server = PlainServer()
    else:
        server = BusinessCentralServer() if request.param == "business_central" else DataverseServer()
    with server:
        if isinstance(server, PlainServer):
            for n, name in enumerate((*NAMES, "")):
                values = {
                    "Code": f"C{n}",
                    "Name": name,
                    "Price": None if n % 3 else n,
                    "Discontinued": n % 2 == 0,
                }
                server.put("Products", n + 1, values)
            client, table = connect(server, PlainProfile()), "Products"
            asked = {
                "Name": TEXTS,
                "Price": ("", "0", "3", "4.5"),
                "Discontinued": ("true", "false"),
                "ID": ("3",),
            }
        elif isinstance(server, BusinessCentralServer):
            for n, name in enumerate(NAMES):
                values = {
                    "number": f"C{n}", "displayName": name, "city": name if n % 2 else "", "creditLimit": n,
                    "type": "Person" if n % 2 else "Company", "blocked": " " if n % 3 else "Ship",
                }  # fmt: skip
                server.put("customers", id_of(n), values)
            client, table = connect(server, BusinessCentralProfile(), company(server)), "customers"
            asked = {
                "displayName": TEXTS, "city": TEXTS, "creditLimit": ("0", "3"), "type": ("Person", "Company"),
                "blocked": ("", "Ship"), "id": ("", id_of(1)), "currencyId": ("", id_of(1)), "taxLiable": ("true",),
            }  # fmt: skip
        else:
            assert isinstance(server, DataverseServer)
            for n, name in enumerate((*NAMES, None)):
                values = {
                    "name": name, "address1_city": name, "customertypecode": (3, 11, None)[n % 3],
                    "creditlimit": None if n % 2 else n, "creditonhold": n % 2 == 0,
                }  # fmt: skip
                server.put("accounts", id_of(n), values)
            client, table = connect(server, DataverseProfile()), "accounts"
            asked = {
                "name": TEXTS, "address1_city": TEXTS, "customertypecode": ("", "3", "99"), "creditlimit": ("", "3"),
                "creditonhold": ("", "true"), "accountid": (id_of(1),), "primarycontactid": ("", id_of(1)),
                "modifiedon": ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00.5Z"), "statecode": ("0",),
            }  # fmt: skip
        with client:
            yield client, metadata.entity(client, table), asked
    assert not server.crashes, server.crashes[0]
    metadata.forget()


def conditions(asked: dict[str, tuple[str, ...]]) -> Iterator[tuple[Condition, ...]]:
    for name, texts in asked.items():
        yield (Condition(name, Operator.EMPTY),)
        yield (Condition(name, Operator.NOT_EMPTY),)
        for operator in Operator:
            if operator in (Operator.EMPTY, Operator.NOT_EMPTY):
                continue
            if operator in (Operator.IN, Operator.NOT_IN):
                yield (Condition(name, operator, tuple(texts)),)
                yield (Condition(name, operator, tuple(texts[1:3])),)
                continue
            for text in texts:
                yield (Condition(name, operator, text),)
    names = list(asked)
    yield tuple(Condition(name, Operator.NE, asked[name][-1]) for name in names[:3])


def test_every_filter_is_taken_and_gives_what_is_meant(
    service: tuple[Client, Entity, dict[str, tuple[str, ...]]],
) -> None:
    client, entity, asked = service
    select = ",".join(dict.fromkeys(entity.property(name).read_path for name in asked))

    def rows(text: str) -> list[dict[str, Any]]:
        path = f"{entity.set_name}?{query({'$select': select, '$filter': text})}"
        return rows_of(client, client.send(Request("GET", path), operation="read", table=entity.set_name))[0]

    infos = {name: entity.property(name).info for name in asked}
    everything = [
        {name: field_reader(entity.property(name), client.profile)(row) for name in asked} for row in rows("")
    ]
    assert len(everything) >= len(NAMES)
    assert entity.key is not None
    tried = 0
    for filter in conditions(asked):
        try:
            test = matcher(entity.set_name, filter, infos)
        except Failure:
            continue
        text, exact = render(entity, filter, client.profile)
        if not text:
            continue
        tried += 1
        given = [
            {name: field_reader(entity.property(name), client.profile)(row) for name in asked}
            for row in rows(text)
        ]
        meant = [record for record in everything if test(record)]
        assert all(record in given for record in meant), (filter, text)
        assert not exact or len(given) == len(meant), (filter, text)
    assert tried > 30
