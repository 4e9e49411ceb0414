"""A copied database does not start to synchronize."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from synccore.models import Instance, guard_instance, instance_matches
from synccore.models.instance import MISMATCH, _write
from tests.factories import make_integration, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path, settings) -> Path:
    settings.INSTANCE = ""
    settings.INSTANCE_FILE = tmp_path / "data" / "instance"
    return settings.INSTANCE_FILE


def test_the_first_start_writes_the_same_id_into_file_and_database(file: Path) -> None:
    assert instance_matches()
    assert file.read_text().strip() == Instance.objects.get().instance_id
    assert len(file.read_text().strip()) == 32 and file.stat().st_mode & 0o777 == 0o600
    assert instance_matches() and Instance.objects.count() == 1


def test_two_processes_starting_at_once_agree(file: Path) -> None:
    assert _write("first") == "first" and _write("second") == "first"
    assert [each.name for each in file.parent.iterdir()] == ["instance"]


def test_a_new_database_beside_old_data_takes_the_id_that_stands_there(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("old\n")
    assert instance_matches() and Instance.objects.get().instance_id == "old"


def test_the_environment_names_the_instance_and_no_file_is_written(file: Path, settings) -> None:
    settings.INSTANCE = "production"
    assert guard_instance() and Instance.objects.get().instance_id == "production"
    assert not file.exists()


@pytest.mark.parametrize("fault", ["other environment", "other file", "no file"])
def test_a_copied_database_pauses_every_integration_until_resume(fault: str, file: Path, settings) -> None:
    assert guard_instance()
    running, person = make_integration(), make_user()
    by_hand = make_integration(paused_since=timezone.now(), paused_by=person, paused_reason="Year end")
    match fault:
        case "other environment":
            settings.INSTANCE = "copy"
        case "other file":
            file.write_text("copy")
        case "no file":
            file.unlink()
    assert not instance_matches() and not guard_instance()
    running.refresh_from_db(), by_hand.refresh_from_db()
    assert running.paused_since and running.paused_by is None and running.paused_reason == MISMATCH
    assert by_hand.paused_reason == "Year end" and by_hand.paused_by == person
    since = running.paused_since
    late = make_integration()
    assert not guard_instance()
    running.refresh_from_db(), late.refresh_from_db()
    assert running.paused_since == since and late.paused_reason == MISMATCH

    out = StringIO()
    call_command("resume", stdout=out)
    assert "2 integrations synchronize again." in out.getvalue()
    running.refresh_from_db(), by_hand.refresh_from_db()
    assert running.paused_since is None and running.paused_reason == "" and by_hand.paused_since
    assert instance_matches() and guard_instance()


def test_resume_without_a_mismatch_changes_nothing(file: Path) -> None:
    guard_instance()
    before = Instance.objects.get().instance_id
    out = StringIO()
    call_command("resume", stdout=out)
    assert "Nothing was paused." in out.getvalue() and Instance.objects.get().instance_id == before


def test_the_guard_costs_one_query_while_all_is_well(file: Path, django_assert_num_queries) -> None:
    guard_instance()
    with django_assert_num_queries(1):
        guard_instance()
