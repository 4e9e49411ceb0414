"""Addresses of home, jobs, schedules and couplings."""

from django.urls import path

from synccore.views import couplings, home, jobs, queue

app_name = "synccore"

urlpatterns = [
    path("", home.home, name="home"),
    path("jobs/", jobs.JobsPage.as_view(), name="jobs"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="cancel"),
    path("jobs/<int:pk>/allow-once/", jobs.allow_once, name="allow_once"),
    path("jobs/<int:pk>/keep-stopped/", jobs.keep_stopped, name="keep_stopped"),
    path("jobs/<int:pk>/undo/", jobs.undo_purge, name="undo_purge"),
    path("mappings/<int:pk>/run/", jobs.run_now, name="run_now"),
    path("queue/", queue.QueuePage.as_view(), name="queue"),
    path("queue/<int:pk>/interval/", queue.interval, name="interval"),
    path("couplings/", couplings.CouplingsPage.as_view(), name="couplings"),
]
