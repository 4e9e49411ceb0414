"""Addresses of the coupled-record desk."""

from django.urls import path

from coupling import asking, compare_views, couple_views, edit_views, record_views, records, views

app_name = "coupling"

urlpatterns = [
    path("coupled-errors/", views.CoupledPage.as_view(), name="coupled"),
    path("skipped/", views.SkippedPage.as_view(), name="skipped"),
    path("problems/<int:pk>/", views.ProblemPage.as_view(), name="problem"),
    path("live/problems/<int:pk>/", views.LiveProblem.as_view(), name="live_problem"),
    path("problems/<int:pk>/ask/", asking.ask_administrator, name="ask_administrator"),
    path("go/<str:mapping>/<path:key>", record_views.RecordPage.as_view(), name="record"),
    path("records/", records.RecordsPage.as_view(), name="records"),
    path("live/records/", records.live, name="live_records"),
    path("live/record/<int:pk>/", record_views.live, name="live_record"),
    path("record/<int:pk>/synchronize/", record_views.synchronize, name="synchronize_record"),
    path("record/<int:pk>/edit/<str:side>/", edit_views.page, name="edit"),
    path("live/edit/<int:pk>/<str:side>/", edit_views.live, name="live_edit"),
    path("compare/<int:pk>/", compare_views.page, name="compare"),
    path("couple/", couple_views.page, name="couple"),
    path("live/couple/", couple_views.live, name="live_couple"),
    path("live/compare/<int:pk>/", compare_views.live, name="live_compare"),
]
