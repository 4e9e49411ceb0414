"""Addresses of the coupled-record desk."""

from django.urls import path

from coupling import compare_views, views

app_name = "coupling"

urlpatterns = [
    path("coupled-errors/", views.CoupledPage.as_view(), name="coupled"),
    path("skipped/", views.SkippedPage.as_view(), name="skipped"),
    path("problems/<int:pk>/", views.problem, name="problem"),
    path("compare/<int:pk>/", compare_views.page, name="compare"),
    path("live/compare/<int:pk>/", compare_views.live, name="live_compare"),
]
