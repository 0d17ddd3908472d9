"""Pages as people see them, in Chromium: from signing in to a report."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.database.tables import Analysis, Dataset, Event, Model
from tests.service.web.conftest import key_of
from tests.support.browsers import launched
from tests.support.jobs import wait_until

Json = dict[str, Any]
Open = Callable[..., Page]
ATTACK: Final = "<img src=x onerror=alert(1)>.pt2"
DROP: Final = """([selector, name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([atob(text)], name));
    const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector(selector).dispatchEvent(drop);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, server: str, ann: httpx.Client) -> Iterator[Open]:
    """Open pages where ann has signed in, and fail on any error or dialog of one."""
    complaints: list[str] = []

    def open_page(path: str, width: int = 1280, scheme: Any = "light", script: bool = True) -> Page:
        context = browser.new_context(
            base_url=server,
            viewport={"width": width, "height": 844},
            color_scheme=scheme,
            java_script_enabled=script,
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path)
        page.get_by_label("API key").fill(key_of(ann))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**{path}")
        return page

    yield open_page
    for context in browser.contexts:
        context.close()
    refused = "Failed to load resource: the server responded with a status of 4"
    expected = refused, "Failed to load resource: net::ERR_FAILED"  # of what a test cuts
    assert [text for text in complaints if not text.startswith(expected)] == []


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(DROP, [".drop", name, base64.b64encode(content).decode()])


def test_from_a_file_to_a_report(
    opened: Open,
    engine: Engine,
    alter: Callable[..., None],
    succeed: Callable[[str], None],
    dataset: Json,
) -> None:
    page = opened("/models")
    drop(page, ATTACK, b"a network")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/models/mdl_*")
    expect(page.get_by_role("heading", level=1)).to_have_text(ATTACK)
    model = page.url.rpartition("/")[2]
    layer = {"name": "conv1", "op": "conv2d", "width": 8, "parameters": 80, "macs": 9, "group": 0,
             "reason": None}  # fmt: skip
    alter(Model, model, state="ready", inspection={"layers": [layer], "parameters": 1, "macs": 1})
    page.get_by_role("cell", name="conv2d").wait_for()  # without loading it again
    alter(Dataset, dataset["id"], state="ready", inspection={"samples": 1797})

    page.get_by_role("link", name="Analyse it").click()
    page.get_by_label("Dataset").select_option(dataset["id"])
    page.get_by_label("Pruning ratio").fill("1.5")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_label("Pruning ratio")).to_have_accessible_description(
        "The share of all channels that a global pruning removes. It must be less than 1."
    )
    page.get_by_label("Pruning ratio").fill("0.4")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/analyses/ana_*")
    analysis = page.url.rpartition("/")[2]
    status = page.get_by_role("status")
    expect(status).to_have_text("… queued")
    with Session(engine) as session, session.begin():
        row = session.get_one(Analysis, analysis)
        assert row.request["pruning_ratio"] == 0.4
        row.state, row.shards, row.remaining, row.started_at = "running", 8, 5, row.created_at
        session.add(Event(analysis_id=analysis, kind="state", data={"state": "running"}))
    expect(status).to_have_text("… running")
    expect(page.get_by_text("3 of 8 shards, about")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "3")
    succeed(analysis)
    expect(page.get_by_text("conv0, conv1 and conv2 are bottlenecks.")).to_be_visible()
    slider = page.get_by_role("slider", name="conv0")
    slider.press("ArrowRight")
    expect(page.get_by_text("1.05×")).to_be_visible()
    page.get_by_role("button", name="Plan it").last.click()
    expect(page.get_by_role("alert")).to_contain_text("Run the analysis again.")  # without its sums
    expect(slider).to_have_value("1.05")
    page.get_by_role("link", name="Report").click()
    page.locator("a[href$='/layers/1']").click()
    page.wait_for_url("**/layers/1")
    page.get_by_role("link", name="Report").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Markdown").click()
    assert download.value.suggested_filename == f"report-{analysis}.md"
    page.goto("/analyses")
    assert page.get_by_role("row").nth(1).inner_text().startswith("✓ succeeded")


def test_what_is_wrong_with_an_upload(opened: Open, alter: Callable[..., None]) -> None:
    page = opened("/datasets")
    drop(page, "data.npz", b"an archive")
    page.get_by_text("Preprocessing").click()
    page.get_by_label("Transform").fill('{"mean": "grey"}')
    page.get_by_role("button", name="Upload").click()
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("In the body, at `/transform/mean`: It must be a list.")
    page.get_by_label("Transform").fill("{}")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/dst_*")
    why = {"title": "The dataset can't be used", "detail": "It has no array `x`."}
    alter(Dataset, page.url.rpartition("/")[2], state="rejected", error=why)
    expect(page.get_by_text("It has no array `x`.")).to_be_visible()
    page.get_by_text("Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/datasets")
    expect(page.get_by_text("None yet.")).to_be_visible()


def test_a_large_file_goes_on_after_a_cut(
    opened: Open, ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("narrows.client.transfer.LARGE", 1 << 20)
    monkeypatch.setattr("service.upload_sessions.beginning.PART_SIZE", 500_000)
    content = Random(0).randbytes(1_250_004).hex().encode()[:2_500_007]
    page = opened("/models")
    page.route("**/parts/2", lambda route: route.abort())
    drop(page, "large.pt2", content)
    page.get_by_role("button", name="Upload").click()

    def arrived() -> bool:
        page.wait_for_timeout(20)  # in which the browser is served, too
        (session,) = ann.get("/v1/uploads").json()["items"] or [{"received_bytes": 0}]
        return bool(session["received_bytes"] == 2_000_007)

    wait_until(arrived)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert")).to_contain_text("send the same file again to go on")

    page.unroute("**/parts/2")
    page.reload()
    page.route("**/parts/2", lambda route: route.abort(), times=1)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url.rpartition("/")[2]))
    drop(page, "large.pt2", content)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/models/mdl_*")
    assert sent[:5] == ["uploads", "2", "2", "complete", page.url.rpartition("/")[2]]
    made = ann.get(f"/v1/models/{sent[4]}").json()
    assert (made["name"], made["size"]) == ("large.pt2", len(content))
    assert made["sha256"] == hashlib.sha256(content).hexdigest()


def test_without_scripts(opened: Open, analysis: Json, succeed: Callable[[str], None]) -> None:
    page = opened("/models", script=False)
    page.get_by_label("A trained network").set_input_files(
        {"name": "n.pt2", "mimeType": "application/octet-stream", "buffer": b"a network"}
    )
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/models/mdl_*")
    page.goto(f"/analyses/{analysis['id']}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("– cancelled")).to_be_visible()
    page.get_by_role("link", name="Ask again, with changes").click()
    expect(page.get_by_label("Model")).to_have_value(analysis["model_id"])
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/analyses/ana_*")
    succeed(page.url.rpartition("/")[2])
    page.reload()
    page.get_by_role("spinbutton", name="conv0").fill("1.5")
    page.get_by_role("button", name="Plan it").last.click()
    page.wait_for_url("**/follow-ups")
    expect(page.get_by_role("spinbutton", name="conv0")).to_have_value("1.5")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto("/analyses")
    assert page.url.endswith("/sign-in?then=%2Fanalyses")


def test_on_a_phone_in_the_dark_and_read_aloud(
    opened: Open,
    ann: httpx.Client,
    analysis: Json,
    succeed: Callable[[str], None],
    train: Callable[[str], None],
    alter: Callable[..., None],
) -> None:
    page = opened("/models", 390, "dark")
    done = f"/analyses/{analysis['id']}"
    hook = ann.post("/v1/webhooks", json={"url": "https://example.invalid"}).json()["id"]
    ann.post(f"/v1/webhooks/{hook}/test")
    paths = ["/analyses", "/models", "/datasets", "/analyses/new", done]
    paths += ["/webhooks", f"/webhooks/{hook}"]
    paths += [f"/models/{analysis['model_id']}", f"/datasets/{analysis['dataset_id']}"]
    look(page, paths)
    succeed(analysis["id"])
    look(page, [done, f"{done}/layers/1", f"/compare?a={analysis['id']}&b={analysis['id']}"])
    look(page, [f"{done}/follow-ups", f"{done}/name"])
    trial = ann.post("/v1/trials", json={"analysis_id": analysis["id"]}).json()["id"]
    look(page, ["/trials", f"/trials/new?analysis={analysis['id']}", f"/trials/{trial}"])
    train(trial)
    look(page, ["/trials", f"/trials/{trial}"])
    alter(Analysis, analysis["id"], state="failed", error={"title": "Out", "detail": "Of memory."})
    look(page, [done])
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    look(page, ["/sign-in"])


def look(page: Page, paths: list[str]) -> None:
    """See that pages can be used without being seen, by key, and are no wider than the screen."""
    for path in paths:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path


def test_a_link_of_another_site(opened: Open, server: str) -> None:
    page = opened("/models")
    page.goto(f"data:text/html,<a href='{server}/datasets'>datasets</a>")
    page.get_by_role("link").click()
    page.wait_for_url("**/datasets")
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
