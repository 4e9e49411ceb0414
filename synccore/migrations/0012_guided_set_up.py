from django.db import migrations, models
from django.db.models import F
from django.utils import timezone


def since_the_last_look(apps, _editor):
    """Nobody noted before since when: it is that way at least since the last look."""
    apps.get_model("synccore", "SetupCheck").objects.update(since=F("at"))


class Migration(migrations.Migration):
    dependencies = [("synccore", "0011_journal_page")]

    operations = [
        migrations.AddField(
            "connection", "listed", models.JSONField(blank=True, default=dict, editable=False)
        ),
        migrations.AddField("connection", "secrets_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddField(
            "connection", "told_currencies", models.JSONField(blank=True, default=dict, editable=False)
        ),
        migrations.AddField("setupcheck", "since", models.DateTimeField(default=timezone.now)),
        migrations.RunPython(since_the_last_look, migrations.RunPython.noop),
    ]
