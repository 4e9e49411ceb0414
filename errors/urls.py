"""Addresses of the diary."""

from django.urls import path

from errors import views

app_name = "errors"

urlpatterns = [
    path("errors/", views.EntriesPage.as_view(), name="entries"),
    path("errors/<int:pk>/", views.entry, name="entry"),
    path("errors/clean-up/", views.ask_clean_up, name="ask_clean_up"),
    path("errors/clean-up/delete/", views.clean_up, name="clean_up"),
]
