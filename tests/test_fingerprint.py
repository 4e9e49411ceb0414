"""Messages with one cause meet, messages with two do not."""

from __future__ import annotations

import pytest

from synccore.fingerprint import fingerprint, normalise

GUID_A, GUID_B = "5f3c1a2e-0d4b-4c6e-9a7f-1b2c3d4e5f60", "{0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9}"

#: two messages of one cause; then (key, name) of either record, where it plays a part.
MEET = [
    (
        f"Principal user (Id={GUID_A}, type=8) is missing prvWriteAccount privilege",
        f"Principal user (Id={GUID_B}, type=8) is missing prvWriteAccount privilege",
    ),
    (
        f"Hoofdgebruiker (Id={GUID_A}, type=8) heeft geen machtiging prvReadContact",
        f"Hoofdgebruiker (Id={GUID_B}, type=8) heeft geen machtiging prvReadContact",
    ),
    (
        f"Hovedbruker (Id={GUID_A}, type=8) mangler prvCreateProduct-rettigheten",
        f"Hovedbruker (Id={GUID_B}, type=8) mangler prvCreateProduct-rettigheten",
    ),
    (
        f"Principal user (Id={GUID_A}, type=8, roleCount=6, privilegeCount=812), is missing prvWriteX privilege "
        f"(Id={GUID_A}) on OTC=10286 for entity 'x'",
        f"Principal user (Id={GUID_B}, type=8, roleCount=11, privilegeCount=9), is missing prvWriteX privilege "
        f"(Id={GUID_B}) on OTC=10290 for entity 'x'",
    ),
    (
        'duplicate key value violates unique constraint "customer_email_key"\n'
        "DETAIL:  Key (email)=(anna@cronus.no) already exists.",
        'duplicate key value violates unique constraint "customer_email_key"\n'
        "DETAIL:  Key (email)=(per o'brien (old)) already exists.",
    ),
    (
        'insert or update on table "contact" violates foreign key constraint "contact_company_fkey"\n'
        'DETAIL:  Key (company, no)=(NORDIC, 10) is not present in table "company".',
        'insert or update on table "contact" violates foreign key constraint "contact_company_fkey"\n'
        'DETAIL:  Key (company, no)=(O)(, 99) is not present in table "company".',
    ),
    (
        'new row for relation "account" violates check constraint "account_phone_check"\n'
        "DETAIL:  Failing row contains (1, Cronus, +47 22 33 44 55, null).",
        'new row for relation "account" violates check constraint "account_phone_check"\n'
        "DETAIL:  Failing row contains (20931, A (B) C, x, 2024-01-01).",
    ),
    ('invalid input syntax for type integer: "abc"', 'invalid input syntax for type integer: "12 monkeys"'),
    ("The value 50000.00 of 'creditlimit' is too high", "The value 1,250,000.5 of 'other' is too high"),
    (
        "Locked by anna@cronus.no since 2024-05-17T10:00:00Z",
        "Locked by per.o@x.co.uk since 2024-05-18 11:30:01.25",
    ),
    ("Sist lagret 17.05.2024 kl. 10:00", "Sist lagret 1.6.2025 kl. 09:59"),
    ("Gewijzigd op 3 mei 2024 om 10:15", "Gewijzigd op 31 december 2023 om 9:05"),
    ("Saved January 3, 2024 3:04 PM", "Saved May 13, 2025 11:59 AM"),
    ("Item C10023 is blocked", "Item ERP20931X is blocked"),
    ("Timeout after 30s", "Timeout after 31s"),
    ("Verdien «rød» er ugyldig", "Verdien «blå» er ugyldig"),
    ("Waarde „rood” is ongeldig", "Waarde „blauw” is ongeldig"),
    ("It can't be 'O'Brien'", "It can't be 'Smith'"),
    ("too   many\n spaces", "too many spaces"),
    ("Cafe\u0301 closed", "Café closed"),
]


@pytest.mark.parametrize(("one", "other"), MEET)
def test_meet(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
    assert fingerprint("rejected", "c", "t", "f", one) == fingerprint("rejected", "c", "t", "f", other)


@pytest.mark.parametrize(
    ("message", "one", "other"),
    [
        ("Customer {name} is blocked", ("C1", "Cronus AS"), ("C2", "Fabrikam & Sons (UK)")),
        ("Kunde {key} {name} mangler", ("AB-CD", "Per"), ("XY.Z", "Pål Ås")),
    ],
)
def test_own_key_and_name_are_no_cause(message: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    texts = [normalise(message.format(key=key, name=name), key, name) for key, name in (one, other)]
    assert len(set(texts)) == 1
    assert "<record>" in texts[0]


def test_key_that_is_a_number_may_equal_a_value() -> None:
    assert normalise("Amount 10000 too high", key="10000") == normalise("Amount 20000 too high", key="77")


def test_name_inside_a_word_stays() -> None:
    assert "prvWriteAccount" in normalise("is missing prvWriteAccount privilege", name="Account")


APART = [
    ("is missing prvWriteAccount privilege", "is missing prvReadAccount privilege"),
    ('null value in column "name" of relation "a"', 'null value in column "city" of relation "a"'),
    ('violates check constraint "a_check"', 'violates check constraint "b_check"'),
    ('permission denied for table "customer"', 'permission denied for table "contact"'),
    ("permission denied for table customer", "permission denied for table contact"),
    ("DETAIL:  Key (email)=(1) already exists.", "DETAIL:  Key (phone)=(1) already exists."),
    ("Error 0x80040220", "Error 0x80040237"),
    ("Attribute 'name' cannot be null", "attribute 'city' cannot be null"),
    ("kolom 'naam' is verplicht", "kolom 'plaats' is verplicht"),
    ("felt 'navn' mangler", "felt 'sted' mangler"),
    ("can't be blank", "can't be changed"),
    ("address2 is too long", "address3 is too long"),
    ("The customer is blocked", "The customer is closed"),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_everything_else_tells_causes_apart() -> None:
    base = ("rejected", "value_too_long", "account", "name", "m")
    prints = {fingerprint(*base)}
    for place in range(5):
        changed = list(base)
        changed[place] = "other"
        prints.add(fingerprint(*changed))
    prints.add(fingerprint("rejected", "value_too_long", "accountn", "ame", "m"))
    assert len(prints) == 7
    assert all(len(each) == 64 for each in prints)


@pytest.mark.parametrize(
    "part", ["a", "'", '"', "“", "«", "(", ")=(", "1", "1.", "1-", "a@", "'a", "jan ", "\ud800"]
)
@pytest.mark.timeout(60)
def test_any_text_is_read_in_linear_time(part: str) -> None:
    """No pattern may start over for the rest of the text at each place: that would take minutes here."""
    assert isinstance(normalise(part * 200_000, key="k", name="n"), str)
