"""Addresses of home, jobs, schedules, connections and couplings."""

from django.urls import path

from synccore.views import (
    connections,
    couplings,
    desk,
    home,
    job_records,
    jobs,
    live_catalogue,
    mapping_fields,
    mapping_forms,
    mappings,
    queue,
    undo,
)

app_name = "synccore"

urlpatterns = [
    path("", home.home, name="home"),
    path("jobs/", jobs.JobsPage.as_view(), name="jobs"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/records/", job_records.JobRecordsPage.as_view(), name="job_records"),
    path("jobs/<int:pk>/retry-failed/", jobs.retry_failed, name="retry_failed"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="cancel"),
    path("jobs/<int:pk>/allow-once/", jobs.allow_once, name="allow_once"),
    path("jobs/<int:pk>/keep-stopped/", jobs.keep_stopped, name="keep_stopped"),
    path("jobs/<int:pk>/undo/", jobs.undo_purge, name="undo_purge"),
    path("jobs/<int:pk>/undo-writes/", undo.undo, name="undo_job"),
    path("integrations/new/", mapping_forms.new_integration, name="new_integration"),
    path("mappings/", mappings.mapping_list, name="mappings"),
    path("mappings/new/", mapping_forms.new, name="new_mapping"),
    path("mappings/<int:pk>/", mappings.mapping, name="mapping"),
    path("mappings/<int:pk>/edit/", mapping_forms.edit, name="edit_mapping"),
    path("mappings/<int:pk>/copy/", mappings.copy, name="copy_mapping"),
    path("mappings/<int:pk>/delete/", mappings.delete, name="delete_mapping"),
    path("mappings/<int:pk>/fields/", mapping_fields.fields, name="mapping_fields"),
    path("mappings/<int:pk>/off/", mappings.switch_off, name="switch_off"),
    path("mappings/<int:pk>/on/", mappings.switch_on, name="switch_on"),
    path("mappings/<int:pk>/read/", mappings.read_tables, name="read_tables"),
    path("retried/run-now/", desk.run_pressed, name="run_pressed"),
    path("mappings/<int:pk>/run/", jobs.run_now, name="run_now"),
    path("live/catalogue/<int:pk>/", live_catalogue.live_catalogue, name="live_catalogue"),
    path("queue/", queue.QueuePage.as_view(), name="queue"),
    path("queue/<int:pk>/interval/", queue.interval, name="interval"),
    path("connections/", connections.connections, name="connections"),
    path("connections/new/", connections.new, name="new_connection"),
    path("connections/<int:pk>/", connections.connection, name="connection"),
    path("connections/<int:pk>/edit/", connections.edit, name="edit_connection"),
    path("connections/<int:pk>/check/", connections.check, name="check_set_up"),
    path("set-up-problems/<int:pk>/check/", connections.check_now, name="check_now"),
    path("connections/<int:pk>/test/", connections.test, name="test_connection"),
    path("couplings/", couplings.CouplingsPage.as_view(), name="couplings"),
]
