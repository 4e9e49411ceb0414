"""Where the demo's two online apps are, how their people work in them, and how whoever runs them says what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from tandem.demo.apps import DemoProblem
from tests.odata.business_central import ENVIRONMENT, SCOPE
from tests.odata.server import CLIENT_ID, CLIENT_SECRET
from tests.odata.standard_business_central import COMPANY, COMPANY_ID
from tests.odata.tokens import TENANT

#: So long somebody who sits in front of the demo waits for an app.
SECONDS: Final = 10.0
_DOOR: Final = "/-/demo/state"


class Refused(DemoProblem):
    """An app did not do what one of its people, or whoever runs it, asked for."""


@dataclass(frozen=True)
class OnlineApp:
    """One online app of the demo. ``key``: opens its door, and is the secret of its people."""

    kind: str  # "business_central" or "dataverse"
    port: int
    key: str

    @property
    def name(self) -> str:
        """How Tandem's connection is called."""
        return "Dataverse" if self.kind == "dataverse" else "Business Central"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_address(self) -> str:
        return f"{self.address}/{TENANT}/oauth2/v2.0/token"

    @property
    def scope(self) -> str:
        return f"{self.address}/.default" if self.kind == "dataverse" else SCOPE

    @property
    def root(self) -> str:
        """Where its records are."""
        if self.kind == "dataverse":
            return f"{self.address}/api/data/v9.2/"
        return f"{self.address}/v2.0/{TENANT}/{ENVIRONMENT}/api/v2.0/companies({COMPANY_ID})/"

    @property
    def tenant(self) -> str:
        return TENANT

    @property
    def environment(self) -> str:
        return ENVIRONMENT

    @property
    def company(self) -> tuple[str, str]:
        """Id and name of the one company of Business Central."""
        return COMPANY_ID, str(COMPANY["name"])

    @property
    def client(self) -> tuple[str, str]:
        """Id and secret with which Tandem signs in."""
        return CLIENT_ID, CLIENT_SECRET

    # -- whoever runs it -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What is wrong with it now (``host.STATE``). Raises Refused where it does not answer."""
        return self._door("GET", None)

    def tell(self, **state: Any) -> dict[str, Any]:
        """Change what is wrong with it. Raises Refused."""
        return self._door("POST", state)

    def _door(self, method: str, body: Any) -> dict[str, Any]:
        try:
            answer = httpx2.request(
                method, self.address + _DOOR, json=body, headers={"X-Demo-Key": self.key}, timeout=SECONDS
            )
        except httpx2.HTTPError as fault:
            raise Refused(f"{self.name} does not answer: {fault}") from fault
        if answer.status_code != 200:
            raise Refused(f"{self.name} does not open its door: {answer.status_code}")
        return dict(answer.json())

    # -- its people ----------------------------------------------------------------------------------------------------

    @contextmanager
    def person(self, name: str) -> Iterator[Desk]:
        """One of its people, signed in; the app knows who it was. Raises Refused."""
        with httpx2.Client(timeout=SECONDS) as http:
            desk = Desk(self, http)
            desk.sign_in(name)
            yield desk


@dataclass
class Desk:
    """A person at work in an app, through the app's own API."""

    app: OnlineApp
    http: httpx2.Client

    def sign_in(self, name: str) -> None:
        form = {
            "grant_type": "client_credentials", "client_id": name, "client_secret": self.app.key, "scope": self.app.scope,
        }  # fmt: skip
        token = self._ask("POST", self.app.token_address, data=form)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def find(self, table: str, filter: str, *, top: int = 0) -> list[dict[str, Any]]:
        params = {"$filter": filter} if filter else {}
        if top:
            params["$top"] = str(top)
        return list(self._ask("GET", self.app.root + table, params=params)["value"])

    def one(self, table: str, filter: str) -> str:
        """The id of the one record; LookupError where there is none."""
        found = self.find(table, filter)
        if not found:
            raise LookupError(f"nothing to edit: {table} {filter}")
        return str(found[0][self.key_of(table)])

    def key_of(self, table: str) -> str:
        """The name of a table's key."""
        names = {"accounts": "accountid", "contacts": "contactid", "products": "productid"}
        currencies = "transactioncurrencyid" if table == "transactioncurrencies" else "id"
        return names.get(table, currencies) if self.app.kind == "dataverse" else "id"

    def change(self, table: str, filter: str, fields: Mapping[str, Any]) -> str:
        """Save fields of the one record that the filter finds; gives its id."""
        id = self.one(table, filter)
        self.save(table, id, fields)
        return id

    def save(self, table: str, id: str, fields: Mapping[str, Any]) -> None:
        self._ask("PATCH", f"{self.app.root}{table}({id})", json=dict(fields), headers={"If-Match": "*"})

    def create(self, table: str, fields: Mapping[str, Any]) -> None:
        self._ask("POST", self.app.root + table, json=dict(fields))

    def delete(self, table: str, filter: str) -> str:
        id = self.one(table, filter)
        self._ask("DELETE", f"{self.app.root}{table}({id})", headers={"If-Match": "*"})
        return id

    def _ask(self, method: str, address: str, **what: Any) -> dict[str, Any]:
        try:
            answer = self.http.request(method, address, **what)
        except httpx2.HTTPError as fault:
            raise Refused(f"{self.app.name} does not answer: {fault}") from fault
        if answer.status_code == 404 and method == "DELETE":
            raise LookupError(f"nothing to delete: {address}")
        if answer.status_code >= 400:
            raise Refused(f"{self.app.name} answered {answer.status_code}: {answer.text[:500]}")
        return dict(answer.json()) if answer.content else {}


@dataclass(frozen=True)
class OnlineApps:
    """Both online apps of the demo."""

    erp: OnlineApp
    crm: OnlineApp

    @classmethod
    def of_environment(cls) -> OnlineApps:
        """The apps of the running demo. Raises DemoProblem where the start did not say where they are."""
        try:
            ports = [
                int(os.environ[f"TANDEM_DEMO_{name}_PORT"]) for name in ("BUSINESS_CENTRAL", "DATAVERSE")
            ]
            key = os.environ["TANDEM_DEMO_KEY"]
        except (KeyError, ValueError):
            raise DemoProblem(
                "The demo's online apps are started by `make demo APPS=dataverse`, which says where they are."
            ) from None
        return cls(OnlineApp("business_central", ports[0], key), OnlineApp("dataverse", ports[1], key))

    def __iter__(self) -> Iterator[OnlineApp]:
        return iter((self.erp, self.crm))
