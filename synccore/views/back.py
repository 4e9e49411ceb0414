"""Back to the page a button was pressed on."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def is_ours(request: HttpRequest, address: str) -> bool:
    """Whether an address that came with a request leads to a page of ours, so that it may be gone to."""
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


def back_to(request: HttpRequest, otherwise: str = "/") -> str:
    """The address that the form names as ``back``, if it is one of ours."""
    wanted = request.POST.get("back", "")
    return wanted if is_ours(request, wanted) else otherwise
