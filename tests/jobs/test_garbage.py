"""A business app that answers garbage: no record is lost or doubled, no job dies of it, and no page shows a traceback."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from synccore import services
from synccore.connectors.odata import circuit, metadata
from synccore.engine.serial import dump_info
from synccore.models import Coupling, FieldMapping, Journal, Problem, SynchJob
from synccore.shapes import FieldInfo, FieldType, KeyKind
from tests import factories as make
from tests.connectors.odata.conftest import on_its_own  # noqa: F401
from tests.odata.dataverse import DataverseServer
from tests.odata.faults import every, reads, writes
from tests.odata.fixtures import dataverse_server  # noqa: F401

from .conftest import Clock
from .world import World, fields_of_customers, table

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("on_its_own")]

BODIES = (
    b"", b"null", b"[]", b"7", b'"text"', b"{}", b'{"value":', b'{"value": 7}', b'{"value": [7, null, {}, "x"]}',
    b'{"value": [{"accountid": [], "name": {"a": 1}}]}', b'{"error": 7}', b'{"error": {"code": [], "message": {}}}',
    b'{"error": {"code": "0x80040220", "message": "Traceback (most recent call last):"}}', b"\xff\xfe\x00\x01", b"\x00",
    b"<html><body><h1>It works</h1></body></html>", b"<error><code>Unauthorized</code></error>", b"[" * 50_000,
    b"--batch_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 20", b"x" * 500_000,
    b'{"@odata.nextLink": "https://elsewhere.example/", "value": []}', b'{"value": [], "@odata.nextLink": 7}',
)  # fmt: skip
STATUSES = (
    200,
    200,
    200,
    201,
    204,
    302,
    400,
    400,
    401,
    403,
    404,
    404,
    409,
    410,
    412,
    413,
    418,
    500,
    500,
    599,
)
BATCH = lambda _method, path: "$batch" in path  # noqa: E731
METADATA = lambda _method, path: "$metadata" in path or "EntityDefinitions" in path  # noqa: E731


class ErpAndDataverse(World):
    """Customers of an app in memory ⇄ accounts of a Dataverse."""

    def __init__(self, server: DataverseServer) -> None:
        super().__init__(fields=("no", "name"))
        self.server = server
        assert server.tokens
        self.crm = make.make_connection(
            "Sales",
            kind="dataverse",
            options={
                "address": server.url, "token_address": server.token_url, "scope": server.tokens.scope,
                "client_id": server.client_id, "request_timeout": 5, "overlap": 0,
            },
            secrets={"client_secret": server.client_secret},
        )  # fmt: skip
        self.integration.right = self.crm
        self.integration.save()
        self.mapping.delete()
        self.left.add_table(table("customer", *fields_of_customers()), modified_by_field="modified_by")
        self.mapping = make.make_mapping(
            integration=self.integration, left_table="customer", right_table="accounts",
            left_id_field="id", left_modified_field="modified_at", left_key_field="no", left_name_field="name",
            left_key_kind=KeyKind.UUID.value, right_id_field="accountid", right_modified_field="modifiedon",
            right_key_field="accountnumber", right_name_field="name", right_key_kind=KeyKind.UUID.value,
        )  # fmt: skip
        for position, (left, right, length) in enumerate(
            (("no", "accountnumber", 20), ("name", "name", 160))
        ):
            FieldMapping.objects.create(
                mapping=self.mapping,
                position=position,
                left_field=left,
                right_field=right,
                left_info=dump_info(self.left.tables["customer"].info.fields[left]),
                right_info=dump_info(FieldInfo(right, FieldType.TEXT, length=length)),
            )

    def customers(self) -> list[tuple[str, str]]:
        rows = self.left.tables["customer"].rows.values()
        return sorted((str(row.fields["no"]), str(row.fields["name"])) for row in rows)

    def accounts(self) -> list[tuple[str, str]]:
        rows = self.server.service.store.tables["accounts"].rows.values()
        return sorted((str(row.values["accountnumber"]), str(row.values["name"])) for row in rows)


@pytest.fixture
def world(dataverse_server: DataverseServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ErpAndDataverse]:  # noqa: F811
    metadata.forget()
    monkeypatch.setattr(circuit, "PROBE_EVERY", 0.0)
    yield ErpAndDataverse(dataverse_server)
    metadata.forget()


def some_id(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def edit(world: ErpAndDataverse, rng: random.Random, n: int) -> None:
    """Somebody works: in the one app, or in the other."""
    rows = world.left.tables["customer"].rows
    if not rows or rng.random() < 0.4:
        world.left.put("customer", some_id(rng), {"no": f"C{n:03}", "name": f"Customer {n}"})
        return
    id = rng.choice(sorted(rows))
    coupled = Coupling.objects.live().paired().filter(left_id=id).first()
    if coupled is None or rng.random() < 0.6:
        world.left.put("customer", id, {**rows[id].fields, "name": f"Edited {n}"})
    else:
        before = world.server.service.store.tables["accounts"].rows[coupled.right_id].values
        world.server.put("accounts", coupled.right_id, {**before, "name": f"Edited over there {n}"})


def settled(world: ErpAndDataverse, clock: Clock) -> None:
    """The app is well again: people press Retry on what they were asked about, and everything that is due runs."""
    world.server.faults.clear()
    circuit._locals.clear()
    for _round in range(6):
        clock.move(days=1)
        Problem.objects.of_setup().not_ended().update(next_attempt=clock.now)
        world.run("check")
        services.retry(Coupling.objects.all(), user=None)
        world.run(scope="sweep")
        job = world.run()
        SynchJob.objects.filter(state=SynchJob.State.QUEUED).delete()
        open_records = Problem.objects.of_records().not_ended().exclude(kind="conflict")
        if job.state == "finished" and not (job.inserted or job.modified) and not open_records.exists():
            return


@pytest.mark.parametrize("seed", range(4))
def test_no_record_is_lost_or_doubled(
    world: ErpAndDataverse, clock: Clock, seed: int, admin_user: Any
) -> None:
    rng = random.Random(seed)
    for n in range(8):
        world.left.put("customer", some_id(rng), {"no": f"C{n:03}", "name": f"Customer {n}"})
    if seed % 2:
        assert world.run().state == "finished"
    for n in range(10, 22):
        for _edit in range(rng.randrange(1, 4)):
            edit(world, rng, n * 10 + _edit)
        if rng.random() < 0.2:
            metadata.forget()
        world.server.faults.garbage(
            rng.choice(BODIES), rng.randrange(1, 5), rng.choice(STATUSES),
            when=rng.choice((every, reads, writes, BATCH, METADATA)),
        )  # fmt: skip
        clock.move(minutes=rng.choice((1, 30, 600)))
        job = world.run(scope=rng.choice(("changes", "changes", "full", "sweep")))
        assert job.state in ("finished", "failed")
        assert job.kind != "bug" and not Problem.objects.filter(kind="bug").exists(), (
            "never a traceback of ours"
        )
    browser = Client()
    browser.force_login(admin_user)  # the clock went on
    pages_hold_no_traceback(browser)
    settled(world, clock)
    names = [number for number, _name in world.accounts()]
    assert len(names) == len(set(names)), "nobody is there twice"
    in_conflict = set(Problem.objects.of_records().not_ended().values_list("coupling__left_key", flat=True))
    same = [each for each in world.customers() if each[0] not in in_conflict]
    assert same == [each for each in world.accounts() if each[0] not in in_conflict]
    assert {kind for kind in Problem.objects.not_ended().values_list("kind", flat=True)} <= {"conflict"}
    assert Coupling.objects.live().paired().count() == len(world.customers())
    assert not Journal.objects.filter(
        Q(state=Journal.State.INTENDED) | Q(state=Journal.State.UNKNOWN)
    ).exists()


def pages_hold_no_traceback(browser: Client) -> None:
    """What an app said is shown as it came; what is ours to keep quiet stays quiet."""
    addresses = [reverse("errors:entries"), reverse("synccore:jobs"), "/", reverse("coupling:skipped")]
    addresses += [
        reverse("coupling:problem", args=[each.pk]) for each in Problem.objects.of_records().not_ended()[:12]
    ]
    addresses += [reverse("synccore:job", args=[job.pk]) for job in SynchJob.objects.order_by("-pk")[:12]]
    for address in addresses:
        answer = browser.get(address)
        assert answer.status_code == 200, address
        page = answer.content.decode()
        assert "File &quot;" not in page and "odata/client.py" not in page, address
