"""What somebody looks for in the history, as conditions of SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Query:
    """What is looked for: all words of `text` in prompts or model, `day` as YYYY-MM-DD, `before` for the next page.

    `since` and `until` are days too, both included. `lora` is a LoRA's name, `board` the name of a board.
    """

    text: str = ""
    task: str = ""
    model: str = ""
    favourites: bool = False
    day: str = ""
    before: float | None = None
    limit: int = 60
    seed: int | None = None
    lora: str = ""
    since: str = ""
    until: str = ""
    board: str = ""


def conditions(query: Query) -> list[tuple[str, Any]]:
    """Each condition of the query, with the value for its question mark; all but the board, which is no column."""
    found: list[tuple[str, Any]] = [("instr(words, ?) > 0", word) for word in query.text.casefold().split()]
    columns = (("task", "=", query.task), ("model", "=", query.model), ("day", "=", query.day))
    days = (("day", ">=", query.since), ("day", "<=", query.until))
    found += [(f"{column} {sign} ?", value) for column, sign, value in (*columns, *days) if value]
    if query.seed is not None:
        found.append(("seed = ?", query.seed))
    if query.lora:
        found.append(("instr(loras, ?) > 0", f"|{query.lora.casefold()}|"))
    if query.favourites:
        found.append(("favourite = ?", 1))
    if query.before is not None:
        found.append(("created < ?", query.before))
    return found
