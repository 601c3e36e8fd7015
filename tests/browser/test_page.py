"""The report as people meet it: opened from a file, in the system's Chromium."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from made_up_fleets import made_up_fleet
from made_up_grids import full_grid
from made_up_pages import HOSTILE, made_up_experiment
from significand.answers.fleet import read_answer
from significand.present.page import report_html
from significand.present.page.fleet_page import fleet_page

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("SIGNIFICAND_BROWSER") == "required"

if CHROMIUM is None and not REQUIRED:
    pytest.skip("no Chromium is installed; on Debian: apt-get install chromium", allow_module_level=True)

# A container's root has no sandbox to offer; nothing is opened but pages that the tests have made.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

DETAILS = {"disturbed": (2,)}
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page with everything there is, one of hostile names, and one of a grid."""
    folder = tmp_path_factory.mktemp("pages")
    for name, modes in (("usual", ("float32", "float16", "int8")), ("hostile", ("float32", *HOSTILE))):
        results = made_up_experiment(folder / name, modes, details=DETAILS, columns={"data": HOSTILE[0]})
        (folder / f"{name}.html").write_text(report_html(results), encoding="utf-8", errors="replace")
    (folder / "grid.html").write_text(report_html(full_grid()), encoding="utf-8")
    fleet = made_up_fleet(folder / "fleet", precision_modes=("float32", "int8", "float16"))
    (folder / "fleet.html").write_text(fleet_page(read_answer(fleet)), encoding="utf-8")
    return folder


@pytest.fixture
def open_page(browser: Browser, folder: Path) -> Iterator[Open]:
    """Return what opens a page in a window of its own, waits for its charts, and fails on what it complains of."""
    said: list[str] = []
    contexts = []

    def open_it(name: str = "usual", width: int = 1200, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: said.append(request.url) if not is_local(request.url) else None)
        page.goto((folder / f"{name}.html").as_uri())
        for chart in page.locator("figure[data-figure] .chart").all():
            chart.locator("svg").first.wait_for()
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert said == []


def is_local(url: str) -> bool:
    """Tell whether an address is in the page or on the disk."""
    return url.startswith(("file:", "data:", "blob:"))


def column(page: Page, name: str) -> list[str]:
    """Return the full numbers of a column of the main table, from the top."""
    headings = page.locator("table.numbers").first.locator("thead th").all_inner_texts()
    place = next(k for k, heading in enumerate(headings) if heading.startswith(name))
    cells = page.locator("table.numbers").first.locator("tbody tr").locator(f":nth-child({place + 1})")
    return [
        cell.get_attribute("data-value") or "" for cell in cells.all() if cell.get_attribute("data-value") is not None
    ]


@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_it_opens_from_a_file_without_a_network_or_a_complaint(name: str, open_page: Open) -> None:
    """Every chart is drawn; nothing is asked of a network; the console stays empty; no name runs as a script."""
    page = open_page(name)
    assert page.locator("figure[data-figure]").count() >= 4
    assert page.locator("script").count() == page.content().count("<script")
    page.wait_for_timeout(200)


def test_the_first_screen_is_the_answer_and_the_tradeoff(open_page: Open) -> None:
    """On 1200 x 800 both are seen whole, with nothing else below but the beginning of the next heading."""
    page = open_page()
    page.set_viewport_size({"width": 1200, "height": 800})
    chart = page.locator("figure[data-figure=tradeoff] .chart").bounding_box()
    decision = page.locator("#decision, .decision").first.bounding_box()
    assert chart is not None
    assert decision is not None
    assert 0 <= decision["y"] < chart["y"]
    assert chart["y"] + chart["height"] <= 800


def test_hostile_names_are_text(open_page: Open) -> None:
    """Tags, quotes and templates are shown as they are; what turns the direction of writing or rings is not."""
    text = open_page("hostile").inner_text("body")
    assert "</script><script>alert(" in text
    assert "<img src=x onerror=alert(1)>" in text
    assert "{{ 7 * 7 }}" in text
    assert not re.search("[\u202e\u2066\x00\x1b]", text)


def test_the_axes_switch_changes_the_chart(open_page: Open) -> None:
    """Choosing another cost or accuracy draws the chart anew, with other axes and another caption."""
    page = open_page()
    figure = page.locator("figure[data-figure=tradeoff]")
    seen = {figure.locator(".chart").inner_text()}
    cost, accuracy = figure.locator("select").all()
    for choice in ("memory", "model_size", "train_time"):
        cost.select_option(choice)
        page.wait_for_timeout(300)
        seen.add(figure.locator(".chart").inner_text())
    accuracy.select_option("accuracy")
    page.wait_for_timeout(300)
    seen.add(figure.locator(".chart").inner_text())
    assert len(seen) == 5
    assert "raining accuracy" in figure.locator(".chart").inner_text()


def test_an_estimated_energy_is_no_axis(open_page: Open) -> None:
    """What restates CPU time is not offered."""
    costs = open_page().locator("figure[data-figure=tradeoff] select").first.locator("option")
    assert "energy" not in [option.get_attribute("value") for option in costs.all()]


@pytest.mark.parametrize("key", ["Enter", "Space", None])
def test_the_table_sorts_by_click_and_by_key(key: str | None, open_page: Open) -> None:
    """A heading sorts by the full numbers, rising and then falling, and says so to a screen reader."""
    page = open_page()
    before = [float(value) for value in column(page, "Latency")]
    heading = page.locator("table.numbers").first.locator("thead th", has_text="Latency").first
    for direction, reverse in (("ascending", False), ("descending", True)):
        button = heading.locator("button")
        if key is None:
            button.click()
        else:
            button.focus()
            page.keyboard.press(key)
        assert heading.get_attribute("aria-sort") == direction
        assert [float(value) for value in column(page, "Latency")] == sorted(before, reverse=reverse)


def test_hover_shows_numbers_with_their_intervals(open_page: Open) -> None:
    """A mark under the pointer tells the mode's numbers and 95 % intervals."""
    page = open_page()
    chart = page.locator("figure[data-figure=tradeoff] .chart")
    chart.scroll_into_view_if_needed()
    told: dict[str, str] = {}
    for mark in chart.locator("svg .mark-symbol path").all():
        box = mark.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(50)
        tooltip = page.locator("#vg-tooltip-element.visible")
        if tooltip.count():
            mode = tooltip.locator("tr").first.inner_text().split("\t")[1]
            told[mode] = told.get(mode, "") + tooltip.inner_text()
    for mode in ("float32", "float16", "int8"):
        assert re.search(r"Latency\t\d[.\d]*±\d[.\d]* µs/sample", told[mode])


def test_dark_mode_follows_the_system_and_the_button(open_page: Open) -> None:
    """A dark system gives a dark page, whose button makes it light, and the other way round."""

    def is_dark(page: Page) -> bool:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) < 3 * 128

    for scheme in ("dark", "light"):
        page = open_page(color_scheme=scheme)
        assert is_dark(page) is (scheme == "dark")
        page.click("#theme")
        assert is_dark(page) is (scheme == "light")


@pytest.mark.parametrize("name", ["usual", "hostile"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_never_scrolls_sideways(name: str, width: int, open_page: Open) -> None:
    """On a phone, too, only the tables scroll, inside their own frames."""
    page = open_page(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_nothing_serious_stands_in_the_way_of_anybody(scheme: str, other: str, open_page: Open) -> None:
    """Axe finds no serious or critical problem in either theme, on a screen or on a phone; nor after a change."""
    page = open_page(width=360 if scheme == "light" else 1200, color_scheme=scheme)
    for theme in (scheme, other):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of its words
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["impact"]) for one in found if one["impact"] in {"serious", "critical"}] == [], theme


def test_on_paper_there_are_no_buttons_and_no_dark_ground(open_page: Open) -> None:
    """Printed, the page is dark on white, whatever the screen is, and has nothing to press."""
    page = open_page(color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in {
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    }


def test_downloads_are_in_the_page(open_page: Open) -> None:
    """The tables can be saved from the page itself."""
    page = open_page()
    with page.expect_download() as download:
        page.locator("a[download='raw_runs.csv']").click()
    assert download.value.path().read_text(encoding="utf-8").startswith("seed,")


def test_a_grid_has_panels_to_choose_and_columns_to_sort(open_page: Open) -> None:
    """Another panel draws the chart anew; sorting by batch size orders numbers and takes the groups apart."""
    page = open_page("grid")
    assert page.locator("figure[data-figure^=ratio-]").count() == 2
    figure = page.locator("figure[data-figure=tradeoff]")
    before = figure.locator(".chart").inner_html()
    figure.locator("select").last.select_option("3")
    page.wait_for_timeout(300)
    assert figure.locator(".chart").inner_html() != before
    assert page.locator("tbody.grouped").count() == 1
    page.locator("table.numbers").first.get_by_role("button", name="Batch size").click()
    sizes = [int(value) for value in column(page, "Batch size")]
    assert sizes == sorted(sizes)
    assert page.locator("tbody.grouped").count() == 0


def test_a_fleet_is_shown_host_by_host(open_page: Open) -> None:
    """The forest has a point per host and kind; another setup or metric draws it anew; hosts are sorted by a column."""
    page = open_page("fleet")
    figure = page.locator("figure[data-figure=forest]")
    labels = figure.locator(".chart").inner_text()
    assert "node03" in labels
    assert "4 hosts together" in labels
    seen = {figure.locator(".chart").inner_html()}
    setup, metric = figure.locator("select").all()
    for select, value in ((setup, "1"), (metric, "memory"), (metric, "test_accuracy")):
        before = figure.locator(".chart").inner_html()
        select.select_option(value)
        page.wait_for_function(
            "([chart, before]) => chart.innerHTML !== before", arg=[figure.locator(".chart").element_handle(), before]
        )
        seen.add(figure.locator(".chart").inner_html())
    assert len(seen) == 4
    table = page.locator("section[aria-labelledby=hosts] table")
    table.locator("thead button").last.click()
    ratios = table.locator("tbody tr td:last-child").evaluate_all(
        "cells => cells.map((one) => Number(one.dataset.value))"
    )
    assert ratios == sorted(ratios)


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1200, "dark")])
def test_a_fleet_fits_and_is_accessible(open_page: Open, width: int, scheme: str) -> None:
    """Nothing sticks out sideways on a phone, no label covers another, and Axe finds nothing serious."""
    page = open_page("fleet", width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.locator("figure[data-figure=forest] .role-axis-label text").evaluate_all(
        "labels => labels.filter((one) => one.textContent && getComputedStyle(one).opacity !== '0')"
        ".map((one) => one.getBoundingClientRect()).map((box) => [box.left, box.top, box.right, box.bottom])"
    )
    assert len(boxes) > 10
    for k, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        for other in boxes[k + 1 :]:
            assert min(right, other[2]) - max(left, other[0]) < 2 or min(bottom, other[3]) - max(top, other[1]) < 4
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"]) for one in found if one["impact"] in {"serious", "critical"}] == []
