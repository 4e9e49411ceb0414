"""Help pages: the set-up faults that must be recognised, and every code of the demo, are explained to the end."""

from __future__ import annotations

import re

import pytest
from django.utils import translation

from synccore import guides
from synccore.codes import CODE_PARAMS
from synccore.guides.checks import CHECKS
from synccore.guides.help import FACTS
from synccore.guides.known_as import KNOWN_AS, codes_known_as, known_as
from synccore.guides.shape import UNSAID, names_in
from synccore.guides.why import WHY
from tandem.demo.cases import CASES

#: DESIGN §1: the set-up faults that must be recognised.
SET_UP_FAULTS = {
    "missing_privilege", "record_privilege", "privileges",  # roles and rights
    "not_superuser", "not_owner",  # an administrator's account
    "password_expired", "password_valid", "sign_in_refused",  # a password
    "exchange_rate_missing", "precondition_missing",  # exchange rates, in one app or the other
    "reference_not_coupled",  # currency, unit of measure
    "app_read_only", "app_starting", "admin_mode",  # administration mode
    "user_disabled", "user_unknown", "secret_refused", "secret_expired", "client_unknown", "consent_missing",
    "registration_refused", "licence_missing", "app_disabled",  # the account of a service on the web
    "certificate_refused", "wrong_address", "change_tracking_off",
    "manual_numbers_off", "number_series_missing", "posting_group_missing", "duplicate_rule", "business_rule",
    "connection_lost", "connection_refused",  # the connection dropped
}  # fmt: skip
BRAKES = {"too_many_deletions", "too_many_creations", "side_empty"}
COMPLETE = sorted(SET_UP_FAULTS | BRAKES | {each.code for each in CASES} | {"bug", "app_answer"})
CONFLICT = "update_conflict"
UUID = "6f1c1d1e-0000-4000-8000-00000000abcd"


@pytest.mark.parametrize("code", COMPLETE)
def test_a_fault_people_meet_is_explained_to_the_end(code: str) -> None:
    page = guides.explain(code)
    assert page is not None
    assert page.title and page.sentence.endswith(".") and page.cause.endswith(".") and page.steps
    assert page.who and code in WHY
    if page.kind:  # a check's page has its button on Connection Setup
        assert page.actions, "what can be pressed"


def test_about_fifteen_guides_are_complete() -> None:
    assert len(COMPLETE) >= 25


@pytest.mark.parametrize("code", sorted(WHY))
def test_why_is_said_of_codes_that_exist_and_asks_for_what_they_send(code: str) -> None:
    assert guides.has_help(code)
    asked = {name for text in (WHY[code].cause, WHY[code].who) for name in names_in(str(text))}
    asked |= names_in(WHY[code].statement)
    known = CODE_PARAMS.get(code, {"user", "table", "privilege", "until"}) | {"app", "other_app"}
    assert asked <= known and asked - {"app", "other_app"} <= set(UNSAID)


@pytest.mark.parametrize("code", sorted([*guides.GUIDES, *CHECKS]))
def test_a_page_without_any_fact_is_still_readable(code: str) -> None:
    page = guides.explain(code)
    assert page is not None
    for text in (page.title, page.sentence, page.cause, page.who, *page.steps):
        assert not re.search(r"[{}]|None|\s\s", text), text
    assert not page.facts


def test_the_statement_is_the_failures_own_or_has_its_names_quoted() -> None:
    grant = 'GRANT UPDATE ON "crm"."account" TO "tandem";'
    told = guides.explain("missing_privilege", {"grant": grant, "user": "tandem"})
    assert told and told.statement == grant
    told = guides.explain("password_expired", {"user": 'x"; DROP ROLE y; --'})
    assert told and told.statement.startswith('ALTER ROLE "x""; DROP ROLE y; --" PASSWORD')
    assert guides.explain("password_expired", {}).statement == "", "nothing half to be copied"  # type: ignore[union-attr]


def test_no_statement_of_a_database_is_shown_for_a_service() -> None:
    for code, facts in (
        ("sign_in_refused", {"host": "crm.example.com", "port": "443", "user": "tandem"}),
        ("password_expired", {"host": "crm.example.com", "user": "tandem"}),
        ("not_superuser", {"user": "tandem", "roles": ["System Administrator"]}),
        ("missing_privilege", {"user": "tandem", "privilege": "prvWriteAccount", "holder": "security_role"}),
    ):
        told = guides.explain(code, facts)
        assert told and told.statement == "", code
    told = guides.explain("sign_in_refused", {"host": "db.example.com", "database": "crm", "user": "tandem"})
    assert told and "pg_roles" in told.statement


def test_facts_are_told_in_the_order_people_read_them_and_blank_ones_are_left_out() -> None:
    told = guides.explain(
        "value_too_long",
        {"limit": 50, "field": "name", "value": None, "sensitive": True, "table": "account", "rule": 7},
    )
    assert told and [label for label, _value in told.facts] == ["Table", "Field", "Limit"]
    assert set(FACTS) <= set().union(*CODE_PARAMS.values()) | {"until"}


def test_a_code_of_a_customers_own_pattern_has_the_page_of_its_kind() -> None:
    assert guides.explain("XY123") is None
    told = guides.explain("XY123", {"side": "left"}, apps={"left": "ERP"}, kind="rejected")
    assert told and "ERP" in told.title and told.who


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Cannot update the Customer record because it has a later modified date than the Account record", CONFLICT),
        ("Cannot update the Account record because it has a later modified date than the Customer record.", CONFLICT),
        ("later modified date", CONFLICT),
        ("Kan de accountrecord niet bijwerken omdat deze een latere wijzigingsdatum heeft dan de klantrecord", CONFLICT),
        ("kan ikke oppdatere kundeposten FORDI den har en senere endringsdato enn", CONFLICT),
        ("… is bi-directional, and one or both values have changed since the last synchronization", CONFLICT),
        ("The Item record cannot be updated because it is coupled to a deleted record.", "deleted_left"),
        (f"Principal user (Id={UUID}, type=8) is missing prvWriteAccount privilege", "missing_privilege"),
        (f"Hoofdgebruiker (Id={UUID}, type=8) heeft geen machtiging prvReadContact", "missing_privilege"),
        (f"Hovedbruker (Id={UUID}, type=8) mangler prvCreateProduct-rettigheten", "missing_privilege"),
        (f"Käyttäjä (Id={UUID}, type=8, roleCount=6) … prvAppendToUom …", "missing_privilege"),
        ("User does not have required privileges to access the org when it is in Admin Only mode.", "admin_mode"),
        ("Sorry, the current permissions prevented the action. (TableData 18 Item Read: X)", "missing_privilege"),
        ("You may not enter numbers manually. If you want to enter numbers manually, …", "manual_numbers_off"),
        ("Tabelverbinding voor tabeltype CRM moet worden geregistreerd", "connection_lost"),
        ("…because there is no exchange rate defined for it", "exchange_rate_missing"),
    ],
)  # fmt: skip
def test_a_failure_is_found_by_its_old_wording(text: str, code: str) -> None:
    assert code in codes_known_as(text)


@pytest.mark.parametrize(
    "text", ["", "record", "Van Dijk", "C10042", "Principal", "prvWriteAccount", "()[]*+?\\"]
)
def test_no_more_is_claimed_than_was_matched(text: str) -> None:
    assert codes_known_as(text) == ()


def test_the_old_wording_is_told_in_the_readers_language() -> None:
    assert known_as("update_conflict", "nl").startswith("Kan de klantrecord")
    assert known_as("update_conflict", "nb-no").startswith("Kan ikke")
    assert known_as("update_conflict", "fr").startswith("Cannot update")
    assert known_as("value_too_long") == ""
    assert set(KNOWN_AS) <= {*guides.GUIDES, *CHECKS}
    with translation.override("nl"):
        assert guides.explain("update_conflict")
