"""The guided start with the three services as they are: only an address and credentials are typed."""

from __future__ import annotations

import pytest

from synccore.connectors.odata import metadata
from synccore.models import Connection, Problem, SetupCheck
from tests import factories as make
from tests.odata.fixtures import business_central_server, dataverse_server, plain_server  # noqa: F401

from .test_guided_setup import NEW, at, work

SECRET = "wr0ng-and-secret"


@pytest.fixture(autouse=True)
def quiet(db, monkeypatch):
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)
    metadata.forget()
    yield
    metadata.forget()


@pytest.fixture
def browser(as_user):
    return as_user(make.make_user("Administrator", username="anna"))


def typed(server, kind, **more):
    """What people type. A test server has its own token end-point and no name that a scope could be made of."""
    if kind == "odata":
        return {"name": "Shop", "option_address": server.url + "$metadata", **more}
    return {
        "name": "Shop",
        "option_address": server.url,
        "option_client_id": server.client_id,
        "option_client_secret": server.client_secret,
        "option_token_address": server.token_url,
        "option_scope": server.tokens.scope,
        **more,
    }


@pytest.mark.parametrize("kind", ["business_central", "dataverse", "odata"])
def test_from_an_address_and_credentials_to_a_checked_connection(browser, request, kind):
    server = request.getfixturevalue({"odata": "plain"}.get(kind, kind) + "_server")
    browser.post(f"{NEW}?kind={kind}", typed(server, kind))
    app = Connection.objects.get()
    if kind != "odata":
        assert app.integration_user == server.client_id
        assert app.secrets() == {"client_secret": server.client_secret}
        assert server.client_secret not in str(app.options)
    assert app.address.startswith("http://127.0.0.1:")

    [test] = work()
    assert (test.verb, test.state) == ("check_connection", "finished"), test.app_message
    app.refresh_from_db()
    assert abs(app.skew_seconds) < 2 + app.skew_uncertainty

    if kind != "odata":
        listed = app.listed["choices"]
        assert listed, "what the service lists"
        answer = browser.get(at(app, "guided_choose"))
        chosen = {"confirmed": "1"}
        if listed[0]["answers"]:
            found = dict(sorted(listed[0]["answers"].items()))
            chosen = {"typed": "1", **found}
        answer = browser.post(
            at(app, "guided_choose"), {**chosen, "revision": answer.context["revision"]}, follow=True
        )
        assert answer.redirect_chain == [(at(app, "guided_checks"), 302)], answer.context.get("error")
        app.refresh_from_db()
    jobs = work()
    assert all(job.state == "finished" for job in jobs), [
        (job.verb, job.code, job.app_message) for job in jobs
    ]
    if kind != "odata":
        assert {job.verb for job in jobs} >= {"check_set_up", "describe"}
        states = dict(SetupCheck.objects.filter(connection=app).values_list("code", "state"))
        assert states["signs_in"] == "pass"
        assert states["clock"] == "pass"
        text = browser.get(at(app, "guided_checks")).content.decode()
        assert server.client_secret not in text
    with app.connect() as connector:
        assert connector.describe()
    assert not Problem.objects.not_ended().exists()


@pytest.mark.parametrize("kind", ["business_central", "dataverse"])
def test_a_wrong_secret_is_said_on_the_page_and_is_nowhere_on_it(browser, request, kind):
    server = request.getfixturevalue(f"{kind}_server")
    browser.post(f"{NEW}?kind={kind}", typed(server, kind, option_client_secret=SECRET))
    app = Connection.objects.get()
    test, checks = work()  # a set-up problem has the whole set-up looked at
    assert (test.state, test.code, checks.verb) == ("failed", "secret_refused", "check_set_up")
    for step in ("guided_test", "connection"):
        text = browser.get(at(app, step)).content.decode()
        assert "secret" in text
        assert SECRET not in text
    told = SetupCheck.objects.filter(connection=app).values_list("code", "params")
    assert SECRET not in str(test.params) + test.app_message + str(test.call_stack) + str(list(told))


@pytest.mark.parametrize(
    ("kind", "changed", "field", "sentence"),
    [
        ("dataverse", {"option_client_id": ""}, "client_id", "It must be filled in."),
        ("dataverse", {"option_token_address": ""}, "tenant", "It must be filled in."),
        ("dataverse", {"option_token_address": "http://login.example/token"}, "token_address", "https://"),
        ("business_central", {"option_address": "http://erp.example/BC"}, "address", "https://"),
        ("business_central", {"option_user": "ANNA"}, "user", "another way to sign in"),
        ("dataverse", {"option_address": "hello world"}, "address", "It must be an address"),
        ("odata", {"option_address": "https://" + "a" * 70 + ".example"}, "address", "It must be an address"),
        ("dataverse", {"option_request_timeout": "90"}, "request_timeout", "at most 55"),
    ],
)
def test_what_does_not_go_together_is_said_beside_its_field(browser, request, kind, changed, field, sentence):
    server = request.getfixturevalue({"odata": "plain"}.get(kind, kind) + "_server")
    answer = browser.post(f"{NEW}?kind={kind}", typed(server, kind, **changed))
    assert answer.status_code == 422
    assert sentence in str(answer.context["form"].errors[f"option_{field}"])
    assert server.client_secret not in answer.content.decode()
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("kind", "given", "missing"),
    [
        ("business_central", {}, {"address", "tenant", "client_id", "client_secret"}),
        ("business_central", {"option_user": "ANNA"}, {"address", "password"}),
        ("dataverse", {"option_tenant": "contoso.com"}, {"address", "client_id", "client_secret"}),
        ("odata", {}, {"address"}),
        ("odata", {"option_client_id": "x"}, {"address", "client_secret", "token_address"}),
        ("postgresql", {"option_port": "none"}, {"dbname", "user"}),
    ],
)
def test_all_that_is_missing_is_said_at_once(browser, kind, given, missing):
    answer = browser.post(f"{NEW}?kind={kind}", {"name": "", **given})
    assert answer.status_code == 422
    errors = answer.context["form"].errors
    needed = {name for name, said in errors.items() if said == ["It must be filled in."]}
    assert needed == {"name"} | {f"option_{name}" for name in missing}
    assert not Connection.objects.exists()


@pytest.mark.parametrize("kind", ["business_central", "dataverse"])
def test_a_blank_that_was_copied_with_a_secret_is_none_of_it(browser, request, kind):
    server = request.getfixturevalue(f"{kind}_server")
    given = typed(server, kind, option_client_secret=f" {server.client_secret} ")
    assert browser.post(f"{NEW}?kind={kind}", given).status_code == 302
    assert Connection.objects.get().secrets() == {"client_secret": server.client_secret}


@pytest.mark.usefixtures("no_pauses")
def test_a_first_test_says_who_spoke_and_lets_nobody_wait(browser, dataverse_server):  # noqa: F811
    browser.post(f"{NEW}?kind=dataverse", typed(dataverse_server, "dataverse", option_client_secret=SECRET))
    work()
    text = browser.get(at(Connection.objects.get(), "guided_test")).content.decode()
    assert "Microsoft Entra answered:" in text and "Shop answered:" not in text
    Connection.objects.all().delete()
    browser.post(f"{NEW}?kind=odata", {"name": "Shop", "option_address": "http://127.0.0.1:9"})
    work()
    text = browser.get(at(Connection.objects.get(), "guided_test")).content.decode()
    assert "Test failed" in text
    assert "by itself" not in text, "nothing waits yet, and nobody looks again but the person"


def test_headers_that_are_no_json_are_said_and_not_shown_again(browser, plain_server):  # noqa: F811
    sent = typed(plain_server, "odata", option_headers='{"X-Api-Key": "' + SECRET + '"')
    answer = browser.post(f"{NEW}?kind=odata", sent)
    assert answer.status_code == 422
    assert "This is not JSON" in str(answer.context["form"].errors["option_headers"])
    assert SECRET not in answer.content.decode()


def test_the_key_of_an_api_is_kept_as_a_secret_and_sent(browser, plain_server):  # noqa: F811
    plain_server.auth = "header"
    key = '{"X-Api-Key": "' + plain_server.client_secret + '"}'
    browser.post(f"{NEW}?kind=odata", typed(plain_server, "odata", option_headers=key))
    app = Connection.objects.get()
    assert app.options == {"address": plain_server.url.rstrip("/")}
    [test] = work()
    assert test.state == "finished", test.app_message
    assert plain_server.client_secret not in browser.get(at(app, "connection")).content.decode()
