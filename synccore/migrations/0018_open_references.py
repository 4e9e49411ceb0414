"""Pairs whose optional reference is open, by what it names: found when that record is coupled (``verbs/released.py``)."""

from django.db import migrations

INDEX = """
CREATE INDEX coupling_unfilled_{side} ON synccore_coupling
USING gin (jsonb_path_query_array({side}_base, 'strict $.* ? (@[0] == 0)[1]', '{{}}', true))
WHERE jsonb_path_exists({side}_base, 'strict $.* ? (@[0] == 0)', '{{}}', true)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('synccore', '0017_match_keys'),
    ]

    operations = [
        migrations.RunSQL(INDEX.format(side=side), f'DROP INDEX coupling_unfilled_{side}')
        for side in ('left', 'right')
    ]
