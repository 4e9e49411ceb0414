"""Addresses of the running demo. ``tandem.urls`` includes them only there."""

from django.urls import path

from tandem.demo import views

app_name = "demo"

urlpatterns = [
    path("demo/break/", views.break_something, name="break"),
    path("live/demo/faults/", views.live_faults, name="live_faults"),
    path("demo/break/<slug:name>/", views.cause, name="cause"),
    path("demo/break/<slug:name>/put-right/", views.put_right, name="put_right"),
    path("demo/put-all-right/", views.put_all_right, name="put_all_right"),
    path("demo/switch/", views.switch, name="switch"),
    path("demo/bar/", views.show_bar, name="show_bar"),
]
