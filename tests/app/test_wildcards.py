"""Lists in the person's folder, and jobs whose pictures each have their own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.wildcards import WildcardStore
from engines.api import GenerationRequest, UserError


@pytest.fixture
def store(tmp_path: Path) -> WildcardStore:
    folder = tmp_path / "wildcards"
    (folder / "places").mkdir(parents=True)
    (folder / "Animal.txt").write_text("# animals\n\ncat\n dog \n", encoding="utf-8")
    (folder / "places" / "in.txt").write_bytes("\ufeffkitchen\r\nhälle\r\n".encode())
    (folder / "places" / "out.txt").write_text("garden", encoding="utf-8")
    (folder / "empty.txt").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return WildcardStore(folder)


def request(prompt: str, **fields: object) -> GenerationRequest:
    values = {"model": "m", "width": 64, "height": 64, "steps": 1, "guidance": 1, "sampler": "Euler"}
    return GenerationRequest.model_validate({**values, "scheduler": "Normal", "seed": 5, "prompt": prompt, **fields})


def test_lists_are_found_and_read(store: WildcardStore) -> None:
    assert store.names() == ("Animal", "empty", "places/in", "places/out")
    assert store.lines("animal") == ["cat", "dog"]
    assert store.lines("places/in") == ["kitchen", "hälle"]
    assert store.lines("places/*") == ["kitchen", "hälle", "garden"]


@pytest.mark.parametrize("name", ["../secret", "link", "/etc/passwd", "places/../../secret", "animals", "", "places"])
def test_what_is_no_list_is_refused(store: WildcardStore, name: str) -> None:
    with pytest.raises(UserError) as caught:
        store.lines(name)
    assert caught.value.code == "wildcard-unknown"
    assert str(caught.value)


def test_an_empty_list_is_refused(store: WildcardStore) -> None:
    with pytest.raises(UserError) as caught:
        store.lines("empty")
    assert caught.value.code == "wildcard-empty"


def test_a_folder_that_is_not_there_has_no_lists(tmp_path: Path) -> None:
    assert WildcardStore(tmp_path / "none").names() == ()


def test_each_picture_of_a_job_has_the_words_of_its_own_seed(store: WildcardStore) -> None:
    text, negative = "a {red|green|blue|black} __animal__", "{x|y}"
    settled = store.settle(request(text, negative_prompt=negative, count=6))
    alone = [store.settle(request(text, negative_prompt=negative, seed=5 + index)) for index in range(6)]
    assert [settled.image(index) for index in range(6)] == [each.image(0) for each in alone]
    assert len({settled.image(index).prompt for index in range(6)}) > 1
    assert settled.prompt == text
    assert settled.image(3).texts == ()
    assert store.settle(settled) is settled


def test_a_plain_request_stays_as_it_is(store: WildcardStore) -> None:
    plain = request("a (red:1.2) [apple|house] {one}", count=3)
    assert store.settle(plain) is plain
    assert plain.image(2) == plain.with_(seed=7, count=1)
