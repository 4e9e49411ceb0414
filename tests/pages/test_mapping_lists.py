"""Fields of business apps as the set-up pages show them: lengths, required, values of lists, and what does not fit."""

# ruff: noqa: F811  (fixtures of another module)
from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape

import pytest
from django.urls import reverse

from synccore.connectors.odata import metadata
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.models import Integration, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.shapes import TableInfo
from tests import factories as make
from tests.connectors.odata.test_metadata import connect
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer

from .test_mappings import browser, person  # noqa: F401

PAIRS = (
    ("displayName", "name"),
    ("city", "address1_city"),
    ("type", "customertypecode"),
    ("currencyId", "transactioncurrencyid"),
)


@pytest.fixture(scope="module")
def catalogues() -> Iterator[tuple[dict[str, TableInfo], dict[str, TableInfo]]]:
    """What the two apps say of their tables."""
    metadata.forget()
    with BusinessCentralServer() as central, DataverseServer() as dataverse:
        with connect(central, BusinessCentralProfile()) as client:
            left = metadata.describe(client)
        with connect(dataverse, DataverseProfile()) as client:
            right = metadata.describe(client)
    yield left, right
    metadata.forget()


@pytest.fixture
def mapping(db: None, catalogues: tuple[dict[str, TableInfo], dict[str, TableInfo]]) -> TableMapping:
    integration: Integration = make.make_integration()
    for app, tables in zip((integration.left, integration.right), catalogues, strict=True):
        store_catalogue(app, tables, datetime.now(UTC))
    found: TableMapping = make.make_mapping(
        integration=integration, left_table="customers", right_table="accounts", direction="both"
    )
    for left, right in PAIRS:
        make.make_field(found, left, right, direction="both", left_info=None, right_info=None)
    return found


def text_of(answer) -> str:
    return unescape(" ".join(answer.content.decode().split()))


def test_what_does_not_fit_is_said_before_anything_runs(mapping: TableMapping, browser) -> None:
    page = text_of(browser.get(reverse("synccore:mapping_fields", args=[mapping.pk])))
    left, right = mapping.integration.left.name, mapping.integration.right.name
    for sentence in (
        f"displayName in {left} takes 100 characters; name may hold 160. Longer values are refused.",
        f"city in {left} takes 30 characters; address1_city may hold 80. Longer values are refused.",
        f"customertypecode in {right} takes only: 1 Competitor, ",
        "currencyId holds an id of the other app",
        "text, up to 100",
        "text, list of 2 values",
    ):
        assert sentence in page
    shown = text_of(browser.get(reverse("synccore:mapping", args=[mapping.pk])))
    assert "displayName is shorter" in shown and "takes the values of another list" in shown


def test_values_of_a_list_are_shown_and_a_conversion_starts_with_those_that_match(
    mapping: TableMapping, browser
) -> None:
    where = reverse("synccore:mapping_fields", args=[mapping.pk])
    data = {
        "f-n": "1",
        "f-0-left": "blocked",
        "f-0-right": "customertypecode",
        "f-0-direction": "to_right",
        "do": "add:f-0-to_right",
        "f-0-to_right-add-name": "map",
    }
    answer = browser.post(where, data)
    assert "<li>Ship</li>" in answer.content.decode() and "<li>3 Customer</li>" in answer.content.decode()
    [(_way, _words, [step]), _left] = answer.context["lines"][0].ways
    assert [ask.value for ask, _said in step.asked if ask.name == "pairs"] == [
        ""
    ]  # nothing of the two matches


def test_a_condition_on_a_list_shows_its_values(mapping: TableMapping, browser) -> None:
    mapping.right_filter = [{"field": "customertypecode", "operator": "eq", "value": "3"}]
    mapping.save(update_fields=["right_filter"])
    page = text_of(browser.get(reverse("synccore:mapping_filters", args=[mapping.pk])))
    assert "<li>3 Customer</li>" in page and 'placeholder="1"' in page


def test_the_pickers_tell_type_length_and_what_is_required(mapping: TableMapping, browser) -> None:
    page = text_of(browser.get(reverse("synccore:mapping_fields", args=[mapping.pk])))
    assert 'value="displayName" label="displayName · ' in page
    option = page[page.index('value="displayName" label=') :].partition(">")[0]
    assert "text, up to 100" in option and "required" in option
    option = page[page.index('value="balanceDue" label=') :].partition(">")[0]
    assert "read only" in option


def test_the_page_of_a_table_lists_the_values_of_its_lists_also_as_last_read(
    mapping: TableMapping, browser
) -> None:
    app = mapping.integration.right  # an app that cannot be reached
    where = reverse("synccore:live_catalogue", args=[app.pk])
    page = text_of(browser.get(where, {"side": "right", "table": "accounts"}))
    assert "As last read." in page and "accounts in" in page
    assert "<li>3 Customer</li>" in page and "whole number, list of" in page
    assert "text, up to 160" in page


def test_the_pickers_ask_the_service_itself_for_one_table(db, browser) -> None:
    with DataverseServer() as server:
        assert server.tokens
        app = make.make_connection(
            "Sales",
            kind="dataverse",
            options={"address": server.url, "token_address": server.token_url, "scope": server.tokens.scope,
                     "client_id": server.client_id},
            secrets={"client_secret": server.client_secret},
        )  # fmt: skip
        where = reverse("synccore:live_catalogue", args=[app.pk])
        page = text_of(browser.get(where, {"side": "right", "table": "accounts"}))
        assert (
            "As Sales describes it now" in page
            and "text, up to 160" in page
            and "<li>3 Customer</li>" in page
        )
        asked = [
            path for _method, path in server.requests if "Metadata" in path or "EntityDefinitions" in path
        ]
        assert not any("contact" in path for path in asked)
        spent = len(server.requests)
        part = text_of(
            browser.get(where, {"side": "right", "table": "accounts"}, headers={"HX-Request": "true"})
        )
        assert 'label="name · Account Name · text, up to 160"' in part
        assert len(server.requests) == spent
