import pytest

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


def test_other_pages_ask_to_sign_in(client):
    response = client.get("/admin/")
    assert response.status_code == 302
