"""What every answer carries, and what a script's request gets once its session has ended."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.http import urlencode

# Everything comes from us: no inline script or style, no frame, no other host. Bootstrap's CSS draws its
# small icons from data: URLs, hence the one exception for images.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Adds the Content-Security-Policy to every answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return middleware


def sign_in_again(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A part of a page that meets the sign-in page sends the whole browser there, and back to the page it was part of.

    Without this the script would follow the redirect and put the sign-in form into the panel.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        sign_in = resolve_url(settings.LOGIN_URL)
        if response.status_code != 302 or request.headers.get("HX-Request") != "true":
            return response
        if urlsplit(response.headers["Location"]).path != sign_in:
            return response
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
        back = page.path + (f"?{page.query}" if page.query else "")
        answer = HttpResponse(status=204)
        answer.headers["HX-Redirect"] = f"{sign_in}?{urlencode({'next': back or '/'})}"
        return answer

    return middleware
