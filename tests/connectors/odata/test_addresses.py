"""What people paste from a browser becomes the address of the service."""

from __future__ import annotations

from typing import Any

import pytest

from synccore.connectors.odata.addresses import (
    business_central_environments,
    business_central_root,
    dataverse_root,
    tidy_business_central,
    tidy_dataverse,
    tidy_plain,
)
from synccore.connectors.odata.business_central import BusinessCentralProfile

TENANT = "7d4f5a4e-58ab-4b9c-9c0a-0f8a4bb3a111"
COMPANY = "0b5e2a3c-1d7f-4c52-8a0e-9e7d0f3a6b22"
ONLINE = "https://api.businesscentral.dynamics.com"


@pytest.mark.parametrize(
    ("pasted", "expected"),
    [
        ("https://contoso.crm4.dynamics.com/", "https://contoso.crm4.dynamics.com"),
        ("https://contoso.crm4.dynamics.com/main.aspx?appid=1f&pagetype=entitylist&etn=account",
         "https://contoso.crm4.dynamics.com"),
        ("https://Contoso.api.crm4.dynamics.com/api/data/v9.2/accounts?$top=1", "https://contoso.crm4.dynamics.com"),
        ("  contoso.crm.dynamics.com \n", "https://contoso.crm.dynamics.com"),
        ("http://127.0.0.1:8101/api/data/v9.2/", "http://127.0.0.1:8101"),
        ("https://user:word@contoso.crm4.dynamics.com/", "https://contoso.crm4.dynamics.com"),
    ],
)  # fmt: skip
def test_any_page_of_a_dataverse_environment_says_its_address(pasted, expected):
    assert tidy_dataverse({"address": pasted})["address"] == expected


@pytest.mark.parametrize("tidy", [tidy_dataverse, tidy_business_central, tidy_plain])
@pytest.mark.parametrize("typed", ["hello world", "contoso", "https://con toso.com/x", "my tenant.com/a"])
def test_what_is_no_address_stays_as_it_was_typed_so_that_the_form_refuses_it(tidy, typed):
    assert tidy({"address": typed}) == {"address": typed}


@pytest.mark.parametrize("typed", ["localhost", "bc19:7048", "https://bc19/BC", "erp.example.com"])
def test_a_server_of_one_s_own_network_is_an_address(typed):
    assert tidy_plain({"address": typed})["address"].startswith("https://")


def test_the_web_api_stands_under_the_environment():
    assert dataverse_root({"address": "https://c.crm4.dynamics.com"}) == (
        "https://c.crm4.dynamics.com/api/data/v9.2/"
    )


@pytest.mark.parametrize(
    ("pasted", "expected"),
    [
        (f"https://businesscentral.dynamics.com/{TENANT}/Production?company=CRONUS%20NL&page=22&dc=0",
         {"address": ONLINE, "tenant": TENANT, "environment": "Production"}),
        ("https://businesscentral.dynamics.com/contoso.com/Sandbox%202/", {
            "address": ONLINE, "tenant": "contoso.com", "environment": "Sandbox 2"}),
        ("https://businesscentral.dynamics.com/Sandbox", {"address": ONLINE, "environment": "Sandbox"}),
        (f"https://businesscentral.dynamics.com/{TENANT}", {"address": ONLINE, "tenant": TENANT}),
        (f"{ONLINE}/v2.0/{TENANT}/Production/api/v2.0/companies({COMPANY.upper()})/customers?$top=3",
         {"address": ONLINE, "tenant": TENANT, "environment": "Production", "company": COMPANY}),
        (f"{ONLINE}/v2.0/Production/api/v2.0", {"address": ONLINE, "environment": "Production"}),
        (f"{ONLINE}/v2.0/{TENANT}/Production/api/contoso/sales/v1.0/companies({COMPANY})/orders",
         {"address": ONLINE, "tenant": TENANT, "environment": "Production", "company": COMPANY}),
        ("https://nav.example.com:7048/BC/api/v2.0/companies", {"address": "https://nav.example.com:7048/BC"}),
        ("nav.example.com:7048/BC/", {"address": "https://nav.example.com:7048/BC"}),
        ("https://nav.example.com/BC/?company=CRONUS&page=9305", {"address": "https://nav.example.com/BC"}),
    ],
)  # fmt: skip
def test_an_address_of_business_central_says_where_everything_is(pasted, expected):
    assert tidy_business_central({"address": pasted}) == expected


def test_what_the_address_names_replaces_what_stood_there():
    typed = {
        "address": f"{ONLINE}/v2.0/Sandbox/api/v2.0",
        "environment": "Production",
        "tenant": "contoso.com",
    }
    assert tidy_business_central(typed) == {
        "address": ONLINE, "environment": "Sandbox", "tenant": "contoso.com",
    }  # fmt: skip


def test_another_environment_forgets_the_company_of_the_one_before():
    chosen = {"environment": "Production", "company": COMPANY, "company_name": "CRONUS"}
    again = tidy_business_central({**chosen, "address": f"{ONLINE}/v2.0/Production/api/v2.0"})
    assert again == {"address": ONLINE, **chosen}
    moved = tidy_business_central({**chosen, "address": f"{ONLINE}/v2.0/Sandbox/api/v2.0"})
    assert moved == {"address": ONLINE, "environment": "Sandbox"}


def test_before_an_environment_is_chosen_the_list_of_them_is_the_sign_of_life():
    assert BusinessCentralProfile({"address": ONLINE}).sign_of_life() == f"{ONLINE}/environments/v1.2"
    chosen = BusinessCentralProfile({"address": ONLINE, "environment": "P"})
    assert chosen.sign_of_life() == f"{ONLINE}/v2.0/P/api/v2.0/companies?$select=id&$top=1"
    own = BusinessCentralProfile({"address": "https://nav.example.com:7048/BC"})
    assert own.sign_of_life() == "https://nav.example.com:7048/BC/api/v2.0/companies?$select=id&$top=1"


@pytest.mark.parametrize(
    ("values", "root"),
    [
        ({"address": ONLINE, "tenant": TENANT, "environment": "Production", "company": COMPANY},
         f"{ONLINE}/v2.0/{TENANT}/Production/api/v2.0/companies({COMPANY})/"),
        ({"environment": "Production"}, f"{ONLINE}/v2.0/Production/api/v2.0/"),
        ({"environment": "Sandbox 2"}, f"{ONLINE}/v2.0/Sandbox%202/api/v2.0/"),
        ({"address": "https://nav.example.com:7048/BC", "company": COMPANY},
         f"https://nav.example.com:7048/BC/api/v2.0/companies({COMPANY})/"),
        ({"environment": "P", "api": "contoso/sales/v1.0"}, f"{ONLINE}/v2.0/P/api/contoso/sales/v1.0/"),
    ],
)  # fmt: skip
def test_the_root_of_business_central_is_put_together(values, root):
    assert business_central_root(values) == root


def test_environments_are_listed_beside_the_service():
    assert business_central_environments({}) == f"{ONLINE}/environments/v1.2"


@pytest.mark.parametrize(
    ("pasted", "expected"),
    [
        ("https://x.example/odata/v4/$metadata", "https://x.example/odata/v4"),
        ("https://x.example/odata/$batch?x=1", "https://x.example/odata"),
        ("x.example/odata/", "https://x.example/odata"),
        ("HTTP://X.example:8080//odata//", "http://x.example:8080/odata"),
    ],
)
def test_a_plain_service_is_known_by_its_root(pasted, expected):
    assert tidy_plain({"address": pasted})["address"] == expected


@pytest.mark.parametrize("tidy", [tidy_business_central, tidy_dataverse, tidy_plain])
@pytest.mark.parametrize(
    "odd", [None, "", "   ", 7, ["a"], {"x": 1}, "https://", "ftp://x.example/", "https://x:port/", "https://[::1",
            "javascript:alert(1)", "//", "/only/a/path", "https://x.example/api", "https://x/\x00"],
)  # fmt: skip
def test_whatever_is_typed_nothing_breaks_and_it_is_tidied_once(tidy: Any, odd: Any):
    once = tidy({"address": odd, "tenant": "t"})
    assert tidy(once) == once
    assert once["tenant"] == "t"
