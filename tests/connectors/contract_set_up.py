"""What a connector does for Connection Setup: what people paste, and what they choose from."""

from __future__ import annotations

from synccore.connectors.base import Connector


class SetUpContract:
    def test_what_was_tidied_once_stays_as_it_is(self, connector: Connector) -> None:
        typed = {option.name: f" https://x.example/{option.name}/ " for option in connector.options}
        for each in ({}, typed, {name: None for name in typed}, {name: 7 for name in typed}):
            once = connector.tidy(each)
            assert connector.tidy(once) == once
            assert set(once) <= {option.name for option in connector.options}

    def test_choosing_fills_options_that_are_asked_for_by_choosing(self, connector: Connector) -> None:
        listed = {option.name for option in connector.options if option.listed}
        assert not any(option.required or option.secret for option in connector.options if option.listed)
        choices = connector.choices()
        assert bool(choices) <= connector.lists_choices
        for each in choices:
            assert each.label
            assert set(each.answers) <= listed
            assert all(isinstance(value, str) and value for value in each.answers.values())

    def test_an_app_that_tells_its_currencies_has_the_tables_it_names(self, connector: Connector) -> None:
        told = connector.currencies()
        if told is None:
            return
        tables = connector.describe()
        assert told.table in tables
        assert told.field in tables[told.rates].fields
