from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.utils.translation import gettext_lazy as _


class TandemConfig(AppConfig):
    name = "tandem"
    verbose_name = _("Tandem")

    def ready(self) -> None:
        # Celery's application must exist in every process that sends a task, the web included.
        from tandem import celery  # noqa: F401


class CollectedFilesConfig(StaticFilesConfig):
    """Collects what pages load and leaves out what the packages bring besides (sources, other builds)."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        *("bootstrap/js/*", "bootstrap-*", "bootstrap.rtl*", "bootstrap.css", "bootstrap.css.map"),
        *("django_htmx/ext/*", "htmx-2*", "htmax-*", "django_tables2"),
    ]
