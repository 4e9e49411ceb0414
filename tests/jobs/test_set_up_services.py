"""Set-up checks of a service on the web, by the job that people start and the tick starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synccore import jobs
from synccore.connectors.odata import metadata
from synccore.guides.checks import CHECKS, render_check
from synccore.models import SetupCheck, SynchJob
from tests.connectors.odata.conftest import on_its_own  # noqa: F401
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import dataverse_server  # noqa: F401

from .test_garbage import ErpAndDataverse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("on_its_own")]


@pytest.fixture
def world(dataverse_server: DataverseServer) -> Iterator[ErpAndDataverse]:  # noqa: F811
    metadata.forget()
    yield ErpAndDataverse(dataverse_server)
    metadata.forget()


def look(world: ErpAndDataverse) -> dict[str, str]:
    """State by code, after the job has looked."""
    job = jobs.run(jobs.enqueue(verb="check_set_up", connection=world.crm).pk)
    assert job is not None and job.state == SynchJob.State.FINISHED
    found = list(SetupCheck.objects.filter(connection=world.crm))
    for check in found:
        assert check.code in CHECKS
        told = render_check(check.code, check.state, check.params, app="Sales")
        assert told.title and told.sentence and "{" not in told.sentence
    return {check.code: check.state for check in found}


def test_everything_is_well(world: ErpAndDataverse) -> None:
    before = world.accounts()
    found = look(world)
    for code in (
        "address", "signs_in", "clock", "user_exists", "user_enabled", "user_access_mode", "not_superuser",
        "admin_mode_off", "quota_left", "privileges", "tracks_changes", "safe_writes", "fields",
    ):  # fmt: skip
        assert found[code] == "pass", code
    assert "certificate" not in found, "what stays on this machine needs none"
    assert found["secret_valid"] == "unknown", "no check, no pass"
    assert world.accounts() == before


def test_what_is_wrong_is_named_and_mended(world: ErpAndDataverse) -> None:
    world.server.faults.deny("accounts", "write", "delete")
    world.server.faults.administrator = True
    found = look(world)
    assert (found["privileges"], found["not_superuser"], found["admin_mode_off"]) == (
        "fail",
        "fail",
        "unknown",
    )
    check = SetupCheck.objects.get(connection=world.crm, code="privileges")
    assert check.mapping_id == world.mapping.pk
    assert check.params["privilege"] == ["prvWriteAccount", "prvDeleteAccount"]
    told = render_check("privileges", "fail", check.params, app="Sales")
    assert told.steps[0].startswith("In Sales, add prvWriteAccount, prvDeleteAccount to a security role of ")
    world.server.faults.clear()
    assert look(world)["privileges"] == "pass"


def test_administration_mode_and_a_disabled_user_are_said_in_their_own_words(world: ErpAndDataverse) -> None:
    for fault, code in (
        ("admin_mode", "admin_mode"),
        ("user_disabled", "user_disabled"),
        ("user_missing", "user_unknown"),
    ):
        setattr(world.server.faults, fault, True)
        found = look(world)
        assert found["signs_in"] == "fail" and found["address"] == "pass"
        assert SetupCheck.objects.get(connection=world.crm, code="signs_in").params["failure"] == code
        assert found["not_superuser"] == "unknown" and found["privileges"] == "unknown"
        world.server.faults.clear()
    assert look(world)["signs_in"] == "pass"
