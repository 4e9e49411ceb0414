"""The bare loop between two OData services: the same records in the fewest requests that each service allows.

It keeps nothing: no memory of the pairs, no journal, no conflict check, no way to go on after a crash; an answer that is
lost ends it. Business Central has the customers, Dataverse the accounts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import httpx2

#: Customer → account.
FIELDS = {
    "number": "accountnumber",
    "displayName": "name",
    "addressLine1": "address1_line1",
    "city": "address1_city",
    "phoneNumber": "telephone1",
}
#: The longest pages and batches there are.
CUSTOMER_PAGE, ACCOUNT_PAGE = 20_000, 5_000
CUSTOMER_BATCH, ACCOUNT_BATCH = 100, 1_000
Row = Mapping[str, Any]


class Bare:
    """One service, signed in with a token. ``requests``: round trips made."""

    def __init__(self, root: str, token: str) -> None:
        self.root = root
        self.requests = 0
        self._http = httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> httpx2.Response:
        self.requests += 1
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address = path if path.startswith("http") else self.root + path
        answer = self._http.request(method, address, content=body, headers=named)
        answer.raise_for_status()
        return answer

    def rows(self, path: str, size: int) -> Iterator[list[Row]]:
        """Every page of a reading."""
        link: str | None = path
        while link:
            body = self.send("GET", link, Prefer=f"odata.maxpagesize={size}").json()
            yield body["value"]
            link = body.get("@odata.nextLink")


def account_id(number: str) -> str:
    """The id under which a customer's account is made, the same each time."""
    return str(uuid5(NAMESPACE_OID, number))


def create_accounts(customers: Bare, accounts: Bare) -> int:
    """Copy every customer to an account; returns how many."""
    n = 0
    for page in customers.rows(f"customers?$select={','.join(FIELDS)}", CUSTOMER_PAGE):
        for start in range(0, len(page), ACCOUNT_BATCH):
            part = page[start : start + ACCOUNT_BATCH]
            values = [{theirs: row[ours] for ours, theirs in FIELDS.items()} for row in part]
            ids = [account_id(row["number"]) for row in part]
            write_accounts(accounts, ids, values, "If-None-Match: *")
            n += len(part)
    return n


def change_accounts(customers: Bare, accounts: Bare, since: str) -> int:
    """Write what changed of customers over their accounts; returns how many."""
    n = 0
    path = f"customers?$select={','.join(FIELDS)}&$filter=lastModifiedDateTime%20ge%20{since}"
    for page in customers.rows(path, CUSTOMER_PAGE):
        for start in range(0, len(page), ACCOUNT_BATCH):
            part = page[start : start + ACCOUNT_BATCH]
            values = [{theirs: row[ours] for ours, theirs in FIELDS.items()} for row in part]
            write_accounts(accounts, [account_id(row["number"]) for row in part], values, "If-Match: *")
            n += len(part)
    return n


def change_customers(customers: Bare, accounts: Bare, since: str) -> int:
    """Write what changed of accounts over their customers, whose ids have to be asked for; returns how many."""
    ids = {
        row["number"]: row["id"]
        for page in customers.rows("customers?$select=id,number", CUSTOMER_PAGE)
        for row in page
    }
    n = 0
    path = f"accounts?$select={','.join(FIELDS.values())}&$filter=modifiedon%20ge%20{since}"
    for page in accounts.rows(path, ACCOUNT_PAGE):
        for start in range(0, len(page), CUSTOMER_BATCH):
            part = page[start : start + CUSTOMER_BATCH]
            changes = [
                (
                    f"customers({ids[row['accountnumber']]})",
                    {ours: row[theirs] or "" for ours, theirs in FIELDS.items() if ours != "number"},
                )
                for row in part
            ]
            write_customers(customers, "PATCH", changes)
            n += len(part)
    return n


def nothing(customers: Bare, accounts: Bare, since: str) -> int:
    """Look for changes on both sides."""
    n = 0
    for app, table, stamp in (
        (customers, "customers", "lastModifiedDateTime"),
        (accounts, "accounts", "modifiedon"),
    ):
        for page in app.rows(f"{table}?$filter={stamp}%20ge%20{since}", CUSTOMER_PAGE):
            n += len(page)
    return n


def write_customers(customers: Bare, method: str, changes: Sequence[tuple[str, Row]]) -> None:
    """One batch of at most 100 operations on Business Central: (path, values) each."""
    root, _, company = customers.root.partition("companies(")
    headers = {"Content-Type": "application/json", **({"If-Match": "*"} if method == "PATCH" else {})}
    requests = [
        {
            "id": str(number),
            "method": method,
            "url": f"companies({company}{path}",
            "headers": headers,
            "body": values,
        }
        for number, (path, values) in enumerate(changes)
    ]
    body = json.dumps({"requests": requests}).encode()
    answer = customers.send("POST", root + "$batch", body, Content_Type="application/json")
    bad = [each for each in answer.json()["responses"] if each["status"] >= 300]
    if bad or len(answer.json()["responses"]) != len(changes):
        raise SystemExit(f"The bare loop was refused: {bad[:1]}")


def write_accounts(accounts: Bare, ids: Sequence[str], values: Sequence[Row], condition: str) -> None:
    """One batch of at most 1,000 operations on Dataverse, each under the condition."""
    path = accounts.root.split("/", 3)[3]
    parts = [
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {number}\r\n\r\n"
        f"PATCH /{path}accounts({id}) HTTP/1.1\r\nContent-Type: application/json\r\n{condition}\r\n\r\n"
        f"{json.dumps(each)}\r\n"
        for number, (id, each) in enumerate(zip(ids, values, strict=True), 1)
    ]
    body = ("".join(parts) + "--b--\r\n").encode()
    answer = accounts.send(
        "POST",
        "$batch",
        body,
        Content_Type="multipart/mixed; boundary=b",
        Prefer="odata.continue-on-error",
    )
    done = answer.text.count("HTTP/1.1 2")
    if done != len(ids):
        raise SystemExit(
            f"The bare loop was refused: {len(ids) - done} of {len(ids)} writes, {answer.text[:500]}"
        )
