"""Many operations in few requests: how they are written, which answer is whose, and what is taken for done."""

import json
import re
from decimal import Decimal
from email import message_from_bytes, policy
from time import monotonic

import httpx2
import pytest

from synccore.connectors.odata.batches import Sizes
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Answer, Client, Request
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.plain import PlainProfile
from synccore.failures import Failure, Misconfigured, Scope, Stale, Transient

COMPANY = "11111111-2222-3333-4444-555555555555"
BC_ROOT = f"https://erp.example/v2.0/t/Production/api/v2.0/companies({COMPANY})/"
BC_BASE = "https://erp.example/v2.0/t/Production/api/v2.0/"
DV_ROOT = "https://sales.example/api/data/v9.2/"


class Part:
    """One operation as the service reads it out of a batch."""

    def __init__(self, id, method, url, headers, body):
        self.id, self.method, self.url, self.headers, self.body = id, method, url, headers, body

    @property
    def number(self):
        return int(re.search(r"\((\d+)\)|n=(\d+)", self.url)[0].strip("()n="))


class Service:
    """Takes batches as strictly as the real ones, and answers as ``answers`` says: number of the operation → (status, body).

    ``whole``: what whole batches are answered instead, one after the other.
    """

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.whole = []
        self.batches = []
        self.singles = []
        self.order = list
        self.leave_out = set()
        self.with_ids = True

    def __call__(self, request):
        request.read()
        if not request.url.path.endswith("/$batch"):
            return self.single(request)
        assert request.method == "POST"
        parts = (
            self.multipart(request) if "multipart" in request.headers["content-type"] else self.json(request)
        )
        self.batches.append(parts)
        if self.whole:
            answer = self.whole.pop(0)
            answer = answer(parts) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return answer
        told = [(part, *self.answer_to(part)) for part in parts if part.number not in self.leave_out]
        return self.tell(request, self.order(told))

    def answer_to(self, part):
        known = self.answers.get(part.number)
        return known if known else ((200, {"n": part.number}) if part.method == "GET" else (204, None))

    def single(self, request):
        url = str(request.url)
        part = Part("", request.method, url, dict(request.headers), request.content)
        self.singles.append(part)
        status, body = self.answer_to(part)
        return httpx2.Response(status, json=body) if body is not None else httpx2.Response(status)

    def tell(self, request, told, status=200):
        if "multipart" not in request.headers["content-type"]:
            responses = [
                {"id": part.id, "status": s, "headers": {"Content-Type": "application/json"}}
                | ({"body": body} if body is not None else {})
                for part, s, body in told
            ]
            return httpx2.Response(status, json={"responses": responses})
        lines = []
        for part, s, body in told:
            lines += ["--reply_1", "Content-Type: application/http", "Content-Transfer-Encoding: binary"]
            lines += [f"Content-ID: {part.id}"] if self.with_ids else []
            lines += ["", f"HTTP/1.1 {s} Whatever"]
            if body is not None:
                lines += ["Content-Type: application/json; odata.metadata=minimal"]
            lines += [f"OData-EntityId: {DV_ROOT}accounts({part.number})", ""]
            lines += [json.dumps(body) if body is not None else ""]
        content = "\r\n".join([*lines, "--reply_1--", ""]).encode()
        return httpx2.Response(
            status, content=content, headers={"Content-Type": "multipart/mixed; boundary=reply_1"}
        )

    def json(self, request):
        assert str(request.url) == BC_BASE + "$batch"
        assert request.headers["content-type"] == "application/json"
        assert "isolation" not in request.headers
        found = []
        for each in json.loads(request.content, parse_float=Decimal)["requests"]:
            assert each["url"].startswith(f"companies({COMPANY})/")
            assert "atomicityGroup" not in each
            headers = {name.lower(): value for name, value in each["headers"].items()}
            found.append(Part(each["id"], each["method"], each["url"], headers, each.get("body")))
        assert len({part.id for part in found}) == len(found) <= 100
        return found

    def multipart(self, request):
        raw = request.content
        assert raw.endswith(b"--\r\n")
        assert b"\n" not in raw.replace(b"\r\n", b"")
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        found = []
        for piece in message_from_bytes(head + raw, policy=policy.HTTP).iter_parts():
            assert piece.get_content_type() == "application/http"
            assert piece["Content-Transfer-Encoding"] == "binary"
            line, _, rest = piece.get_payload(decode=True).partition(b"\r\n")
            method, url, version = line.decode().split(" ")
            assert version == "HTTP/1.1"
            assert url.startswith("/api/data/v9.2/")
            inner, _, body = rest.partition(b"\r\n\r\n")
            headers = dict(each.split(": ", 1) for each in inner.decode().lower().split("\r\n") if each)
            found.append(Part(piece["Content-ID"], method, url, headers, body))
        assert len(found) <= 1000
        return found


FORMS = {
    "json": (BusinessCentralProfile, BC_ROOT),
    "multipart": (DataverseProfile, DV_ROOT),
}


@pytest.fixture(params=list(FORMS))
def form(request):
    return request.param


def client(service, form, **more):
    profile, root = FORMS[form]
    return Client(
        profile(),
        app="Sales",
        root=root,
        transport=httpx2.MockTransport(service),
        rest=lambda s: None,
        **more,
    )


def update(n):
    return Request("PATCH", f"accounts({n})", {"If-Match": f'W/"{n}"'}, b'{"price": 10.10}')


def post(n):
    return Request("POST", f"accounts?n={n}", body=b'{"name": "x"}')


def get(n):
    return Request("GET", f"accounts({n})?$select=name")


def changes(client, operations, **more):
    return client.batch(operations, operation="update", table="accounts", **more)


def kinds(results):
    return "".join(
        "." if isinstance(each, Answer) else "?" if each.outcome_unknown else "x" for each in results
    )


ERROR = {"error": {"code": "", "message": "no"}}


def test_each_operation_is_written_as_the_service_reads_it(form):
    service = Service()
    with client(service, form) as sales:
        results = changes(
            sales, [update(1), get(2), post(3), Request("DELETE", "accounts(4)", {"If-Match": "*"})]
        )
        assert sales.requests == 1
    (parts,) = service.batches
    assert [part.method for part in parts] == ["PATCH", "GET", "POST", "DELETE"]
    assert parts[0].headers["if-match"].lower() == 'w/"1"'
    assert parts[0].headers["content-type"] == "application/json"
    assert "content-type" not in parts[1].headers
    assert parts[1].url.endswith("accounts(2)?$select=name")
    body = parts[0].body if form == "json" else json.loads(parts[0].body, parse_float=Decimal)
    assert str(body["price"]) == "10.10"
    assert kinds(results) == "...."
    assert results[1].json() == {"n": 2}
    assert [each.request.method for each in results] == ["PATCH", "GET", "POST", "DELETE"]


def test_the_body_of_a_batch_stays_the_text_it_is(form):
    service, seen = Service(), []
    text = '{"name": "Ærø \\u20ac", "amount": 12345678901234567890.120}'.encode()

    def record(request):
        seen.append(request.read())
        return service(request)

    with client(record, form) as sales:
        changes(sales, [Request("POST", "accounts?n=1", body=text), post(2)])
    assert text in seen[0]


def test_numbers_inside_of_an_answer_keep_their_digits(form):
    service = Service()
    number = Decimal("12345678901234567890.120")

    def exact(request):
        answer = service(request)
        return httpx2.Response(
            200, content=answer.content.replace(b'"digits"', str(number).encode()), headers=answer.headers
        )

    service.answers = {1: (200, {"amount": "digits"})}
    with client(exact, form) as sales:
        results = sales.batch([get(1), get(2)], operation="read", table="accounts")
    assert str(results[0].json()["amount"]) == str(number)


@pytest.mark.parametrize("order", [reversed, lambda told: sorted(told, key=lambda each: each[0].number % 3)])
def test_answers_are_matched_whatever_their_order(form, order):
    service = Service({3: (412, ERROR)})
    service.order = lambda told: list(order(told))
    with client(service, form) as sales:
        results = changes(sales, [update(1), get(2), update(3), get(4), get(5)])
    assert kinds(results) == "..x.."
    assert isinstance(results[2], Stale)
    assert [results[at].json()["n"] for at in (1, 3, 4)] == [2, 4, 5]


def test_parts_without_an_id_are_matched_by_their_order():
    service = Service({2: (412, ERROR)})
    service.with_ids = False
    with client(service, "multipart") as sales:
        results = changes(sales, [update(1), update(2), get(3)])
    assert kinds(results) == ".x."
    assert results[2].json() == {"n": 3}
    assert results[0].headers["odata-entityid"] == DV_ROOT + "accounts(1)"


def test_each_inner_error_is_a_failure_of_its_own(form):
    service = Service({2: (404, ERROR), 3: (500, ERROR), 4: (400, ERROR)})
    with client(service, form) as sales:
        about = [sales.situation("update", "accounts", id=str(n)) for n in range(1, 6)]
        results = changes(sales, [update(n) for n in range(1, 6)], about=about)
    assert kinds(results) in (".xxx.", ".x?x.")
    assert all(isinstance(each, Failure) for each in results[1:4])
    assert len({type(each) for each in results[1:4]}) > 1


def test_a_missing_answer_is_unknown_for_a_change_and_asked_again_for_a_reading(form):
    service = Service()
    service.leave_out = {2, 3}
    with client(service, form) as sales:
        results = changes(sales, [update(1), update(2), get(3), post(4)])
    assert kinds(results) == ".?.."
    assert isinstance(results[1], Transient)
    assert [part.number for part in service.singles] == [3]
    assert len(service.batches) == 1, "no change is sent again"


def test_what_was_left_out_because_another_failed_is_sent_again(form):
    service = Service({1: (400, ERROR)})
    first = []

    def left_out(parts):
        first.append(1)
        told = [(part, *(service.answer_to(part) if part.number == 1 else (424, ERROR))) for part in parts]
        return service.tell(request_of(form), told)

    service.whole = [left_out]
    with client(service, form) as sales:
        results = changes(sales, [post(1), post(2), post(3)])
    assert kinds(results) == "x.."
    assert [[part.number for part in parts] for parts in service.batches] == [[1, 2, 3], [2, 3]]


def request_of(form):
    kind = "application/json" if form == "json" else "multipart/mixed"
    return httpx2.Request("POST", "https://x.example/$batch", headers={"content-type": kind})


@pytest.mark.parametrize(
    "lost",
    [
        httpx2.ReadError("reset"),
        httpx2.RemoteProtocolError("gone"),
        httpx2.ReadTimeout("slow"),
        httpx2.Response(504),
    ],
)
def test_a_lost_answer_makes_the_items_unknown_and_sends_nothing_twice(form, lost):
    service = Service()
    service.whole = [None, lost]
    with client(service, form) as sales:
        sales.sizes._sizes = {True: 3, False: 3}
        sales.sizes._adapts = False
        results = changes(sales, [*map(update, range(1, 5)), get(5), post(6), *map(update, range(7, 10))])
    assert kinds(results) == "...?x?xxx"
    assert [[part.number for part in parts] for parts in service.batches] == [[1, 2, 3], [4, 5, 6]]
    assert not service.singles
    stopping = [each for each in results[3:] if each.scope is not Scope.RECORD]
    assert len(stopping) == 6, "no record is to blame"


def test_a_lost_reading_is_asked_again(form):
    service = Service()
    service.whole = [httpx2.ReadError("reset")]
    with client(service, form) as sales:
        assert kinds(sales.batch([get(1), get(2)], operation="read", table="accounts")) == ".."


def test_a_connection_that_was_never_made_raises_and_nothing_is_unknown(form):
    service = Service()
    service.whole = [httpx2.ConnectError("Connection refused")] * 9
    with client(service, form) as sales, pytest.raises(Transient) as caught:
        changes(sales, [update(1), post(2)])
    assert not caught.value.outcome_unknown


def test_what_was_done_before_an_outage_counts(form):
    service = Service()
    service.whole = [None] + [httpx2.ConnectError("Connection refused")] * 9
    with client(service, form) as sales:
        sales.sizes._sizes = {True: 2, False: 2}
        sales.sizes._adapts = False
        results = changes(sales, [update(n) for n in range(1, 7)])
    assert kinds(results) == "..xxxx"
    assert {each.code for each in results[2:]} == {"connection_refused"}


@pytest.mark.parametrize("status", [400, 413, 500])
def test_a_batch_that_fails_as_a_whole_is_split_until_the_bad_one_is_alone(form, status):
    service = Service({5: (400, ERROR)})
    service.whole = [
        lambda parts: httpx2.Response(status, json=ERROR) if any(part.number == 5 for part in parts) else None
    ] * 20
    with client(service, form) as sales:
        results = changes(sales, [update(n) for n in range(1, 9)])
    assert kinds(results) == "....x..."
    done = [
        part.number for parts in service.batches for part in parts if not any(p.number == 5 for p in parts)
    ]
    assert sorted(done + [part.number for part in service.singles if part.number != 5]) == [
        1,
        2,
        3,
        4,
        6,
        7,
        8,
    ]
    assert [part.number for part in service.singles if part.number == 5] == [5], "alone, outside of any batch"
    assert len(service.batches) <= 7


def test_a_server_s_fault_that_nobody_can_read_makes_posts_unknown(form):
    service = Service()
    service.whole = [httpx2.Response(500, text="<html>oops</html>")]
    with client(service, form) as sales:
        results = changes(sales, [post(1), post(2)])
    assert kinds(results) == "??"
    assert len(service.batches) == 1


def test_success_inside_of_a_batch_that_failed_is_never_taken_for_success(form):
    """Earlier parts of a group that was rolled back still say 201."""
    service = Service({3: (400, ERROR)})
    rolled_back = [1]

    def fail(parts):
        if not rolled_back:
            return None
        rolled_back.pop()
        told = [(part, *((201, {"id": "x"}) if part.number < 3 else (400, ERROR))) for part in parts[:3]]
        return service.tell(request_of(form), told, status=400)

    service.whole = [fail]
    with client(service, form) as sales:
        results = changes(sales, [post(1), update(2), post(3), post(4)])
    assert kinds(results) == "?.x.", (
        "a post is looked up, a conditional change is sent again, what was not reached too"
    )
    assert [[part.number for part in parts] for parts in service.batches] == [[1, 2, 3, 4], [2, 4]]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_batch_that_may_not_be_sent_raises(form, status):
    service = Service()
    service.whole = [httpx2.Response(status, json=ERROR)] * 2
    with client(service, form) as sales, pytest.raises(Misconfigured):
        changes(sales, [update(1), update(2)])
    assert not service.singles


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"responses": 1}', b'{"responses": [1]}', b'{"responses": [{"id": "1"}]}', b"<html>", b"\x00" * 99,
     b'{"responses": [{"id": "7", "status": 200}]}', b"--reply_1\r\n\r\n--reply_1--\r\n",
     b"--reply_1\r\nA: b\r\n\r\nHTTP/1.1 200 OK",
     b"--reply_1\r\n\r\nHTTP/1.1 xx\r\n\r\n\r\n--reply_1--\r\n"],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_makes_changes_unknown(form, body):
    service = Service()
    service.whole = [
        httpx2.Response(200, content=body, headers={"Content-Type": "multipart/mixed; boundary=reply_1"})
    ]
    with client(service, form) as sales:
        results = changes(sales, [update(1), post(2)])
    assert kinds(results) == "??"
    assert len(service.batches) == 1


def multipart_reply(*parts, end="\r\n"):
    lines = []
    for id, head in parts:
        lines += [
            "--reply_1",
            "Content-Type: application/http",
            f"Content-ID: {id}" if id else "A: b",
            "",
            *head,
        ]
    content = end.join([*lines, "--reply_1--", ""]).encode()
    return httpx2.Response(
        200, content=content, headers={"Content-Type": 'multipart/mixed; charset=utf-8; boundary="reply_1"'}
    )


DONE, REFUSED = ("HTTP/1.1 204 No Content", "", ""), ("HTTP/1.1 400 Bad Request", "", "")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((2, REFUSED), (1, DONE)), ".x"),
        ((("", DONE), ("", REFUSED)), ".x"),
        ((("of-theirs", DONE), ("another", REFUSED)), ".x"),
        (((1, DONE), ("", REFUSED)), ".x"),
        (((2, DONE),), "?."),
        # Twice the same operation, or an id that the order contradicts: nobody knows whose success it is.
        (((2, DONE), (2, REFUSED)), "??"),
        (((2, DONE), ("", REFUSED)), "??"),
        (((1, DONE), (1, DONE)), "??"),
        # Statuses that are none of an answer's.
        (((1, ("HTTP/1.1 100 Continue", "", "")), (2, DONE)), "??"),
    ],
)
def test_a_part_is_believed_where_its_id_and_its_place_do_not_contradict_each_other(parts, expected):
    service = Service()
    service.whole = [multipart_reply(*parts)]
    with client(service, "multipart") as sales:
        assert kinds(changes(sales, [update(1), update(2)])) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_parts_without_headers_have_bodies_whatever_ends_their_lines(end):
    service = Service()
    service.whole = [multipart_reply(*[(n, ("HTTP/1.1 200 OK", "", '{"n": 1}')) for n in (1, 2)], end=end)]
    with client(service, "multipart") as sales:
        results = sales.batch([get(1), get(2)], operation="read", table="accounts")
    assert [each.json() for each in results] == [{"n": 1}] * 2


@pytest.mark.parametrize(
    "responses",
    [
        [{"id": "1", "status": 204}, {"id": "1", "status": 409}],
        [{"id": "1", "status": 0}, {"id": "2", "status": 204}],
        [{"id": "1", "status": 100}, {"id": "2", "status": 204}],
        [{"id": "1", "status": True}],
        [{"id": "0000000012345", "status": 204}],
        [{"id": "", "status": 204}],
    ],
)
def test_responses_that_contradict_each_other_are_not_believed(responses):
    service = Service()
    service.whole = [httpx2.Response(200, json={"responses": responses})]
    with client(service, "json") as sales:
        assert kinds(changes(sales, [update(1), update(2)])) == "??"


def test_more_than_the_service_takes_is_split(form):
    service = Service()
    limit = {"json": 100, "multipart": 1000}[form]
    with client(service, form) as sales:
        assert kinds(changes(sales, [update(n) for n in range(1, limit + 2)])) == "." * (limit + 1)
        service.batches.clear()
        changes(sales, [update(n) for n in range(1, limit + 2)])
    assert [len(parts) for parts in service.batches] == [limit]
    assert len(service.singles) == (1 if form == "multipart" else 2)


def test_a_thousand_changes_take_ten_requests_of_business_central_and_two_of_dataverse(form):
    service = Service()
    with client(service, form) as sales:
        changes(sales, [update(n) for n in range(1, 1001)])
        assert sales.requests == {"json": 10, "multipart": 2}[form]
        changes(sales, [update(n) for n in range(1, 1001)])
        assert sales.requests == {"json": 20, "multipart": 3}[form]


def test_heavy_operations_go_in_smaller_batches(form, monkeypatch):
    monkeypatch.setattr("synccore.connectors.odata.batches._HEAVY", 1000)
    service = Service()
    heavy = [
        Request("PATCH", f"accounts({n})", {"If-Match": "*"}, b'{"a": "%s"}' % (b"x" * 600)) for n in range(6)
    ]
    with client(service, form) as sales:
        assert kinds(changes(sales, heavy)) == "......"
    assert [len(parts) for parts in service.batches] == [2, 2, 2]


def test_one_operation_is_sent_by_itself_unless_its_address_is_too_long(form):
    service = Service()
    with client(service, form) as sales:
        sales.batch([get(1)], operation="read", table="accounts")
        assert (len(service.batches), len(service.singles)) == (0, 1)
        long = Request("GET", "accounts(2)?$filter=" + "x" * 9000)
        assert kinds(sales.batch([long], operation="read", table="accounts")) == "."
        assert (len(service.batches), len(service.singles)) == (1, 1)
        service.whole = [httpx2.Response(400, json=ERROR)] * 3
        (failure,) = sales.batch([long], operation="read", table="accounts")
        assert isinstance(failure, Failure)
        assert len(service.batches) == 2
        assert sales.batch([], operation="read", table="accounts") == []


def test_a_next_link_is_written_into_a_batch_byte_for_byte(form):
    service, seen = Service(), []

    def record(request):
        seen.append(request.read())
        return service(request)

    link = FORMS[form][1] + "accounts(1)?$skiptoken=%3Ccookie%2520x%3E+'"
    with client(record, form) as sales:
        sales.batch([Request("GET", link), get(2)], operation="read", table="accounts")
    assert b"accounts(1)?$skiptoken=%3Ccookie%2520x%3E+'" in seen[0]


def test_a_busy_operation_pauses_the_connection(form):
    service = Service({2: (429, ERROR)})
    with client(service, form) as sales:
        results = changes(sales, [update(1), update(2)])
        assert isinstance(results[1], Transient)
        assert results[1].scope is Scope.CONNECTION
        assert sales._service.limiter._local.paused_until > 0


def test_an_operation_that_is_asked_to_wait_pauses_the_connection_whatever_its_status(form):
    service = Service({2: (503, ERROR)})
    told = service.tell

    def tell(request, *rest):
        answer = told(request, *rest)
        quoted = (
            (b'"Content-Type"', b'"Retry-After": "30", "Content-Type"')
            if form == "json"
            else (b"OData-EntityId", b"Retry-After: 30\r\nOData-EntityId")
        )
        return httpx2.Response(
            200,
            content=answer.content.replace(*quoted),
            headers={"Content-Type": answer.headers["Content-Type"]},
        )

    service.tell = tell
    with client(service, form) as sales:
        results = changes(sales, [update(1), update(2)])
        assert kinds(results) == ".x"
        assert sales._service.limiter._local.paused_until > monotonic() + 20


@pytest.mark.parametrize("lost", [httpx2.ConnectError("Connection refused"), httpx2.Response(401)])
def test_a_batch_that_was_not_worked_on_says_nothing_of_its_size(form, lost):
    service = Service()
    service.whole = [lost] * 9
    with client(service, form) as sales:
        before = sales.sizes.now(reads=False)
        with pytest.raises(Failure):
            changes(sales, [update(n) for n in range(1, 60)])
        assert sales.sizes.now(reads=False) == before
        service.whole = [httpx2.ReadTimeout("slow")]
        sales._service.circuit.answered()
        changes(sales, [update(n) for n in range(1, 60)])
        assert sales.sizes.now(reads=False) == 59 // 2


def test_a_plain_service_without_batches_gets_one_request_after_the_other():
    service = Service({2: (412, ERROR)})
    with Client(
        PlainProfile(),
        app="X",
        root="https://plain.example/",
        transport=httpx2.MockTransport(service),
        rest=lambda s: None,
    ) as plain:
        results = plain.batch([post(1), update(2), get(3)], operation="update", table="accounts")
        assert kinds(results) == ".x."
        assert plain.requests == 3
        service.singles.clear()

        def dead(request):
            if len(service.singles) == 1:
                raise httpx2.ReadError("reset")
            return service(request)

    with Client(
        PlainProfile(),
        app="X",
        root="https://plain.example/",
        transport=httpx2.MockTransport(dead),
        rest=lambda s: None,
    ) as plain:
        assert kinds(plain.batch([post(1), post(2), post(3)], operation="create", table="accounts")) == ".?x"


# -- sizes -------------------------------------------------------------------------------------------------------------


def sizes(limit, start, took):
    class Some(PlainProfile):
        def __init__(self):
            super().__init__()
            self.batch_limit, self.batch_start = limit, start

    found = Sizes(Some())
    for seconds in took:
        found.took(seconds, found.now(reads=False), reads=False)
    return found.now(reads=False)


def test_the_size_follows_how_long_a_batch_takes():
    assert sizes(100, 100, [5]) == 100
    assert sizes(100, 100, [41]) == 50
    assert sizes(100, 100, [41, 41, 41]) == 12
    assert sizes(100, 100, [41, 41, 19]) == 50
    assert sizes(100, 100, [41, 41, 30, 30]) == 25
    assert sizes(100, 100, [41, 19, 19, 19]) == 100
    assert sizes(1000, 125, [1]) == 1000
    assert sizes(1000, 125, [3]) == 250
    assert sizes(100, 100, [99] * 20) == 1


def test_readings_and_changes_have_sizes_of_their_own():
    found = Sizes(BusinessCentralProfile())
    found.too_much(100, reads=False)
    assert (found.now(reads=False), found.now(reads=True)) == (50, 100)
    found.took(1, 3, reads=False)
    assert found.now(reads=False) == 50, "a small batch proves nothing of a large one"


@pytest.mark.parametrize("status", [408, 429, 504])
def test_the_size_halves_when_the_service_says_it_is_too_much(status):
    service = Service()
    service.whole = [
        httpx2.Response(status, json=ERROR, headers={"Retry-After": "200"} if status == 429 else {})
    ]
    with client(service, "json") as sales:
        try:
            changes(sales, [update(n) for n in range(1, 101)])
        except Transient:
            assert status == 429
        assert sales.sizes.now(reads=False) == 50
    with client(service, "json") as again:
        assert again.sizes.now(reads=False) == 50, "remembered"
