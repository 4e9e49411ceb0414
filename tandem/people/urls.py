"""Addresses of users, groups and grants, and of everybody's own password."""

from django.urls import path

from tandem.people import group_views, password_views, user_views

app_name = "people"

urlpatterns = [
    path("users/", user_views.UsersPage.as_view(), name="users"),
    path("users/new/", user_views.new, name="new_user"),
    path("users/<int:pk>/", user_views.user, name="user"),
    path("users/<int:pk>/edit/", user_views.edit, name="edit_user"),
    path("users/<int:pk>/codes/", user_views.codes, name="owner_codes"),
    path("users/<int:pk>/switch/", user_views.switch, name="switch_user"),
    path("users/<int:pk>/link/", user_views.link, name="sign_in_link"),
    path("groups/", group_views.groups, name="groups"),
    path("groups/new/", group_views.edit, name="new_group"),
    path("groups/<int:pk>/", group_views.edit, name="group"),
    path("groups/<int:pk>/delete/", group_views.delete, name="delete_group"),
    path("password/", password_views.change, name="password"),
    path("set-password/<str:uid>/<str:token>/", password_views.set_first, name="set_password"),
]
