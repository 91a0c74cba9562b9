"""What must hold whatever happens: crashes, strangers, the dark, keyboards and screen readers."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.profile import used_profile
from tests.promises.window import easel as said
from tests.ui.conftest import Easel, Screen, eventually

TABS = ("image", "video", "models", "presets", "history", "settings")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Easel]:
    easel = Easel(tmp_path / "home")
    yield easel
    if easel.process is not None and easel.process.poll() is None:
        easel.kill()


def test_after_a_crash_the_form_is_as_it_was_and_the_job_goes_on(own: Easel, browser: Browser) -> None:
    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    screen.choose("Wide")
    screen.advanced("Steps", 150)
    screen.advanced("How many", 4)  # one would be done before a busy machine has seen it begin
    screen.write("a long sentence that took a while to think of")
    screen.page.keyboard.press("Control+Enter")
    expect(screen.page.locator(".progress .text")).to_contain_text("/150")
    assert own.process is not None
    family = psutil.Process(own.process.pid).children(recursive=True)
    own.kill()
    expect(screen.page.locator(".status .work")).to_contain_text("does not answer")
    eventually(lambda: not any(child.is_running() for child in family))
    screen.page.close()

    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    expect(screen.page.locator("#image-prompt textarea")).to_have_value("a long sentence that took a while to think of")
    expect(screen.page.get_by_role("radio", name="Wide")).to_be_checked()
    screen.open_advanced()
    expect(screen.page.get_by_role("spinbutton", name="Steps")).to_have_value("150")
    card = screen.page.locator(".stage .card.error")
    expect(card).to_contain_text("program-ended")
    card.get_by_role("button", name="Go on").click()
    screen.wait_for_pictures(1)
    assert own.stop() == 0


@pytest.mark.long
def test_after_a_crash_the_waiting_jobs_are_shown_and_the_commands_agree(own: Easel, browser: Browser) -> None:
    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    screen.generate("made before the crash")
    screen.advanced("Steps", 150)
    screen.write("the one that runs")
    screen.page.keyboard.press("Control+Enter")
    expect(screen.page.locator(".progress .text")).to_contain_text("/150")
    for prompt in ("a second wish", "a third wish"):
        screen.write(prompt)
        screen.page.click("#image-queue")
        expect(screen.page.locator(".waiting")).to_contain_text(prompt)
    own.kill()
    screen.page.close()

    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    expect(screen.page.get_by_text("Easel ended while these waited.")).to_be_visible()
    waiting = screen.page.locator(".waiting li")
    expect(waiting).to_have_count(2)
    expect(waiting.first).to_contain_text("a second wish")
    expect(screen.page.locator(".stage .card.error")).to_contain_text("program-ended")
    jobs = said(own.home, "jobs", "list")["jobs"]
    assert sorted(each["state"] for each in jobs) == ["interrupted", "queued", "queued", "succeeded"]
    screen.page.get_by_role("button", name="Remove from the queue").first.click()
    expect(waiting).to_have_count(1)
    screen.page.get_by_role("button", name="Go on with the queue").click()
    eventually(lambda: count(said(own.home, "jobs", "list")["jobs"], "succeeded") == 2, 300)
    expect(screen.page.get_by_text("Easel ended while these waited.")).to_be_hidden()
    screen.tab("history")
    expect(screen.page.locator(".history-tab .tile")).to_have_count(2)
    assert len(said(own.home, "history", "list")["pictures"]) == 2
    assert own.stop() == 0


def count(jobs: list[dict[str, str]], state: str) -> int:
    return sum(job["state"] == state for job in jobs)


def test_closing_leaves_no_process(own: Easel, browser: Browser) -> None:
    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    screen.generate("a red apple")
    assert own.process is not None
    family = psutil.Process(own.process.pid).children(recursive=True)
    assert family
    assert own.stop() == 0
    eventually(lambda: not any(child.is_running() for child in family))
    screen.page.close()


def test_the_shell_has_no_torch(own: Easel, browser: Browser) -> None:
    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    screen.generate("a red apple")
    assert own.process is not None
    maps = Path(f"/proc/{own.process.pid}/maps").read_text()
    assert "libtorch" not in maps
    screen.page.close()


def test_a_torch_that_does_not_fit_the_card_is_a_card_on_the_page(
    own: Easel, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text(
        "#!/bin/sh\ncase \"$*\" in *compute_cap*) echo 'Old Card, 470.82.01, 5.2, 4096' ;; *) exit 1 ;; esac\n"
    )
    driver.chmod(0o755)
    claimed = tmp_path / "packages" / "torch-2.13.0+cu130.dist-info" / "METADATA"
    claimed.parent.mkdir(parents=True)
    claimed.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cu130\n")
    monkeypatch.setenv("PATH", f"{driver.parent}{os.pathsep}{os.environ['PATH']}")
    own.start(str(claimed.parent.parent))
    screen = Screen(browser.new_page()).open(own.address)
    card = screen.page.get_by_role("alert")
    expect(card).to_contain_text("too old")
    expect(card).to_contain_text("470.82.01")
    expect(card).to_contain_text("Install a newer driver")


def test_the_window_speaks_another_language(own: Easel, browser: Browser) -> None:
    used_profile(own.home, language="de")
    own.start()
    screen = Screen(browser.new_context().new_page()).open(own.address)
    expect(screen.page.locator("html")).to_have_attribute("lang", "de")
    expect(screen.page.locator("#image-generate")).to_have_text("Erzeugen")
    screen.page.click("#image-generate")
    expect(screen.page.locator(".wish .card.error")).to_contain_text("Es gibt noch nichts zu zeichnen.")
    expect(screen.page.locator(".wish .card.error")).to_contain_text("prompt-empty")
    screen.page.close()


def ask(easel: Easel, path: str, method: str = "GET", **headers: str) -> int:
    address = urlsplit(easel.address)
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=10)
    try:
        connection.request(method, path, headers={"Host": address.netloc, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


PROBES = [
    ("/", {}),
    ("/config", {}),
    ("/gradio_api/info", {}),
    ("/gradio_api/startup-events", {}),
    ("/easel/events", {}),
    ("/easel/history", {}),
    ("/easel/report", {}),
    ("/easel/pictures/0000000000000000", {}),
    ("/gradio_api/file=/etc/passwd", {}),
    ("/", {"Host": "evil.example"}),
    ("/", {"Host": "x.localhost:7860"}),
    ("/?token=guess", {}),
    ("/easel/texts", {"Origin": "http://evil.example"}),
    ("/easel/texts", {"Sec-Fetch-Site": "cross-site"}),
    ("/easel/texts", {"Cookie": "easel=guess"}),
]


@pytest.mark.parametrize(("path", "headers"), PROBES)
def test_a_stranger_gets_nothing(easel: Easel, context: object, path: str, headers: dict[str, str]) -> None:
    assert ask(easel, path, **headers) in (403, 421)


@pytest.mark.parametrize(
    "path", ["/gradio_api/run/predict", "/easel/stop", "/easel/drafts/image", "/gradio_api/upload"]
)
def test_a_stranger_changes_nothing(easel: Easel, context: object, path: str) -> None:
    assert ask(easel, path, "POST") == 403
    assert ask(easel, path, "POST", Origin="null") == 403


def test_the_page_itself_can_read_no_file_of_the_computer(screen: Screen) -> None:
    script = "async (path) => (await fetch(path)).status"
    for path in ("/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd", "/easel/web/../../app/paths.py"):
        assert screen.page.evaluate(script, path) >= 400


def test_hostile_words_stay_words(screen: Screen) -> None:
    prompt = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    screen.choose("Draft")
    screen.generate(prompt)
    screen.tab("history")
    expect(screen.page.locator(".tile").first).to_be_visible()
    screen.page.locator(".tile").first.get_by_role("button", name="Open").click()
    expect(screen.page.get_by_role("dialog").locator(".prompt").first).to_have_text(prompt)
    assert screen.page.title() != "taken"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(screen: Screen, scheme: str) -> None:
    screen.page.emulate_media(color_scheme=scheme)  # pyright: ignore
    screen.reload()
    assert screen.page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    screen.open_advanced()
    found = []
    for tab in TABS:
        screen.tab(tab)
        screen.settle()
        found += [(tab, *problem) for problem in serious(screen)]
    screen.tab("image")
    for task in ("Image to image", "Inpaint"):
        screen.task(task)
        screen.settle()
        found += [(task, *problem) for problem in serious(screen)]
    screen.page.evaluate("window.easel.run('report')")
    screen.page.get_by_role("dialog").wait_for()
    found += [("report", *problem) for problem in serious(screen)]
    assert found == []


def serious(screen: Screen) -> list[tuple[str, str]]:
    violations = Axe().run(screen.page).response["violations"]
    bad = [each for each in violations if each["impact"] in ("serious", "critical")]
    return [(each["id"], node["html"][:200]) for each in bad for node in each["nodes"]]


def test_at_most_ten_controls_before_advanced(screen: Screen) -> None:
    """What a person decides about: each group of chips, each box and each button counts once."""
    script = """() => {
        const wish = document.querySelector('.wish');
        const seen = (element) => element.offsetParent !== null;
        const groups = [...wish.querySelectorAll('fieldset, textarea, input[type=number], .preset-row')].filter(seen);
        const buttons = [...wish.querySelectorAll('button')].filter(seen)
            .filter((button) => !button.closest('.preset-row, fieldset') && !/reset/i.test(button.ariaLabel ?? ''));
        return groups.length + buttons.length;
    }"""
    assert screen.page.evaluate(script) <= 10
