"""Take out of a text what is nobody's business: secrets, the person's and the computer's name, home folders, prompts.

Pure functions: what must go is given in an `Identity`, and the same text always gives the same result.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "<hidden>"
SECRET, NAME, HOME, PROMPT = "<secret>", "<name>", "<home>", "<prompt>"
NESTING = 3  # how often an encoded text may be encoded again before we stop looking
WHOLE_WORD_BELOW = 5  # a shorter name is hidden only where it stands alone: "ann" is in "channel" too


@dataclass(frozen=True)
class Identity:
    """What tells who somebody is: names (person, computer), home folders, and prompts with what is made of them."""

    names: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


_WORD = (
    r"(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|pwd|credential|session|cookie|signature"
    r"|auth(?:orization)?)(?![A-Za-z])"  # tokenizer, tokens and author are no secrets
)
_VALUE = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,;&"'<>)}\]]+)"""
_DONE = r"(?!\s*<secret>|(?:bearer|basic)\s+<secret>)"  # what an earlier pattern has hidden already
_KNOWN_TOKEN = r"(?:hf_|api_org_|sk-|pk-|rk_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{8,}"
_URL_KEY = rf"(?i)([?&](?:[\w.-]*(?:key|sig)|{_WORD}|code)[\w.-]*=)[^\s&#\"'<>]+"
_SECRET_FIELD = rf"(?i)([\"']?[\w.-]*{_WORD}[\w.-]*[\"']?\s*[=:]\s*){_DONE}{_VALUE}"

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), SECRET),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {SECRET}"),
    (re.compile(rf"\b{_KNOWN_TOKEN}"), SECRET),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[A-Za-z0-9_-]{20,}"), SECRET),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), SECRET),
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/@\"']+@"), rf"\1{SECRET}@"),
    (re.compile(_URL_KEY), rf"\1{SECRET}"),
    (re.compile(_SECRET_FIELD), rf"\1{SECRET}"),
)

_PROMPT_FIELD = re.compile(
    r"""(["']?\b(?:negative_prompt|negative prompt|negative|prompt|input_value)["']?\s*[=:]\s*)"""
    r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?!<hidden>|<prompt>)(?:(?!\s+\w+=)[^\n])+)""",
    re.IGNORECASE,
)
_ENDLESS = re.compile(r"\S{1000,}")
_GAP = re.compile(r"[^\S\n]{100,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_PERCENT = re.compile(r"[^\s\"'<>]*%[0-9A-Fa-f]{2}[^\s\"'<>]*")
_HEX = re.compile(r"\b(?:[0-9A-Fa-f]{2}){6,}\b")


def hide_prompt_fields(text: str) -> str:
    """Hide what follows `prompt=`, `negative_prompt:` and the like, quoted or up to the next field."""
    return _PROMPT_FIELD.sub(rf"\1{HIDDEN}", text)


def hide_secrets(text: str) -> str:
    """Hide tokens, keys and passwords by their looks and by the names of their fields."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def redact(text: str, identity: Identity) -> str:
    """`text` without secrets, prompt fields and whatever `identity` names, in plain and in encoded form.

    What has no end, a picture in base64 for instance, is left out: it tells nothing, and looking into it would take hours.
    """
    text = _ENDLESS.sub(lambda found: f"<{len(found[0])} characters>", text)
    return _redact(_GAP.sub(" ", text), identity, NESTING)


def redact_tree(value: object, identity: Identity) -> object:
    """The same for JSON-able values; keys stay, because the program chose them."""
    match value:
        case str():
            return redact(value, identity)
        case dict():
            return {key: redact_tree(each, identity) for key, each in value.items()}
        case list() | tuple():
            return [redact_tree(each, identity) for each in value]
        case _:
            return value


def _redact(text: str, identity: Identity, depth: int) -> str:
    for pattern, replacement in _patterns(identity):
        text = pattern.sub(replacement, text)
    text = hide_prompt_fields(hide_secrets(text))
    if depth == 0:
        return text
    for pattern, decode in ((_PERCENT, _from_percent), (_BASE64, _from_base64), (_HEX, _from_hex)):
        text = pattern.sub(lambda found, read=decode: _if_telling(found[0], read(found[0]), identity, depth), text)
    return text


def _if_telling(token: str, decoded: Iterable[str], identity: Identity, depth: int) -> str:
    """The token itself, or a stand-in when what it encodes would have been redacted."""
    telling = any(_redact(plain, identity, depth - 1) != plain for plain in decoded)
    return HIDDEN if telling else token


def _from_percent(token: str) -> tuple[str, ...]:
    return (unquote(token), unquote_plus(token))


def _from_base64(token: str) -> tuple[str, ...]:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    return _utf8(lambda: base64.b64decode(body[: len(body) - (len(body) % 4 == 1)] + "=" * (-len(body) % 4)))


def _from_hex(token: str) -> tuple[str, ...]:
    return _utf8(lambda: bytes.fromhex(token))


def _utf8(read: Callable[[], bytes]) -> tuple[str, ...]:
    try:
        return (read().decode("utf-8"),)
    except (ValueError, binascii.Error):
        return ()


@lru_cache(maxsize=8)
def _patterns(identity: Identity) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Homes first, because a name stands in them; longest first, because one may be the start of another."""
    groups = ((identity.homes, HOME), (identity.prompts, PROMPT), (identity.names, NAME))
    return tuple(
        (_pattern(needle), replacement)
        for needles, replacement in groups
        for needle in sorted(set(needles), key=len, reverse=True)
        if needle.strip() and needle not in "/\\"
    )


def _pattern(needle: str) -> re.Pattern[str]:
    """The needle in any of its spellings, in any case."""
    spelled = sorted(_spellings(needle), key=len, reverse=True)
    # Each time that JSON is put into JSON every backslash is doubled: any number of them is the same one.
    words = "|".join(re.sub(r"(?:\\\\)+", r"\\\\+", re.escape(each)) for each in spelled)
    if len(needle) < WHOLE_WORD_BELOW:
        return re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", re.IGNORECASE)
    inner = "|".join(re.escape(each) for each in _inside_base64(needle))
    return re.compile(rf"(?i:{words})" + (rf"|[A-Za-z0-9+/_=-]*(?:{inner})[A-Za-z0-9+/_=-]*" if inner else ""))


def _spellings(needle: str) -> set[str]:
    """Plain, as JSON and Python write it, percent-encoded, with either kind of slash."""
    plain = {needle, needle.replace("\\", "/"), needle.replace("/", "\\"), " ".join(needle.split())}
    spelled = set(plain)
    for each in plain:
        spelled |= {json.dumps(each)[1:-1], repr(each)[1:-1], ascii(each)[1:-1]}
        spelled |= {quote(each), quote(each, safe=""), quote_plus(each)}
    return {each for each in spelled if each.strip()}


def _inside_base64(needle: str) -> set[str]:
    """What the needle looks like inside base64, at each of the three places where a byte can fall."""
    found = set()
    for text in {needle, needle.lower(), needle.capitalize()}:
        data = text.encode()
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
            end = len(encoded) - (1 if (len(data) + shift) % 3 else 0)  # the last digit also holds what follows
            core = encoded[(0, 2, 3)[shift] : end]
            if len(core) >= WHOLE_WORD_BELOW:
                found |= {core, core.replace("+", "-").replace("/", "_")}
    return found
