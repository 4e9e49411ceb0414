"""An app that was taken down comes back by itself, whoever plays it; people work while they are asked to."""

import psycopg
import pytest

from tandem.demo import stage
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.stagehand import Stagehand


@pytest.fixture
def said():
    return []


@pytest.fixture
def hand(apps, said):
    made = Stagehand(apps, said.append)
    yield made
    made.close()
    for app in apps:
        stage.open_again(app)
    stage.stop_work(apps.erp)


def test_an_app_that_is_down_takes_nobody_in_and_ends_who_is_inside(apps, hand):
    inside = apps.crm.as_role(apps.crm.integration, autocommit=True)
    stage.close(apps.crm)
    with pytest.raises(psycopg.OperationalError):
        inside.execute("SELECT 1")
    for role in (apps.crm.integration, apps.crm.people):
        with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
            apps.crm.as_role(role)
    seen = stage.look(apps)
    assert (seen["erp"].is_open, seen["crm"].is_open) == (True, False)
    assert seen["erp"].closed_until is None and seen["crm"].closed_until is not None


def test_it_comes_back_when_its_time_is_up_and_not_before(apps, hand, said):
    stage.close(apps.crm, 120)
    hand.step()
    assert not stage.look(apps)["crm"].is_open
    stage.close(apps.crm, 0)
    hand.step()
    assert said == ["crm is up again."]
    assert stage.look(apps)["crm"] == stage.Sight(is_open=True, closed_until=None, is_due=False, work=None)
    apps.crm.as_role(apps.crm.integration).close()


def test_it_comes_back_though_the_process_that_took_it_down_is_gone(apps, hand, said):
    """The deadline stands with the app: any stagehand, started at any time, keeps it."""
    stage.close(apps.crm, 0)
    Stagehand(Apps.at(apps.crm.admin, apps.crm.base), said.append).step()
    assert stage.look(apps)["crm"].is_open


def test_opening_by_hand_leaves_nothing_to_be_opened(apps, hand, said):
    stage.close(apps.crm, 0)
    stage.open_again(apps.crm)
    hand.step()
    assert said == []


def test_people_work_until_they_are_sent_home(apps, said):
    clock = [0.0]
    hand = Stagehand(apps, said.append, now=lambda: clock[0])
    stage.start_work(apps.erp, "olivia")
    stage.start_work(apps.erp, "vera")  # they are at work already
    hand.step()
    for _ in range(5):
        clock[0] += 10
        hand.step()
    work = stage.look(apps)["erp"].work
    assert work.by == "olivia"
    assert sum(work.done.values()) >= 20
    with apps.erp.as_admin() as admin:
        query = (
            "SELECT count(*) FROM customer WHERE modified_by <> '' AND modified_at > now() - interval '1 min'"
        )
        assert admin.execute(query).fetchone()[0] > 0
    stage.stop_work(apps.erp)
    hand.step()
    assert said == ["People went home."]
    assert stage.look(apps)["erp"].work is None


def test_people_go_on_when_an_app_was_down_in_between(apps, said):
    clock = [0.0]
    hand = Stagehand(apps, said.append, now=lambda: clock[0])
    stage.start_work(apps.erp, "olivia")
    hand.step()
    stage.close(apps.crm)
    clock[0] += 60
    hand.step()
    stage.open_again(apps.crm)
    clock[0] += 60
    hand.step()
    clock[0] += 10
    hand.step()
    assert sum(stage.look(apps)["erp"].work.done.values()) > 0
    assert said == []
    stage.stop_work(apps.erp)
    hand.close()


def test_a_comment_of_somebody_else_is_no_label(apps):
    with stage.server(apps.erp) as admin:
        admin.execute(f"COMMENT ON DATABASE \"{apps.erp.database}\" IS 'our ERP'")
    assert stage.look(apps)["erp"] == stage.Sight(is_open=True, closed_until=None, is_due=False, work=None)


def test_an_app_that_is_not_there_is_named(pg_admin):
    nowhere = Apps.at(pg_admin(), "tandem_test_nowhere")
    assert stage.look(nowhere) == {}
    with pytest.raises(DemoProblem, match="no database tandem_test_nowhere_erp"):
        stage.start_work(nowhere.erp, "olivia")
