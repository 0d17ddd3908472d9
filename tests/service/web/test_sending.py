"""Files in parts, as the script of the upload form sends them."""

import httpx

from tests.service.web.conftest import Browse
from tests.support.answers import problem
from tests.support.upload_sessions import digest_header, session_request

CONTENT = b"a file of two parts"
JSON = {"Accept": "application/json"}


def test_the_same_file_goes_on(ann: httpx.Client, browse: Browse) -> None:
    page = browse(ann)
    asked = session_request(CONTENT, kind="dataset", transform='{"crop": 8}')
    begun = page.post("/uploads", data=asked).json()
    page.put(
        f"/uploads/{begun['id']}/parts/0",
        content=CONTENT,
        headers={"Content-Digest": digest_header(CONTENT)},
    )
    again = page.post("/uploads", data=asked).json()
    assert (again["id"], again["received"]) == (begun["id"], [0])
    for change in ({"transform": "{}"}, {"name": "other"}):
        other = page.post("/uploads", data={**asked, **change}).json()
        assert (other["id"] != begun["id"], other["received"]) == (True, [])
    for transform, pointer in (('{"mean": "grey"}', "/transform/mean"), ("{", "/transform")):
        answer = page.post("/uploads", data={**asked, "transform": transform}, headers=JSON)
        assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == pointer


def test_a_file_that_was_changed_meanwhile(ann: httpx.Client, browse: Browse) -> None:
    page = browse(ann)
    path = f"/uploads/{page.post('/uploads', data=session_request(CONTENT)).json()['id']}"
    changed = CONTENT.upper()
    digest = {"Content-Digest": digest_header(changed)}
    assert page.put(f"{path}/parts/0", content=changed, headers=digest).status_code == 204
    refused = problem(page.post(f"{path}/complete", headers=JSON), 412, "checksum-mismatch")
    assert refused["detail"] == "The file was changed while it was sent; send it again."
    assert ann.get(f"/v1{path}").json()["state"] == "cancelled"
