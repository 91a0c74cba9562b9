"""The page that asks people on other computers for the password."""

from __future__ import annotations

import html

from app.guard import FRESH

LOGIN = "/easel/login"
LOGIN_PAGE = {"content-type": "text/html; charset=utf-8", **FRESH}


def login_page(problem: str) -> str:
    # Under our "no-referrer" a browser says "Origin: null" when the form is sent, and that is refused (Chromium 156).
    told = f"<p role=alert>{html.escape(problem)}</p>" if problem else ""
    return (
        "<!doctype html><html lang=en><title>Easel</title><meta name=referrer content=same-origin>"
        "<meta name=viewport content='width=device-width'>"
        "<body style='font:1rem system-ui;max-width:20rem;margin:20vh auto'><h1>Easel</h1>"
        f"{told}<form method=post action={LOGIN}><label>Password <input type=password name=password autofocus></label> "
        "<button>Open</button></form>"
    )
