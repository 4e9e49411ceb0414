"""Addresses of the diary."""

from django.urls import path

from errors.views import clean_up, deleted, entries, help

app_name = "errors"

urlpatterns = [
    path("errors/", entries.EntriesPage.as_view(), name="entries"),
    path("errors/<int:pk>/", entries.EntryPage.as_view(), name="entry"),
    path("errors/clean-up/", clean_up.ask_clean_up, name="ask_clean_up"),
    path("errors/clean-up/delete/", clean_up.clean_up, name="clean_up"),
    path("errors/clean-up/<int:pk>/", clean_up.clean_up_result, name="clean_up_result"),
    path("errors/deleted/", deleted.DeletedEntriesPage.as_view(), name="deleted_entries"),
    path("help/", help.index, name="help_index"),
    path("help/<slug:code>/", help.page, name="help"),
    path("errors/deleted/bring-back/", clean_up.bring_back, name="bring_back"),
]
