"""Every setting of Tandem, read from the environment once, at start. `.env.example` lists the variables.

Where something is missing or wrong, start fails with one sentence (`tandem/env.py`).
"""

from pathlib import Path

import structlog
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from tandem import env, logs

BASE_DIR = Path(__file__).resolve().parent.parent

# --- what kind of process this is --------------------------------------------------------------------

DEMO = env.flag("TANDEM_DEMO")  # set by `make demo`: plain http on 127.0.0.1
TESTING = env.flag("TANDEM_TESTING")  # set by the pytest plugin
BUILDING = env.flag("TANDEM_BUILDING")  # set while the image collects static files: no database, no keys
DEBUG = env.flag("TANDEM_DEBUG")
# Tells installations apart: a database that belongs to another one does not synchronize. Unset, the id stands
# in a file beside the data, written at first start.
INSTANCE = env.text("TANDEM_INSTANCE", "test" if TESTING else "")
INSTANCE_FILE = env.folder("TANDEM_INSTANCE_FILE", BASE_DIR / ".tandem" / "instance")
INSTANCE_NAME = INSTANCE or "tandem"  # in logs and in the broker's keys

if BUILDING or TESTING:
    SECRET_KEY = env.text("TANDEM_SECRET_KEY", "for-building-and-testing-only-never-for-a-server")
    CREDENTIAL_KEYS = env.fernet_keys(env.words("TANDEM_CREDENTIAL_KEYS"))
else:
    SECRET_KEY = env.required("TANDEM_SECRET_KEY", f"make one with: {env.MAKE_SECRET}")
    env.required("TANDEM_CREDENTIAL_KEYS", f"make one with: {env.MAKE_FERNET}")
    CREDENTIAL_KEYS = env.fernet_keys(env.words("TANDEM_CREDENTIAL_KEYS"))
SECRET_KEY_FALLBACKS = env.words("TANDEM_SECRET_KEY_FALLBACKS")

_PLAIN_HTTP = DEMO or DEBUG or TESTING
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
ALLOWED_HOSTS = env.words("TANDEM_ALLOWED_HOSTS", _LOCAL if _PLAIN_HTTP else ())
CSRF_TRUSTED_ORIGINS = env.words("TANDEM_CSRF_TRUSTED_ORIGINS")

# --- data ---------------------------------------------------------------------------------------------

_HOW = "set it, or run `make demo` here and leave it unset: then this command finds the demo's servers."
DATABASES = {
    "default": env.database(
        "postgresql://nobody@/nothing" if BUILDING else env.required("DATABASE_URL", _HOW),
    )
}
REDIS_URL = "redis://127.0.0.1:1/0" if BUILDING else env.required("REDIS_URL", _HOW)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- parts --------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "tandem.apps.TandemConfig",
    "tandem.people.apps.PeopleConfig",
    "coupling",
    "errors",
    "synccore",
    "ui",
    "django_tables2",
    "django_filters",
    "django_htmx",
    "bootstrap",  # of django-bootstrap-static: only files
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "tandem.apps.CollectedFilesConfig",
    "django.contrib.humanize",
    "django.contrib.postgres",  # operator classes in indexes; no extension
    "django.forms",
]

MIDDLEWARE = [
    "tandem.health.answer_health_checks",
    "django.middleware.security.SecurityMiddleware",
    "tandem.middleware.content_security_policy",
    "tandem.middleware.sign_in_again",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # a view is open only if it says so
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "tandem.urls"
WSGI_APPLICATION = "tandem.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "synccore.views.navigation.frame",
            ],
        },
    },
]
if DEMO:
    TEMPLATES[0]["OPTIONS"]["context_processors"].append("tandem.demo.bar.bar")  # type: ignore[index]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # widgets may be overridden in templates/

# --- people -------------------------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
#: A mapping of some hundred fields is one form.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"  # a GET writes no session
SESSION_COOKIE_AGE = 12 * 60 * 60
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; no real person signs in

# --- safety -------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not _PLAIN_HTTP
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60  # a person chooses once
SECURE_SSL_REDIRECT = env.flag("TANDEM_SSL_REDIRECT", default=not _PLAIN_HTTP)
SECURE_HSTS_SECONDS = env.number("TANDEM_HSTS_SECONDS", 0 if _PLAIN_HTTP else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.flag("TANDEM_HSTS_SUBDOMAINS")
if env.flag("TANDEM_BEHIND_PROXY"):  # only behind a proxy that sets this header itself
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Whether to send browsers to https for sub-domains too is the host's decision, not Tandem's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- language and time --------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("nl", _("Dutch")), ("nb", _("Norwegian Bokmål"))]
FORMAT_MODULE_PATH = "tandem.formats"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

# --- static files -------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = env.folder("TANDEM_STATIC_ROOT", BASE_DIR / "staticfiles")
STATICFILES_DIRS = [folder for folder in [BASE_DIR / "static"] if folder.is_dir()]
_PLAIN_FILES = DEBUG or TESTING  # served from where they stand; nothing to collect first
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if _PLAIN_FILES
        else "tandem.staticfiles.HashedFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = _PLAIN_FILES

# --- queue --------------------------------------------------------------------------------------------

TICK_SECONDS = 15
_CELERY_BROKER = env.broker(REDIS_URL)
CELERY = {
    "broker_url": _CELERY_BROKER,
    "result_backend": None,  # the job's row is the result
    "task_ignore_result": True,
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "task_acks_late": False,  # a message is a doorbell; a lost one is rung again by the tick
    "worker_prefetch_multiplier": 1,
    "task_default_queue": "sync",
    "task_create_missing_queues": False,
    "task_queues": [Queue(name) for name in ("tick", "sync", "upkeep")],
    "broker_connection_retry_on_startup": True,
    # Publishing to a dead broker fails in two seconds; the row is stored and the tick rings again.
    "broker_transport_options": {
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "retry_on_timeout": False,
        "max_retries": 0,
        "global_keyprefix": f"{INSTANCE_NAME}:",
    },
    "task_publish_retry": False,
    "broker_connection_timeout": 2,
    "worker_hijack_root_logger": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "timezone": "UTC",
    "beat_schedule": {
        "tick": {
            "task": "synccore.tick",
            "schedule": float(TICK_SECONDS),
            "options": {"queue": "tick", "expires": TICK_SECONDS},
        },
    },
    "beat_scheduler": "celery.beat:Scheduler",  # in memory: one entry needs no file
}

# --- logs ---------------------------------------------------------------------------------------------

LOGGING_CONFIG = None  # one configuration, for Django, Celery and gunicorn alike
logs.configure(human=DEMO or DEBUG or TESTING, level=env.text("TANDEM_LOG_LEVEL", "INFO").upper())
structlog.contextvars.bind_contextvars(instance=INSTANCE_NAME)
