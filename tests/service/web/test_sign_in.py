"""Signing in: the cookie, where it leads, and what a wrong key is told."""

from typing import Any

import httpx
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.database.tables import AuditEntry
from tests.service.web.conftest import Browse, key_of
from tests.support.answers import problem

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_the_way_in_and_out(server: str, ann: httpx.Client, engine: Engine) -> None:
    with httpx.Client(base_url=server, headers={**PAGE, "Origin": server}, timeout=30) as browser:
        assert browser.get("/").headers["location"] == "/analyses"
        asked = browser.get("/models?state=ready").headers["location"]
        assert asked == "/sign-in?then=%2Fmodels%3Fstate%3Dready"
        form = browser.get(asked)
        assert 'name="then" value="/models?state=ready"' in form.text
        data = {"key": f" {key_of(ann)}\n", "then": "/models?state=ready"}
        answer = browser.post("/sign-in", data=data)
        assert (answer.status_code, answer.headers["location"]) == (303, "/models?state=ready")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("narrows=key_")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert key_of(ann) not in cookie
        with Session(engine) as session:
            entry = session.scalars(select(AuditEntry)).one()
        assert (entry.owner, entry.action, entry.subject) == ("ann", "key.sign_in", entry.key_id)
        assert browser.get("/models").status_code == 200
        assert browser.get("/sign-in?then=/datasets").headers["location"] == "/datasets"
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        assert browser.get("/models").status_code == 303


def test_by_tls_the_cookie_is_of_this_host_alone(server: str, ann: httpx.Client) -> None:
    headers = {**PAGE, "Origin": server, "X-Forwarded-Proto": "https"}
    answer = httpx.post(f"{server}/sign-in", data={"key": key_of(ann)}, headers=headers, timeout=30)
    assert answer.headers["set-cookie"].startswith("__Host-narrows=key_")
    assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_key(server: str, anonymous: httpx.Client) -> None:
    for key in ("", "nrw_wrong", "ü", "x" * 3000, "a\x00b"):
        answer = anonymous.post(
            "/sign-in", data={"key": key}, headers={**PAGE, "Origin": server}, timeout=30
        )
        assert answer.status_code == 401
        assert "This API key is not known here, was revoked, or has expired." in answer.text
        assert "set-cookie" not in answer.headers
        assert not key or key not in answer.text


def test_what_is_no_form(server: str, anonymous: httpx.Client) -> None:
    post: dict[str, Any] = {"method": "POST", "url": "/sign-in", "headers": {"Origin": server}}
    problem(anonymous.request(**post, content=b"x" * 5000), 413, "too-large")
    problem(anonymous.request(**post, content=b"\xff&key=%ff"), 400, "bad-request")


def test_it_leads_to_no_other_server(ann: httpx.Client, browse: Browse) -> None:
    client = browse(ann)
    for then in (
        "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "",
        "/\t/evil.example", "/a\r\nSet-Cookie: b=c",
    ):  # fmt: skip
        for answer in (
            client.post("/sign-in", data={"key": key_of(ann), "then": then}),
            client.get("/sign-in", params={"then": then}),
        ):
            assert (answer.status_code, answer.headers["location"]) == (303, "/analyses"), then


def test_a_link_of_another_site_goes_on_by_itself(server: str, ann: httpx.Client) -> None:
    foreign = {**PAGE, "Sec-Fetch-Site": "cross-site"}
    answer = httpx.get(f"{server}/models?state=ready", headers=foreign, timeout=30)
    assert 'content="0; url=/sign-in?then=%2Fmodels%3Fstate%3Dready"' in answer.text


def test_problems_are_pages_for_browsers(ann: httpx.Client, browse: Browse) -> None:
    client = browse(ann)
    for path, status, text in (
        ("/nothing", 404, "There is nothing at this path"),
        ("/models/mdl_000000000000000000000000", 404, "There is no model"),
        ("/analyses?page_token=x", 422, "This is no page token of this list"),
        ("/analyses?where=x", 422, "There is no query parameter"),
        ("/analyses/ana_<b>", 404, "There is nothing with this id."),
    ):
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert text in answer.text
        head = client.head(path)
        assert (head.status_code, head.headers["content-type"]) == (
            status, answer.headers["content-type"],
        )  # fmt: skip
    assert client.put("/analyses").headers["allow"] == "GET, HEAD, POST"
    problem(ann.get("/nothing"), 404, "not-found")
