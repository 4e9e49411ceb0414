"""Pages of the documentation in the console: how an integration user is made, for somebody who has only the browser."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils.text import slugify

from synccore.guides.kinds import KINDS
from synccore.views.manual import PAGES
from tests.factories import ADMINISTRATOR, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(make_user(ADMINISTRATOR))
    return client


def shown(client, name: str) -> str:
    answer = client.get(reverse("synccore:manual", args=[name]))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_kind_needs_is_told_step_by_step_where_its_form_points(admin, kind: str) -> None:
    about = KINDS[kind]
    target = f"{reverse('synccore:manual', args=[about.doc])}#{slugify(about.section)}"
    for page in ("", f"?kind={kind}"):
        assert target in admin.get(reverse("synccore:new_connection") + page).content.decode()
    assert f'<h2 id="{slugify(about.section)}">' in shown(admin, about.doc)


@pytest.mark.parametrize("name", PAGES)
def test_no_link_of_a_page_leads_nowhere(admin, name: str) -> None:
    article = shown(admin, name).split("<article", 1)[1].split("</article>", 1)[0]
    links = re.findall(r'href="([^"]*)"', article)
    assert links and all(admin.get(link).status_code == 200 for link in links)
    assert ".md)" not in article


def test_other_files_are_no_pages(admin) -> None:
    for name in ("architecture", "settings", "integration-users-md"):
        assert admin.get(f"/connections/manual/{name}/").status_code == 404
