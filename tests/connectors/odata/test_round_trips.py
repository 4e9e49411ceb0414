"""How many requests real jobs make between two services: what a thousand changed records may cost."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from synccore import jobs
from synccore.connectors.odata import metadata
from synccore.models import Coupling, FieldMapping, JobItem, SynchJob, TableMapping
from synccore.services import setup
from tests.factories import make_connection, make_integration, make_mapping
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer

pytestmark = pytest.mark.django_db

N = 1_000
#: Most requests per thousand changed records, whatever is done with them and reading included.
BUSINESS_CENTRAL, DATAVERSE = 30, 8
FIELDS = {
    "number": "accountnumber",
    "displayName": "name",
    "city": "address1_city",
    "phoneNumber": "telephone1",
}


class Pair:
    """Customers of Business Central ⇄ accounts of Dataverse, by their number."""

    def __init__(self, left: BusinessCentralServer, right: DataverseServer) -> None:
        self.left, self.right = left, right
        signed_in = [
            {
                "tenant": each.tenant,
                "client_id": each.client_id,
                "token_address": each.token_url,
                "address": each.address,
            }
            for each in (left, right)
        ]
        signed_in[0] |= {"environment": left.environment, "company": left.company}
        kinds = ("business_central", "dataverse")
        apps = [
            make_connection(kind=kind, options=options, secrets={"client_secret": each.client_secret})
            for kind, options, each in zip(kinds, signed_in, (left, right), strict=True)
        ]
        self.mapping: TableMapping = make_mapping(
            integration=make_integration(*apps),
            left_table="customers",
            right_table="accounts",
            left_modified_field="lastModifiedDateTime",
            right_modified_field="modifiedon",
            left_key_field="number",
            right_key_field="accountnumber",
            left_name_field="displayName",
            right_name_field="name",
        )
        for position, (ours, theirs) in enumerate(FIELDS.items()):
            FieldMapping.objects.create(
                mapping=self.mapping, position=position, left_field=ours, right_field=theirs
            )
        self.mapping.natural_key = self.mapping.field_mappings.get(left_field="number").pk
        self.mapping.save()
        assert setup.refresh(self.mapping) == []
        self.run()  # as in a worker that has run before: it knows the tables, and the clocks

    def run(self, scope: str = "changes") -> SynchJob:
        """One job; what was asked before it is forgotten."""
        self.left.requests.clear()
        self.right.requests.clear()
        mapping = TableMapping.objects.get(pk=self.mapping.pk)
        job = jobs.run(jobs.enqueue(verb="synchronise", mapping=mapping, scope=scope).pk)
        assert job is not None and job.state == SynchJob.State.FINISHED, (job, job and job.code)
        SynchJob.objects.filter(state=SynchJob.State.QUEUED).delete()
        return job

    @property
    def asked(self) -> tuple[int, int]:
        """Requests to Business Central and to Dataverse."""
        return len(self.left.requests), len(self.right.requests)

    def within_bounds(self) -> bool:
        return self.asked[0] <= BUSINESS_CENTRAL and self.asked[1] <= DATAVERSE


@pytest.fixture
def pair() -> Iterator[Pair]:
    with BusinessCentralServer() as left, DataverseServer() as right:
        yield Pair(left, right)
        assert not left.crashes and not right.crashes, (left.crashes, right.crashes)


def test_what_a_thousand_records_cost(pair: Pair) -> None:
    for n in range(N):
        new = {"number": f"C{n}", "displayName": f"Customer {n}", "city": "Gent"}
        pair.left.put("customers", str(uuid4()), new)
    job = pair.run()
    assert (job.inserted, job.failed) == (N, 0)
    assert pair.within_bounds(), ("new records", pair.left.requests, pair.right.requests)
    assert Coupling.objects.live().paired().count() == N == len(pair.right.rows("accounts"))

    for key in pair.left.rows("customers"):
        pair.left.put("customers", key, {"city": "Brugge"})
    job = pair.run()
    assert (job.modified, job.failed) == (N, 0)
    assert pair.within_bounds(), ("to Dataverse", pair.left.requests, pair.right.requests)

    for key in pair.right.rows("accounts"):
        pair.right.put("accounts", key, {"address1_city": "Namur"})
    job = pair.run()
    assert (job.modified, job.failed) == (N, 0)
    assert pair.within_bounds(), ("to Business Central", pair.left.requests, pair.right.requests)
    assert {row["city"] for row in pair.left.rows("customers").values()} == {"Namur"}

    job = pair.run()
    assert pair.asked == (1, 1), "nothing changed: one look at each"
    assert (job.modified, job.inserted, job.failed) == (0, 0, 0)

    job = pair.run("sweep")
    assert pair.asked == (1, 1), "a sweep of a thousand is one page of each"
    assert not JobItem.objects.filter(job=job).exists(), "what we wrote is known by its version"


def test_what_the_tables_cost_a_fresh_process(pair: Pair) -> None:
    """The first job of a process reads what there is: a document and captions; a document, the list, one batch."""
    pair.run()
    warm = pair.asked
    metadata.forget()
    pair.run()
    assert pair.asked == (warm[0] + 2, warm[1] + 3), (pair.left.requests, pair.right.requests)


def test_records_that_are_there_already_are_adopted_in_as_few(pair: Pair) -> None:
    for n in range(N):
        pair.left.put("customers", str(uuid4()), {"number": f"C{n}", "displayName": f"Customer {n}"})
        pair.right.put("accounts", str(uuid4()), {"accountnumber": f"C{n}", "name": f"Customer {n}"})
    job = pair.run()
    assert (job.coupled, job.inserted, job.failed) == (N, 0, 0)
    assert pair.within_bounds(), (pair.left.requests, pair.right.requests)
    assert len(pair.right.rows("accounts")) == N == len(pair.left.rows("customers"))
