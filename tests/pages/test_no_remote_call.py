"""No page and no list asks a business app: only fragments under /live/ do (DESIGN §3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synccore.models import Connection
from tests.pages.test_every_page import ADDRESSES, address

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.usefixtures("clean_up", "full")


class Silent:
    """A connector of an app that must not be asked. What it knows without asking, it tells: a record's address."""

    def __init__(self, app: str, asked: list[str]) -> None:
        self.app, self.asked = app, asked

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_exception: object) -> None: ...

    def record_url(self, _table: object, id: str) -> str:
        return f"https://{self.app}.example/{id}"

    def __getattr__(self, name: str) -> object:
        self.asked.append(f"{self.app}: {name}")
        raise AssertionError(f"{self.app} was about to be asked: {name}")


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What any app was to be asked, by whom one asks: every connector comes from ``Connection.connect``."""
    calls: list[str] = []
    monkeypatch.setattr(Connection, "connect", lambda app, **_options: Silent(app.name, calls))
    return calls


def test_nothing_opens_a_connector_past_the_seam():
    """``save_connection`` opens one too, to see whether its options can be used; nobody is contacted by that."""
    opens = re.compile(r"from synccore.connectors import .*\bconnect\b|connectors\.connect\(")
    found = {
        str(path.relative_to(ROOT))
        for package in ("synccore", "coupling", "errors", "tandem")
        for path in (ROOT / package).rglob("*.py")
        if opens.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"synccore/models/connection.py", "synccore/services/connections.py"}


OUTSIDE = [(name, query) for name, query in ADDRESSES if ":live_" not in name]


@pytest.mark.parametrize(("name", "query"), OUTSIDE)
def test_a_page_asks_no_app(world, administrator, as_user, asked, name, query):
    where = address(name, world) + query
    assert not where.startswith("/live/"), "name what is under /live/ live_…, so that this test knows it"
    as_user(administrator).get(where)
    assert not asked


@pytest.mark.parametrize("name", sorted({name for name, _query in ADDRESSES if ":live_" in name}))
def test_what_asks_is_under_live(world, name):
    assert address(name, world).startswith("/live/")


def test_the_seam_would_notice(world, administrator, as_user, asked):
    """The comparison's fragment does ask both apps; else the tests above would prove nothing."""
    as_user(administrator).get(address("coupling:live_compare", world))
    assert sorted(asked) == ["CRM: fetch", "ERP: fetch"]
