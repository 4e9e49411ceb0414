"""Who sees which rows."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User

from synccore import roles
from synccore.models import Coupling, JobQueueEntry, Journal, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.scoping import GrantLevel
from tests.factories import (
    make_connection,
    make_entry,
    make_job,
    make_journal,
    make_mapping,
    make_problem,
    make_queue_entry,
    make_user,
)

pytestmark = pytest.mark.django_db
LEVELS = list(GrantLevel)


def row_of_each(mapping: TableMapping) -> dict[type, object]:
    problem = make_problem(mapping=mapping, state=Problem.State.WAITING)
    journal = make_journal(make_job(mapping))
    return {
        TableMapping: mapping,
        Coupling: journal.coupling,
        Problem: problem,
        SynchJobError: make_entry(problem),
        SynchJob: journal.job,
        Journal: journal,
        JobQueueEntry: make_queue_entry(mapping),
    }


@pytest.mark.parametrize("granted", LEVELS)
def test_each_level_includes_those_before_it(granted: GrantLevel) -> None:
    mapping, other = make_mapping(), make_mapping()
    rows = row_of_each(mapping)
    row_of_each(other)
    user = make_user("Record owner", grants={mapping: granted})
    for level in LEVELS:
        for model, row in rows.items():
            seen = list(model.objects.visible_to(user, level))  # type: ignore[attr-defined]
            assert seen == ([row] if granted >= level else []), (model, level)


def test_the_lowest_level_is_asked_for_unless_said() -> None:
    mapping = make_mapping()
    user = make_user("Viewer", grants={mapping: GrantLevel.VIEW})
    assert list(TableMapping.objects.visible_to(user)) == [mapping]


def test_a_role_without_a_grant_sees_nothing() -> None:
    rows = row_of_each(make_mapping())
    for role in ("Record owner", "Viewer", ""):
        user = make_user(role)
        assert not any(model.objects.visible_to(user).exists() for model in rows)  # type: ignore[attr-defined]


def test_an_administrator_sees_all_also_what_belongs_to_no_mapping() -> None:
    rows = row_of_each(make_mapping())
    make_problem(connection=make_connection())
    user = make_user("Administrator")
    for model in rows:
        assert model.objects.visible_to(user, GrantLevel.DELETE).count() == model.objects.count()  # type: ignore[attr-defined]
    assert Problem.objects.visible_to(user).filter(mapping=None).count() == 1


def test_what_belongs_to_no_mapping_is_for_administrators_only() -> None:
    mapping = make_mapping()
    make_problem(connection=make_connection())
    user = make_user("Record owner", grants={mapping: GrantLevel.DELETE})
    assert not Problem.objects.visible_to(user).exists()


@pytest.mark.parametrize("role", ["Administrator", "Record owner"])
def test_the_inactive_and_the_anonymous_see_nothing(role: str) -> None:
    mapping = make_mapping()
    user = make_user(role, grants={mapping: GrantLevel.DELETE}, is_active=False)
    for somebody in (user, AnonymousUser()):
        assert not TableMapping.objects.visible_to(somebody).exists()
    assert not TableMapping.objects.visible_to(make_user(is_superuser=True, is_active=False)).exists()
    assert TableMapping.objects.visible_to(make_user(is_superuser=True)).exists()


def test_two_groups_give_the_better_level_and_each_row_once() -> None:
    mapping = make_mapping()
    user = make_user("Viewer", grants={mapping: GrantLevel.VIEW})
    more = Group.objects.create(name="More")
    user.groups.add(more)
    roles.grant(more, mapping, GrantLevel.RESOLVE)
    assert list(TableMapping.objects.visible_to(user, GrantLevel.RESOLVE)) == [mapping]
    assert TableMapping.objects.visible_to(user).count() == 1


def test_a_refusal_names_the_right_and_who_has_it() -> None:
    said = roles.refusal("synccore.restore_records")
    assert "“Restore deleted records”" in said and "groups have it: Administrator." in said
    assert "Administrator, Record owner, Viewer" in roles.refusal("synccore.view")
    Group.objects.all().delete()
    assert "groups" not in roles.refusal("synccore.view")
    assert "mapping" in roles.refusal("synccore.view", of_mapping=True)


def test_scoping_costs_no_query_of_its_own(django_assert_num_queries) -> None:
    mapping = make_mapping()
    made = make_user("Record owner", grants={mapping: GrantLevel.VIEW})
    user = User.objects.get(pk=made.pk)
    user.has_perm("synccore.view")  # fills Django's own cache of permissions
    with django_assert_num_queries(1):
        list(Problem.objects.visible_to(user))
