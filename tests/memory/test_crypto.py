"""Credentials at rest."""

import logging

import pytest
from cryptography.fernet import Fernet
from django.contrib import admin
from django.core import serializers

from synccore import crypto
from synccore.failures import Misconfigured, Scope
from synccore.models import Connection
from tests.factories import make_connection

SECRETS = {"password": "hunter2-æøå", "client_secret": "s3cr3t"}


@pytest.fixture
def keys(settings) -> list[str]:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode() for _ in range(2)]
    return settings.CREDENTIAL_KEYS


def test_what_is_sealed_opens_and_cannot_be_read_meanwhile(keys: list[str]) -> None:
    token = crypto.seal(SECRETS)
    assert crypto.open_sealed(token, app="CRM") == SECRETS
    assert "hunter2" not in token and crypto.seal(SECRETS) != token


def test_no_secrets_need_no_key(settings) -> None:
    settings.CREDENTIAL_KEYS = []
    assert crypto.seal({}) == "" and crypto.open_sealed("", app="CRM") == {}


def test_keys_are_rotated_by_putting_a_new_one_in_front(keys: list[str], settings) -> None:
    old = crypto.seal(SECRETS)
    new_key = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new_key, *keys]
    assert crypto.open_sealed(old, app="CRM") == SECRETS
    new = crypto.seal(SECRETS)
    settings.CREDENTIAL_KEYS = [new_key]
    assert crypto.open_sealed(new, app="CRM") == SECRETS
    with pytest.raises(Misconfigured):
        crypto.open_sealed(old, app="CRM")


@pytest.mark.parametrize("token", ["other key", "garbage", "cut"])
def test_what_no_key_opens_is_a_set_up_problem_of_the_connection(
    token: str, keys: list[str], settings
) -> None:
    sealed = crypto.seal(SECRETS)
    if token == "other key":
        settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    text = {"other key": sealed, "garbage": "no token", "cut": sealed[:-9]}[token]
    with pytest.raises(Misconfigured) as caught:
        crypto.open_sealed(text, app="CRM")
    failure = caught.value
    assert (failure.code, failure.scope, failure.params) == (
        "credentials_unreadable", Scope.CONNECTION, {"app": "CRM"},
    )  # fmt: skip
    assert text not in repr(failure) and caught.value.__cause__ is None


@pytest.mark.django_db
def test_the_secret_shows_nowhere(keys: list[str], caplog: pytest.LogCaptureFixture) -> None:
    row = make_connection("CRM", secrets=SECRETS)
    row.refresh_from_db()
    assert row.secrets() == SECRETS
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("%s %r %s", row, row, row.__dict__)
    texts = [str(row), repr(row), caplog.text, serializers.serialize("json", [row])]
    assert not [text for text in texts if "hunter2" in text or "s3cr3t" in text]


def test_no_form_and_no_admin_page_offers_the_credentials() -> None:
    assert not Connection._meta.get_field("credentials").editable
    registered = admin.site._registry.get(Connection)
    assert registered is None or "credentials" not in (registered.fields or ())
