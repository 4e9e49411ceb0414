import time

import pytest
from django.core.management import CommandError, call_command

from tandem.middleware import POLICY

pytestmark = pytest.mark.django_db


def test_healthz_says_that_database_and_broker_answer(client):
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok"}


def test_healthz_says_which_part_is_down_and_keeps_the_reason_to_itself(client, settings):
    settings.REDIS_URL = "unix:///nowhere/secret.sock"
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "database": "ok", "broker": "down"}


def test_healthz_answers_whoever_asks_by_address_and_in_plain_http(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"host": "10.1.2.3"}).status_code == 200


def test_healthz_only_reads(client, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get("/healthz")
    assert client.post("/healthz").status_code == 405


def test_the_command_says_the_same(capsys, settings):
    call_command("health")
    assert capsys.readouterr().out == "database ok, broker ok\n"
    settings.REDIS_URL = "unix:///nowhere/secret.sock"
    with pytest.raises(CommandError, match="broker down"):
        call_command("health")


def test_other_pages_ask_to_sign_in(client):
    response = client.get("/admin/")
    assert response.status_code == 302
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY


def test_sending_to_a_dead_broker_fails_quickly(settings):
    from kombu.exceptions import OperationalError

    from tandem import env
    from tandem.celery import app

    began = time.monotonic()
    with (
        pytest.raises(OperationalError),
        app.connection_for_write(env.broker("unix:///nowhere/x.sock")) as wire,
    ):
        app.send_task("nothing", connection=wire, queue="sync", retry=False)
    assert time.monotonic() - began < 20
