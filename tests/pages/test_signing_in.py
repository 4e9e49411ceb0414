"""Signing in, the throttle, and the first administrator."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tandem.people import first, throttle
from tandem.people.models import FirstCode, SignInFailure
from tests.factories import make_user

LOGIN = reverse("login")
FIRST = reverse("first_administrator")
PASSWORD = "correct horse battery"
NEW = {"username": "anna", "password1": PASSWORD, "password2": PASSWORD}


def sign_in(name: str, password: str, *, address: str = "10.0.0.1", **data):
    return Client(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password, **data})


def test_signing_in_and_out(db):
    make_user("Viewer", username="vera", password=PASSWORD)
    browser = Client()
    assert browser.post(LOGIN, {"username": "vera", "password": PASSWORD}).url == "/"
    assert browser.get("/").status_code == 200
    assert browser.get(reverse("logout")).status_code == 405
    assert browser.post(reverse("logout")).url == LOGIN
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize(
    ("wanted", "reached"), [("/jobs/", "/jobs/"), ("https://example.org/", "/"), ("//example.org", "/")]
)
def test_next_leads_only_to_our_own_pages(db, wanted, reached):
    make_user("Viewer", username="vera", password=PASSWORD)
    assert sign_in("vera", PASSWORD, next=wanted).url == reached


def test_a_wrong_password_does_not_say_which_half_was_wrong(db):
    make_user(username="vera", password=PASSWORD)
    known, unknown = sign_in("vera", "wrong"), sign_in("nobody", "wrong")
    sentence = "This name and password do not belong together."
    assert sentence in known.content.decode()
    assert sentence in unknown.content.decode()


def test_ten_failures_close_the_door_for_this_name_and_address_only(db):
    make_user(username="vera", password=PASSWORD)
    make_user(username="otto", password=PASSWORD)
    for _ in range(throttle.PER_NAME):
        sign_in("VERA ", "wrong")
    refused = sign_in("vera", PASSWORD)
    assert "Too many tries failed. Try again in 15 minutes" in refused.content.decode()
    assert sign_in("otto", PASSWORD).status_code == 302
    assert sign_in("vera", PASSWORD, address="10.0.0.2").status_code == 302


def test_the_door_opens_again_after_a_quarter_of_an_hour(db):
    make_user(username="vera", password=PASSWORD)
    for _ in range(throttle.PER_NAME):
        sign_in("vera", "wrong")
    SignInFailure.objects.update(at=timezone.now() - throttle.WINDOW - timedelta(seconds=1))
    assert sign_in("vera", PASSWORD).status_code == 302


def test_getting_in_forgets_earlier_slips(db):
    make_user(username="vera", password=PASSWORD)
    for _ in range(throttle.PER_NAME - 1):
        sign_in("vera", "wrong")
    sign_in("vera", PASSWORD)
    assert not SignInFailure.objects.exists()


def test_one_address_cannot_try_many_names(db, monkeypatch):
    monkeypatch.setattr(throttle, "PER_ADDRESS", 5)
    make_user(username="vera", password=PASSWORD)
    for n in range(5):
        sign_in(f"name{n}", "wrong")
    assert "Too many tries failed" in sign_in("vera", PASSWORD).content.decode()


def test_names_that_were_tried_are_not_kept_readable(db):
    sign_in("my secret typed in the wrong box", "x")
    assert "secret" not in SignInFailure.objects.get().name


# --- the first administrator ---------------------------------------------------------------------------


def printed_code() -> str:
    out = StringIO()
    call_command("first_admin", stdout=out)
    return out.getvalue().strip().rsplit(" ", 1)[1]


def test_the_code_makes_the_first_administrator_once(client, db):
    code = printed_code()
    assert "Become its first administrator" in client.get(LOGIN).content.decode()
    answer = client.post(FIRST, {**NEW, "code": code.lower().replace("-", " ")})
    assert answer.url == "/"
    assert User.objects.get().has_perm("synccore.set_up")
    assert client.get("/").status_code == 200
    assert Client().get(FIRST).status_code == 404
    assert "first administrator" not in Client().get(LOGIN).content.decode()
    with pytest.raises(CommandError):
        call_command("first_admin")


def test_the_code_is_kept_as_a_digest_only(db):
    code = printed_code()
    assert code not in str(FirstCode.objects.values())


@pytest.mark.parametrize("code", ["", "AAAA-BBBB-CCCC-DDDD"])
def test_a_wrong_code_makes_nobody(client, db, code):
    printed_code()
    answer = client.post(FIRST, {**NEW, "code": code})
    assert answer.status_code == 200
    assert not User.objects.exists()


def test_a_newer_code_replaces_the_older_and_both_expire(client, db):
    older, newer = printed_code(), printed_code()
    client.post(FIRST, {**NEW, "code": older})
    assert not User.objects.exists()
    FirstCode.objects.update(expires_at=timezone.now())
    client.post(FIRST, {**NEW, "code": newer})
    assert not User.objects.exists()


def test_guessing_voids_the_code_and_is_slowed(client, db, monkeypatch):
    monkeypatch.setattr(throttle, "PER_NAME", 3)
    code = printed_code()
    for _ in range(3):
        client.post(FIRST, {**NEW, "code": "wrong"})
    assert "Too many tries failed" in client.post(FIRST, {**NEW, "code": code}).content.decode()
    FirstCode.objects.update(failures=first.MOST_FAILURES)
    SignInFailure.objects.all().delete()
    client.post(FIRST, {**NEW, "code": code})
    assert not User.objects.exists()


def test_a_weak_password_is_refused_and_the_code_still_holds(client, db):
    code = printed_code()
    weak = client.post(
        FIRST, {"code": code, "username": "anna", "password1": "12345678", "password2": "12345678"}
    )
    assert weak.status_code == 200
    assert client.post(FIRST, {**NEW, "code": code}).status_code == 302


def test_a_start_prints_a_code_once_and_never_replaces_a_valid_one(db):
    assert first.new_code(replace=False)
    assert first.new_code(replace=False) is None


def test_somebody_without_the_right_does_not_close_the_page(client, db):
    make_user("Record owner")
    assert client.get(FIRST).status_code == 200
    User.objects.create_superuser("root", is_active=False)
    assert client.get(FIRST).status_code == 200
    make_user("Administrator")
    assert client.get(FIRST).status_code == 404


def test_of_two_people_at_once_one_wins(transactional_db):
    code = first.new_code(replace=True)
    start, made = threading.Barrier(2), []

    def race(name: str) -> None:
        start.wait()
        made.append(first.make(code, name, PASSWORD))
        connection.close()

    people = [threading.Thread(target=race, args=(name,)) for name in ("anna", "bert")]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert sorted(each is not None for each in made) == [False, True]
    assert User.objects.count() == 1
