from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SynccoreConfig(AppConfig):
    name = "synccore"
    verbose_name = _("Synchronization")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from synccore.connectors.odata import limiter
        from synccore.roles import set_up_roles

        # What all workers count together; contacts nobody.
        limiter.use(settings.REDIS_URL)

        post_migrate.connect(set_up_roles, sender=self, dispatch_uid="synccore.roles")
