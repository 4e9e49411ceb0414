"""Every address of the console. A view is for signed-in people unless it says otherwise."""

from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from tandem.home.views import home
from tandem.menu import menu_counts
from tandem.people import views as people
from tandem.tell_me.views import tell_me

urlpatterns = [
    path("sign-in/", people.SignIn.as_view(), name="login"),
    path("first-administrator/", people.first_administrator, name="first_administrator"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", home, name="home"),
    path("menu-counts/", menu_counts, name="menu_counts"),
    path("tell-me/", tell_me, name="tell_me"),
    path("", include("tandem.people.urls")),
]
# In this order: a later app never shadows an address of an earlier one.
APPS = [app for app in ("coupling", "errors", "synccore", "ui") if find_spec(f"{app}.urls")]
urlpatterns += [path("", include(f"{app}.urls")) for app in APPS]
if settings.DEMO:
    urlpatterns += [path("", include("tandem.demo.urls"))]

handler403 = "synccore.views.refused.forbidden"
