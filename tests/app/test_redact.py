"""Canaries: a token, a name, a host, a home, a prompt, in every spelling that a log can have; none is let through."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import report
from app.paths import Paths
from app.redact import Identity, redact, redact_tree
from app.settings import Settings
from tests.app.test_ledger import REQUEST

NAME, HOST, HOME = "Ännchen-Canary", "canary-tower", "/home/Ännchen-Canary"
PROMPT = "a secret canary in a coal mine"
WHO = Identity(names=(NAME, HOST), homes=(HOME, r"C:\Users\Canary Person"), prompts=(PROMPT, "a-secret-canary-in"))

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "json": lambda text: json.dumps({"x": text}),
    "json in json": lambda text: json.dumps(json.dumps({"x": text})),
    "repr": repr,
    "ascii": ascii,
    "percent": quote,
    "percent, all of it": lambda text: quote(text, safe=""),
    "percent with plus": quote_plus,
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, one byte on": lambda text: base64.b64encode(b"x" + text.encode() + b"yy").decode(),
    "base64, two bytes on": lambda text: base64.b64encode(b"xy" + text.encode() + b"z").decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "base64 in percent": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}


def tells(text: str, canary: str, encode: Callable[[str], str]) -> bool:
    """Whether the canary can be read in the text, or its encoded form stands there whole."""
    return canary.casefold() in text.casefold() or encode(canary) in text


@pytest.mark.parametrize("encoding", list(ENCODINGS))
@pytest.mark.parametrize("canary", [NAME, HOST, HOME, PROMPT, r"C:\Users\Canary Person"])
def test_no_canary_gets_through(canary: str, encoding: str) -> None:
    encode = ENCODINGS[encoding]
    for line in ("{}", "2026-11-24 INFO app: opened {} in 3 s", "GET /x?y={}&z=1", "<{}>", "a/{}/b.png"):
        shown = redact(line.format(encode(canary)), WHO)
        assert not tells(shown, canary, encode), shown


SECRETS = [
    "hf_abcdefghijklmnopqrstuvwx",
    "sk-abcdefghijklmnop1234",
    "ghp_ABCDEFGHIJKLMNOP1234567890",
    "github_pat_11ABCDEFG0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_ghi",
    "Bearer abcdef1234567890",
    "https://anna:geheim1@example.org/model",
    "https://example.org/get?api_key=geheim12345&x=1",
    "https://example.org/get?X-Amz-Signature=geheim12345",
    "password=geheim12345",
    '"hf_token": "geheim12345"',
    "token: 'geheim12345'",
    "-----BEGIN RSA PRIVATE KEY-----\ngeheim12345\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_gets_through(secret: str) -> None:
    shown = redact(f"before {secret} after", Identity())
    assert "<secret>" in shown
    for part in (
        "geheim",
        "abcdefghijklmnop",
        "ABCDEFGHIJKLMNOP",
        "IOSFODNN7",
        "eyJzdWIi",
        "abcdef1234567890",
        "11ABCDEFG",
    ):
        assert part not in shown


@pytest.mark.parametrize(
    "line",
    [
        "tokenizer=CLIPTokenizer",
        "77 tokens of the prompt",
        "author: A1111",
        "steps=20 sampler=Euler",
        "session job=3fa9",
    ],
)
def test_what_helps_stays(line: str) -> None:
    assert redact(line, WHO) == line


@pytest.mark.parametrize(
    "line",
    [
        "prompt='a red apple' steps=4",
        'negative_prompt="a red apple" steps=4',
        "prompt: a red apple",
        '{"prompt": "a red apple", "steps": 4}',
    ],
)
def test_prompt_fields_are_hidden_without_knowing_the_prompt(line: str) -> None:
    shown = redact(line, Identity())
    assert "apple" not in shown
    assert "steps" in shown or "steps" not in line


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(list(ENCODINGS)))
def test_in_any_surroundings(before: str, after: str, encoding: str) -> None:
    encode = ENCODINGS[encoding]
    shown = redact(f"{before} {encode(HOST)} {after}", WHO)
    if HOST not in (before + after).casefold():
        assert not tells(shown, HOST, encode)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3)))
def test_a_tree_keeps_its_shape(tree: object) -> None:
    redacted = redact_tree(tree, WHO)
    assert json.dumps(redacted, ensure_ascii=False).count("[") >= 0
    assert type(redacted) is type(tree) or isinstance(tree, tuple)


def test_redacting_twice_changes_nothing_more() -> None:
    text = f"{NAME} {PROMPT} password=geheim12345 {base64.b64encode(NAME.encode()).decode()}"
    once = redact(text, WHO)
    assert redact(once, WHO) == once


def test_a_whole_report_lets_no_canary_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs, a crash's traceback, settings, jobs and the zip file itself."""
    from app.ledger import JobLedger

    monkeypatch.setenv("USER", NAME)
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    paths = Paths.below(tmp_path)
    paths.ensure()
    ledger = JobLedger(paths.ledger)
    ledger.add(REQUEST.with_(prompt=PROMPT), None)
    ledger.close()
    lines = [f"{name}: {encode(text)}" for name, encode in ENCODINGS.items() for text in (NAME, HOST, HOME, PROMPT)]
    crash = f'Fatal Python error: Segmentation fault\n  File "{HOME}/easel/x.py", line 3 in {NAME}\n'
    (paths.logs / "easel.log").write_text("\n".join([*lines, *SECRETS]), encoding="utf-8")
    (paths.logs / "engine.log").write_text(crash, encoding="utf-8")
    settings = Settings(output_folder=Path(HOME) / "pictures", preset=PROMPT)
    made = report.build_report(paths, settings, (), report.read_jobs(paths))
    saved = made.save(tmp_path / "report.zip")
    with zipfile.ZipFile(saved) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"environment.json", "settings.json", "errors.json", "logs/easel.log", "logs/engine.log"} <= texts.keys()
    assert "Segmentation fault" in texts["logs/engine.log"]
    for name, text in texts.items():
        for canary in (NAME, HOST, HOME, PROMPT):
            for encode in ENCODINGS.values():
                assert not tells(text, canary, encode), name
        assert "geheim" not in text, name


def test_a_report_of_a_broken_installation_is_made_all_the_same(tmp_path: Path) -> None:
    """A ledger that is none, a log that is a folder: named, and no reason to fail."""
    paths = Paths.below(tmp_path)
    paths.ensure()
    paths.ledger.write_bytes(b"this is no database, and longer than its header would be" * 20)
    (paths.logs / "easel.log").mkdir()
    (paths.logs / "engine.log").write_bytes(b"\xff\xfe broken \x00")
    made = report.build_report(paths, Settings(), (), report.read_jobs(paths))
    assert "broken" in made.files["logs/engine.log"]
    assert json.loads(made.files["environment.json"])["python"]
