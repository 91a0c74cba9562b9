"""Can a window be shown here? Qt ends the whole process when it cannot, so it is asked before Qt is started."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

WEBVIEW2_PAGE = "https://developer.microsoft.com/microsoft-edge/webview2/"


def why_no_window(environ: Mapping[str, str] = os.environ) -> str:
    """Empty when a window can be shown, else the reason in plain words."""
    if sys.platform == "win32":
        return _webview2()
    if sys.platform != "linux":
        return ""
    if find_spec("PySide6") is None or find_spec("webview") is None:
        return "the packages for a window (pywebview, PySide6) are not installed"
    if environ.get("QT_QPA_PLATFORM"):
        return ""  # somebody knows what they do
    if environ.get("WAYLAND_DISPLAY"):
        return ""
    if not environ.get("DISPLAY"):
        return "there is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set"
    return _x11_server() or _x11_plugin()


def _webview2() -> str:
    """Whether Microsoft's WebView2 is there, looked for as Microsoft says; without it pywebview would take an ancient browser."""
    if sys.platform == "win32":
        import winreg

        client = r"Microsoft\EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}"
        places = (
            (winreg.HKEY_LOCAL_MACHINE, rf"SOFTWARE\WOW6432Node\{client}"),
            (winreg.HKEY_CURRENT_USER, rf"Software\{client}"),
        )
        for root, place in places:
            with contextlib.suppress(OSError), winreg.OpenKey(root, place) as key:
                if str(winreg.QueryValueEx(key, "pv")[0]) not in ("", "0.0.0.0"):
                    return ""
        return f"Microsoft's WebView2 is not installed; {WEBVIEW2_PAGE} has it"
    return ""


def _x11_server() -> str:
    """Whether the X server answers."""
    name = ctypes.util.find_library("xcb") or "libxcb.so.1"
    try:
        xcb = ctypes.CDLL(name)
    except OSError as error:
        return f"a system library is missing ({error})"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    broken = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return f"the screen {os.environ.get('DISPLAY')} does not answer" if broken else ""


def _x11_plugin() -> str:
    """Whether all libraries of Qt's X11 plugin are there; the loader names the first that is not."""
    spec = find_spec("PySide6")
    assert spec is not None and spec.submodule_search_locations
    plugin = Path(spec.submodule_search_locations[0]) / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    if not plugin.exists():
        return ""
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        return f"a system library is missing ({error}); on Debian and Ubuntu libxcb-cursor0 and libxcb-icccm4 bring it"
    return ""
