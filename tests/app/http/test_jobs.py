"""Easel's own jobs API: submit, list, news, cancel, result; and the page that explains it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.app.http.conftest import Served
from tests.app.http.test_a1111 import png

SMALL = {"width": 64, "height": 64, "steps": 4, "seed": 3}


def submitted(served: Served, **fields: Any) -> dict[str, Any]:
    answer = served.http.post("/api/jobs", json={"request": {"prompt": "a red apple", **SMALL, **fields}})
    assert answer.status_code == 202, answer.text
    return answer.json()


def news(served: Served, job: str) -> list[tuple[str, dict[str, Any]]]:
    """Every event until the stream ends."""
    found = []
    with served.http.stream("GET", f"/api/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
    return found


def test_a_job_from_submit_to_result(served: Served) -> None:
    job = submitted(served, count=2)
    told = news(served, job["id"])
    assert told[0][0] == "job"
    assert told[-1][1]["state"] == "succeeded"
    done = served.http.get(f"/api/jobs/{job['id']}").json()
    assert [each["seed"] for each in done["files"]] == [3, 4]
    assert served.http.get(done["files"][1]["url"]).content.startswith(b"\x89PNG")
    same = served.http.get(f"/api/jobs/{job['id']}/files/1")
    assert same.content == served.http.get(done["files"][1]["url"]).content
    assert served.http.get(f"/api/jobs/{job['id']}/files/2").status_code == 404
    listed = served.http.get("/api/jobs", params={"state": "succeeded"}).json()["jobs"]
    assert job["id"] in [each["id"] for each in listed]
    assert str(served.home) not in json.dumps(done)


def test_a_running_job_tells_its_steps_and_is_cancelled(served: Served) -> None:
    job = submitted(served, steps=150, count=8)
    with served.http.stream("GET", f"/api/jobs/{job['id']}/events") as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line == "event: progress")
        assert json.loads(next(lines)[6:])["images"] == 8
        assert served.http.post(f"/api/jobs/{job['id']}/cancel").status_code == 200
        *_, last = (line for line in lines if line.startswith("data: "))
    assert json.loads(last[6:])["state"] == "cancelled"


def test_the_same_wish_gives_the_same_picture_through_every_door(served: Served) -> None:
    job = submitted(served, sampler="Euler a", guidance=3.5)
    news(served, job["id"])
    ours = served.http.get(f"/api/jobs/{job['id']}/files/0").content
    import base64

    body = {
        "prompt": "a red apple",
        "seed": 3,
        "width": 64,
        "height": 64,
        "steps": 4,
        "sampler_name": "Euler a",
        "cfg_scale": 3.5,
    }
    theirs = served.http.post("/sdapi/v1/txt2img", json=body).json()["images"][0]
    assert base64.b64decode(theirs) == ours
    extra = {"prompt": "a red apple", "seed": 3, "size": "64x64", "steps": 4, "sampler": "Euler a", "cfg_scale": 3.5}
    third = served.http.post("/v1/images/generations", json=extra).json()["data"][0]["b64_json"]
    assert base64.b64decode(third) == ours


def test_pictures_are_brought_and_never_opened_by_name(served: Served) -> None:
    reference = served.http.post("/api/pictures", json={"image": png("blue")}).json()["reference"]
    job = submitted(served, init_image=reference, strength=0.5)
    assert job["request"]["task"] == "image-to-image"
    assert news(served, job["id"])[-1][1]["state"] == "succeeded"
    inline = submitted(served, init_image=png("blue"), strength=0.5)
    assert inline["request"]["init_image"] == reference
    for value in ("/etc/passwd", "../../x.png", "http://127.0.0.1/x.png", "sha256:" + "0" * 64):
        for field in ("init_image", "mask", "last_image", "init_video"):
            refused = served.http.post("/api/jobs", json={"request": {"prompt": "x", field: value, **SMALL}})
            assert refused.status_code == 400, (field, value)


def test_lists(served: Served) -> None:
    get = served.http.get
    assert get("/api/models").json()["models"][0]["id"] == "starter"
    assert get("/api/families").json()["families"]
    assert get("/api/samplers").json()["schedulers"]
    assert get("/api/presets").json()["presets"]
    assert "prompt" in get("/api/schema").json()["properties"]
    assert get("/api/status").json()["waiting"] == []
    assert "no-store" not in get("/docs").headers.get("x", "")
    page = get("/docs").text
    assert "/sdapi/v1/txt2img" in page and "<script" not in page
    assert get("/openapi.json").json()["paths"]["/v1/images/edits"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"request": {"prompt": "x", "colour": "red"}}, 400, "field-unknown"),
        ({"request": {"prompt": "x", "steps": 0}}, 400, "value-invalid"),
        ({"request": {"prompt": "x"}, "model": "nobody"}, 404, "model-unknown"),
        ({"request": {"prompt": "x"}, "preset": "nobody"}, 404, "preset-unknown"),
        ({"colour": "red"}, 422, "value-invalid"),
    ],
)
def test_mistakes_have_codes_and_ways_out(served: Served, body: dict[str, Any], status: int, code: str) -> None:
    answer = served.http.post("/api/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["fixes"]


def test_unknown_jobs(served: Served) -> None:
    for path in ("", "/events", "/files/0"):
        assert served.http.get(f"/api/jobs/no-such-job{path}").status_code == 404
    assert served.http.post("/api/jobs/no-such-job/cancel").status_code == 404
    assert served.http.post("/api/jobs/no-such-job/resume").status_code == 404


def test_styles_go_around_the_prompt(served: Served) -> None:
    listed = {each["name"]: each for each in served.http.get("/api/styles").json()["styles"]}
    wish = {"request": {"prompt": "a red apple", **SMALL}, "styles": ["watercolour"]}
    request = served.http.post("/api/jobs", json=wish).json()["request"]
    assert request["prompt"] == listed["Watercolour"]["prompt"].replace("{prompt}", "a red apple")
    assert request["negative_prompt"] == listed["Watercolour"]["negative_prompt"]
    refused = served.http.post("/api/jobs", json={**wish, "styles": ["Watercolor"]})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "style-unknown", refused.text
