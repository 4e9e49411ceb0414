"""No page and no list asks a business app: only fragments under /live/ do (DESIGN §3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synccore.models import Connection
from tests.pages.test_every_page import ADDRESSES, address

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.usefixtures("clean_up")


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The names of the apps that were to be asked: everything goes through ``Connection.connect``, which fails here."""
    apps: list[str] = []

    def refuse(connection, **_options):
        apps.append(connection.name)
        raise AssertionError(f"{connection.name} was about to be asked")

    monkeypatch.setattr(Connection, "connect", refuse)
    return apps


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
def test_a_page_asks_no_app(world, administrator, as_user, opened, name, query):
    where = address(name, world) + query
    assert not where.startswith("/live/"), "name what is under /live/ live_…, so that this test knows it"
    as_user(administrator).get(where)
    assert not opened


@pytest.mark.parametrize("name", sorted({name for name, _query in ADDRESSES if ":live_" in name}))
def test_what_asks_is_under_live(world, name):
    assert address(name, world).startswith("/live/")


def test_the_seam_would_notice(world, administrator, as_user, opened):
    """The comparison's fragment does ask both apps; else the tests above would prove nothing."""
    with pytest.raises(AssertionError, match="was about to be asked"):
        as_user(administrator).get(address("coupling:live_compare", world))
    assert opened
