"""Finding what a person means, with what each kind of service can be asked."""

from __future__ import annotations

import pytest

from synccore.connectors.odata import searching
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.profile import Profile
from synccore.shapes import TableRef
from tests.connectors.odata.scripted import FIELDS, PERSON, Script, id, page, row


def found(script, text, limit=20, table=PERSON):
    return [int(record.id[-4:]) for record in searching.search(script.source, table, text, FIELDS, limit)]


class Single(BusinessCentralProfile):
    """Without batches, so that a test sees each query."""

    batch_format = ""


def test_what_comes_is_judged_and_ordered_here():
    rows = [
        row(3, name="b1 b10", number="A5"),
        row(1, name="thing", number="B1"),
        row(2, name="other", number="B10"),
        row(4, name="ab1", number="A6"),
        row(5, name="x b", number="A1"),
    ]
    script = Script(page(*rows), page(rows[0]), page())
    assert found(script, "b1") == [1, 2, 3]
    assert all("$top=100" in query and "$orderby=number" in query for query in script.queries)
    assert all("maxpagesize" not in preference for preference in script.preferences)


def test_a_service_that_ignores_case_is_asked_as_it_is():
    class One(DataverseProfile):
        batch_format = ""

    script = Script(*[page()] * 5, profile=One())
    found(script, "Van d'ijk")
    asked = "\n".join(script.queries)
    assert "contains(name,' d''ijk')" in asked and "tolower" not in asked
    assert "(startswith(number,'van')" in asked and " and (" in asked


def test_a_service_that_tells_cases_apart_is_asked_in_lower_case():
    script = Script(*[page()] * 5, profile=Profile())
    found(script, "DIJK")
    assert any("contains(tolower(name),' dijk')" in query for query in script.queries)


def test_one_field_at_a_time_and_no_nested_functions_where_the_service_knows_no_better():
    script = Script(*[page()] * 5, profile=Single())
    found(script, "van dijk")
    for query in script.queries:
        condition = query.split("$filter=")[1].split("&$orderby")[0]
        assert not ("number" in condition and "name" in condition), condition
        assert "tolower" not in condition
    asked = "\n".join(script.queries)
    assert all(f"contains(name,' {way}')" in asked for way in ("dijk", "Dijk", "DIJK"))


@pytest.mark.parametrize("text", ["", "  ", "\x00", "\ud800"])
def test_nobody_is_asked_for_nothing(text):
    assert found(Script(), text) == []


def test_a_whole_id_is_looked_for_and_the_beginning_of_one_is_not():
    script = Script(*[page(row(1))] * 5)
    assert found(script, id(1), table=TableRef("people")) == [1]
    assert f"id eq {id(1)}" in script.queries[0]
    assert found(Script(), "00000000-0000", table=TableRef("people")) == []


def test_whole_numbers_are_looked_for_by_their_beginning():
    script = Script(*[page(row(1, age=41), row(2, age=4), row(3, age=417), row(4, age=341))] * 5)
    assert found(script, "41", table=TableRef("people", key_field="age")) == [1, 3]
    assert "age eq 41 or (age ge 410 and age le 419) or " in script.queries[0]


def test_the_answer_is_cut_to_the_limit():
    script = Script(*[page(*[row(n, number=f"B{n}") for n in range(9)])] * 3)
    assert found(script, "b", limit=2) == [0, 1]


def test_of_many_words_the_longest_are_asked_for_and_all_are_looked_for():
    words = [f"word{n}" + "x" * 40 for n in range(30)] + ["a"]
    rows = [row(1, name=" ".join(words)), row(2, name=" ".join(words[:-1]))]
    script = Script(page(*rows), page(*rows), profile=Profile())
    assert found(script, " ".join(words)) == [1]
    assert all(len(path) < 2000 for path in script.paths)
    assert "word10" in script.queries[-1] and "'a'" not in script.queries[-1]
