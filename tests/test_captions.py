"""Captions on pages are translated exactly as the field says them; the compiled catalogues are those of the text."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

from tests.glossary import CAPTIONS, FOUND

LOCALE = Path(__file__).parent.parent / "locale"
PLACES = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


def entries(language: str) -> list[dict[str, str]]:
    """The entries of a .po file: ``msgid``, ``msgid_plural``, ``msgstr`` or ``msgstr[0]`` …"""
    found: list[dict[str, str]] = []
    key = ""
    for line in (LOCALE / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8").splitlines():
        named = re.match(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (".*")$', line)
        if named:
            key = named[1]
            if key == "msgctxt" or key == "msgid" and not (found and set(found[-1]) == {"msgctxt"}):
                found.append({})
            found[-1][key] = ast.literal_eval(named[2])
        elif line.startswith('"') and found:
            found[-1][key] += ast.literal_eval(line)
    return [each for each in found if each["msgid"]]


@pytest.mark.parametrize(("language", "at"), [("nl", 1), ("nb", 2)])
def test_every_caption_in_use_is_translated_as_the_glossary_says(language, at):
    wanted = {
        caption: row[at].lower()
        for row in (*FOUND, *CAPTIONS)
        for caption in (row[0], row[0].capitalize())  # "Failed On" is "Failed on" on our pages
    }
    in_use = {each["msgid"]: each.get("msgstr", "") for each in entries(language)}
    wrong = {
        caption: told
        for caption, told in in_use.items()
        if caption in wanted and told.lower() != wanted[caption]
    }
    assert not wrong
    assert len([caption for caption in in_use if caption in wanted]) > 60


@pytest.mark.parametrize("language", ["nl", "nb"])
def test_a_translation_names_the_same_facts(language):
    wrong = []
    for each in entries(language):
        allowed = set(PLACES.findall(each["msgid"] + each.get("msgid_plural", "")))
        for key, told in each.items():
            if key.startswith("msgstr") and told:
                named = set(PLACES.findall(told))
                whole = key == "msgstr"
                if not named <= allowed or whole and named != allowed:
                    wrong.append((each["msgid"], told))
    assert not wrong


@pytest.mark.parametrize("language", ["nl", "nb"])
def test_the_compiled_catalogue_is_that_of_the_text(language):
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = [
        each["msgid"]
        for each in entries(language)
        if each.get("msgstr") and "msgctxt" not in each and compiled.gettext(each["msgid"]) != each["msgstr"]
    ]
    assert not stale, "run manage.py compilemessages"
