"""Our runs between Business Central and Dataverse against the bare loop of the fewest requests: wall time and requests.

Both services are the strict servers of ``tests.odata``, each in a process of its own, so nothing is waited for but work.
Over a real network each request costs some hundredths of a second more: there the requests count, here the time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.core.management import call_command

from bench.bare_odata import (
    ACCOUNT_BATCH,
    CUSTOMER_BATCH,
    FIELDS,
    Bare,
    change_accounts,
    change_customers,
    create_accounts,
    nothing,
    write_accounts,
    write_customers,
)
from synccore import jobs
from synccore.connectors.base import Connector
from synccore.connectors.odata.connector import ODataConnector
from synccore.models import Connection, FieldMapping, Integration, SynchJob, TableMapping
from synccore.services import setup
from synccore.shapes import Side


@dataclass(frozen=True)
class Service:
    """A service that runs: how a connection leads to it, and where the bare loop finds it."""

    kind: str
    options: dict[str, Any]
    secret: str
    root: str
    token: str

    def bare(self) -> Bare:
        return Bare(self.root, self.token)


@contextmanager
def service(kind: str) -> Iterator[Service]:
    """One of the servers of ``tests.odata`` in a process of its own."""
    command = [sys.executable, "-m", "tests.odata", kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = [process.stdout.readline().split() for _line in range(3)]
        address, token_address, (client_id, secret) = told[0][1], told[1][1], told[2][1::2]
        yield _found(kind, address, token_address, client_id, secret)
    finally:
        process.terminate()
        process.wait()


def _found(kind: str, address: str, token_address: str, client_id: str, secret: str) -> Service:
    parts = urlsplit(address)
    host, tenant = f"{parts.scheme}://{parts.netloc}", token_address.split("/")[3]
    central = kind == "business_central"
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
        "scope": f"{'https://api.businesscentral.dynamics.com' if central else host}/.default",
    }
    token = httpx2.post(token_address, data=form).raise_for_status().json()["access_token"]
    options: dict[str, Any] = {
        "address": host,
        "tenant": tenant,
        "client_id": client_id,
        "token_address": token_address,
    }
    if not central:
        return Service(kind, options, secret, f"{host}/api/data/v9.2/", token)
    with Bare(address, token) as api:
        [company, *_more] = api.send("GET", "companies").json()["value"]
    options |= {"environment": parts.path.split("/")[3], "company": company["id"]}
    return Service(kind, options, secret, f"{address}companies({company['id']})/", token)


# -- our side ------------------------------------------------------------------------------------------------------------


def mapping_of(left: Service, right: Service) -> TableMapping:
    stamp = time.time_ns()
    apps = []
    for each in (left, right):
        app = Connection(name=f"{each.kind} {stamp}", kind=each.kind, options=each.options)
        app.set_secrets({"client_secret": each.secret})
        app.save()
        apps.append(app)
    mapping = TableMapping.objects.create(
        integration=Integration.objects.create(name=f"odata {stamp}", left=apps[0], right=apps[1]),
        name="odata", left_table="customers", right_table="accounts",
        left_modified_field="lastModifiedDateTime", right_modified_field="modifiedon",
        left_key_field="number", right_key_field="accountnumber",
        left_name_field="displayName", right_name_field="name",
    )  # fmt: skip
    for position, (ours, theirs) in enumerate(FIELDS.items()):
        FieldMapping.objects.create(mapping=mapping, position=position, left_field=ours, right_field=theirs)
    mapping.natural_key = mapping.field_mappings.get(left_field="number").pk
    mapping.save()
    if failures := setup.refresh(mapping):
        raise SystemExit(f"The mapping of the measurement is not usable: {failures}")
    return TableMapping.objects.get(pk=mapping.pk)


class Ours:
    """Runs of the mapping in this process; ``requests``: round trips of the last one, those for tokens apart."""

    def __init__(self, mapping: TableMapping) -> None:
        self.mapping = mapping
        self.requests = 0

    def __call__(self) -> None:
        opened: list[ODataConnector] = []

        def connect(mapping: TableMapping, side: Side) -> Connector:
            connector = mapping.connection(side).connect()
            assert isinstance(connector, ODataConnector)
            opened.append(connector)
            return connector

        job = jobs.enqueue(
            verb="synchronise", mapping=TableMapping.objects.get(pk=self.mapping.pk), scope="changes"
        )
        done = jobs.run(job.pk, connect=connect)
        assert done is not None and done.state == SynchJob.State.FINISHED and not done.failed, (
            done,
            done and done.code,
        )
        SynchJob.objects.filter(state=SynchJob.State.QUEUED).delete()
        self.requests = sum(connector.client.requests for connector in opened)


# -- the measurement -----------------------------------------------------------------------------------------------------


def main(n: int = 5_000) -> None:
    call_command("migrate", verbosity=0)
    print(
        f"{'OData services':<46}{'rows':>10}{'Tandem':>11}{'bare':>11}{'ratio':>8}"
        f"{'requests':>10}{'bare':>8}{'ratio':>8}"
    )
    with (
        service("business_central") as erp, service("dataverse") as crm,
        service("business_central") as other_erp, service("dataverse") as other_crm,
    ):  # fmt: skip
        ours = Ours(mapping_of(erp, crm))
        ours()  # as in a worker that has run before: it knows the tables
        with (
            erp.bare() as customers,
            crm.bare() as accounts,
            other_erp.bare() as left,
            other_crm.bare() as right,
        ):
            for app in (customers, left):
                _fill(app, n)
            since = _now()
            compare("new customers → accounts", n, ours, lambda: create_accounts(left, right), left, right)
            for app in (customers, left):
                _touch(app, "customers", "id", "city")
            compare(
                "changed customers → accounts",
                n,
                ours,
                lambda: change_accounts(left, right, since),
                left,
                right,
            )
            since = _now()
            for app in (accounts, right):
                _touch(app, "accounts", "accountid", "address1_city")
            compare(
                "changed accounts → customers",
                n,
                ours,
                lambda: change_customers(left, right, since),
                left,
                right,
            )
            later = _now(minutes=1)
            compare("nothing changed", 0, ours, lambda: nothing(left, right, later), left, right)


def compare(what: str, n: int, ours: Ours, bare: Callable[[], object], *services: Bare) -> None:
    """One line: both programs do the same once."""
    mine = _timed(ours)
    for each in services:
        each.requests = 0
    other = _timed(bare)
    requests = sum(each.requests for each in services)
    print(
        f"{what:<46}{n:>10,}{mine:>9.2f} s{other:>9.2f} s{mine / other:>8.1f}"
        f"{ours.requests:>10}{requests:>8}{ours.requests / requests:>8.1f}",
        flush=True,
    )


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _now(minutes: int = 0) -> str:
    """A moment in whole seconds, as a filter has it."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fill(customers: Bare, n: int) -> None:
    for start in range(0, n, CUSTOMER_BATCH):
        new = [
            (
                "customers",
                {
                    "number": f"C{i:06}", "displayName": f"Customer {i}", "addressLine1": f"Street {i % 977}",
                    "city": f"City {i % 211}", "phoneNumber": f"+32 2 {i}",
                },
            )
            for i in range(start, min(start + CUSTOMER_BATCH, n))
        ]  # fmt: skip
        write_customers(customers, "POST", new)


def _touch(app: Bare, table: str, key: str, field: str) -> None:
    """Somebody gives every record another value."""
    ids = [row[key] for page in app.rows(f"{table}?$select={key}", ACCOUNT_BATCH) for row in page]
    size = CUSTOMER_BATCH if table == "customers" else ACCOUNT_BATCH
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        values = [{field: f"Other {start + i}"} for i in range(len(part))]
        if table == "customers":
            paths = [f"customers({id})" for id in part]
            write_customers(app, "PATCH", list(zip(paths, values, strict=True)))
        else:
            write_accounts(app, part, values, "If-Match: *")
