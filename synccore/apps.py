from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SynccoreConfig(AppConfig):
    name = "synccore"
    verbose_name = _("Synchronization")
    default_auto_field = "django.db.models.BigAutoField"
