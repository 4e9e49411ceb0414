"""Addresses of the console with the demo's own, as they are while the demo runs."""

from django.urls import include, path

from tandem.urls import handler403, urlpatterns

urlpatterns = [*urlpatterns, path("", include("tandem.demo.urls"))]

__all__ = ["handler403", "urlpatterns"]
