import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import altair as alt
import pytest

from made_up_pages import HOSTILE, made_up_experiment
from significand.present.page import core_html, report_html
from significand.present.page.layout import MOST_BYTES
from significand.present.page.prepared import contents_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("cached_vega"),
]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory, cached_vega: None) -> str:  # noqa: ARG001 - it must be there first
    """Make a page with everything there is: three modes, single times, disturbed rounds."""
    return report_html(made_up_experiment(tmp_path_factory.mktemp("usual") / "a", details={"disturbed": (1,)}))


class Elements(HTMLParser):
    """Collects an HTML text's start tags with their attributes, its texts by tag, and what was never closed."""

    VOID = ("meta", "link", "br", "img", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be of this kind."""
        if tag not in self.VOID:
            assert self.open.pop() == tag, f"{tag} closes what is not open"

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


def prepared_charts(page: str) -> dict[str, Any]:
    """Return the JSON from which the page draws its charts."""
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found
    charts: dict[str, Any] = json.loads(found[1])
    return charts


def test_the_page_says_everything_in_its_order(usual: str) -> None:
    """Answer, tradeoff, table, calls, training, quiet, method, again: each a section with a heading."""
    elements = Elements(usual)
    assert elements.open == []
    order = [section["aria-labelledby"] for section in elements.named("section")]
    assert order == ["answer", "tradeoff", "table", "calls", "training", "quiet", "method", "again"]
    assert {heading["id"] for heading in elements.named("h2")} == set(order)
    assert "on onnxruntime: 1.39" in html.unescape(usual)
    assert "significand run --layer-sizes 16-32-4" in usual
    assert "@software{significand," in usual


def test_the_page_asks_no_network_and_runs_only_its_own_scripts(usual: str) -> None:
    """No address but data:, and a policy that names its two scripts by their hashes."""
    elements = Elements(usual)
    addresses = [a[key] or "" for _, a in elements.tags for key in ("href", "src", "action") if key in a]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    policy = next(a["content"] or "" for a in elements.named("meta") if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.count("'sha256-") == sum("type" not in script for script in elements.named("script")) == 2
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    style = " ".join(elements.texts["style"])
    assert "url(" not in style
    assert "@import" not in style


def test_every_chart_of_the_page_has_its_data(usual: str) -> None:
    """Each figure has a view for every choice; each name that a specification uses is among the data put in."""
    charts = prepared_charts(usual)
    figures = [figure["data-figure"] for figure in Elements(usual).named("figure")]
    assert figures == ["tradeoff", "calls", "training", "steps-training", "steps-inference"]
    assert set(figures) == set(charts["figures"])
    assert len(charts["figures"]["tradeoff"]["views"]) == 8
    for figure in charts["figures"].values():
        for view in figure["views"].values():
            data = set(charts["data"]) | set(figure["data"]) | set(view["spec"]["datasets"])
            used = set(re.findall(r'"data": \{"name": "(.*?)"\}', json.dumps(view["spec"])))
            assert used <= data


def test_every_specification_is_valid_vega_lite(usual: str) -> None:
    """Each fits the schema, and every colour that it names is a variable of the page."""
    charts = prepared_charts(usual)
    for spec in (next(iter(figure["views"].values()))["spec"] for figure in charts["figures"].values()):
        alt.Chart.from_dict(spec | {"config": charts["config"]})
    named = set(re.findall(r"var\(--([\w-]+)\)", json.dumps(charts)))
    assert named == {"ink", "muted", "line", "paper", "bad", "mode-0", "mode-1", "mode-2"}


def test_the_choices_are_those_of_the_views(usual: str) -> None:
    """What the selects offer, joined by a space, are the names of the views."""
    block = re.search(r'<figure data-figure="tradeoff">(.*?)</figure>', usual, re.DOTALL)
    assert block
    choices = [re.findall(r'value="(.*?)"', select) for select in re.findall(r"<select>.*?</select>", block[1])]
    views = {f"{cost} {accuracy}" for cost in choices[0] for accuracy in choices[1]}
    assert views == set(prepared_charts(usual)["figures"]["tradeoff"]["views"])


def test_hostile_names_are_text_everywhere(usual: str, tmp_path: Path) -> None:
    """No name, path, note or reason adds an element, an attribute or a script; all are shown."""
    results = made_up_experiment(
        tmp_path / "a",
        HOSTILE,
        columns={"precision_note": HOSTILE[0], "engine": HOSTILE[1], "steady_reason": HOSTILE[0]},
        experiment={"data": HOSTILE[1], "engine": HOSTILE[0]},
        machine={"cpu": HOSTILE[0], "versions": {HOSTILE[0]: HOSTILE[1]}},
        git_revision={"commit": HOSTILE[0]},
    )
    page = report_html(results)
    elements = Elements(page)
    assert elements.open == []
    assert {tag for tag, _ in elements.tags} <= {tag for tag, _ in Elements(usual).tags}
    assert all(not name.startswith("on") for _, attributes in elements.tags for name in attributes)
    assert len(elements.named("script")) == 3
    shown = html.unescape(page)
    for name in (*HOSTILE[:3], HOSTILE[4]):
        assert name in shown
    assert not set("\u202e\u2066\x1b\x00") & set(page)
    page.encode()


def test_the_core_is_a_page_without_script(tmp_path: Path) -> None:
    """Sentences, the frontier as a picture, the table; one element with a style of its own and nothing that runs."""
    core = core_html(made_up_experiment(tmp_path / "a", details={}))
    elements = Elements(core)
    assert elements.open == []
    assert elements.tags[0] == ("div", {"class": "significand core"})
    assert not {"script", "button", "select", "html"} & {tag for tag, _ in elements.tags}
    assert {"style", "svg", "table"} <= {tag for tag, _ in elements.tags}
    assert all(
        ".significand" in rule for rule in re.findall(r"^([^\s/}@][^{]*)\{", elements.texts["style"][0], re.MULTILINE)
    )
    assert "on onnxruntime: 1.39" in core


def test_the_core_of_nothing_finished_has_no_picture(tmp_path: Path) -> None:
    """Every run failed: the table says why, and nothing is drawn."""
    results = made_up_experiment(tmp_path / "a", failed=["float32", "float16", "int8"])
    assert "<figure" not in core_html(results)
    page = report_html(results)
    assert "the loss is not finite" in page
    assert [one["aria-labelledby"] for one in Elements(page).named("section")] == ["answer", "table", "method", "again"]


def test_the_page_stays_small(tmp_path: Path) -> None:
    """Twelve setups with thirty runs each are within 3 MB, all three tables inside."""
    modes = [f"mode{k}" for k in range(12)]
    details = {"epochs": 10, "rounds": 10, "calls": 30, "disturbed": (2,)}
    results = made_up_experiment(tmp_path / "a", modes, n=30, details=details)
    page = report_html(results)
    assert len(page.encode()) < MOST_BYTES
    assert page.count('href="data:text/csv') == 3


def test_a_table_that_is_too_large_is_named(tmp_path: Path) -> None:
    """The page stays within its limit, holds the other tables, and says where the large one is."""
    results = made_up_experiment(tmp_path / "a")
    (results.path / "raw_runs.csv").write_bytes(b"x" * 2_000_000)
    page = report_html(results)
    assert len(page.encode()) < MOST_BYTES
    assert page.count('href="data:text/csv') == 2
    assert "(2000 kB) is too large for this page; it is in the result folder" in page


def test_single_runs_and_missing_times_are_said(tmp_path: Path) -> None:
    """No interval, no chart of single times, and a sentence for both."""
    page = report_html(made_up_experiment(tmp_path / "a", n=1))
    assert "No ±: a single run has no interval." in page
    assert "Of 3 runs there are no single times in details/." in page
    assert 'data-figure="training"' not in page


def test_the_answer_is_that_of_the_terminal(tmp_path: Path) -> None:
    """Each sentence is whole, and one about a mode knows its mode."""
    contents = contents_of(made_up_experiment(tmp_path / "a", state="interrupted"))
    first, second, last = contents.answer
    assert (first.name, second.name, last.name) == ("float16", "int8", "")
    assert first.text.startswith(" on onnxruntime: 1.39")
    assert last.text.startswith("On the Pareto frontier of latency and test accuracy")
    assert contents.findings[0].startswith("This experiment is not complete (interrupted)")
    assert contents.title == "16-32-4 on synthetic in 3 precisions"
    assert contents.subtitle == "onnxruntime, 4 repeats, Made-up 9000, 2026-01-02"


def test_a_single_precision_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    """The answer says so instead of saying nothing."""
    contents = contents_of(made_up_experiment(tmp_path / "a", ["float32"]))
    assert contents.answer[0].text == "A single precision was measured: there is nothing to compare it with."


def test_a_real_page_is_made_without_torch(tmp_path: Path) -> None:
    """In a process of its own, with Vega's own script: nothing is imported too early, and the framework never."""
    results = made_up_experiment(tmp_path / "a", details={})
    code = (
        "import sys; from pathlib import Path\n"
        "from significand.answers.folder import read_folder\n"
        "from significand.present.page import report_html\n"
        "assert not {'altair', 'jinja2', 'matplotlib'} & set(sys.modules), 'imported before it is needed'\n"
        "sys.stdout.buffer.write(report_html(read_folder(Path(sys.argv[1]))).encode())\n"
        "assert 'torch' not in sys.modules\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "empty")}
    words = [sys.executable, "-c", code, str(results.path)]
    page = subprocess.run(words, check=True, env=environment, timeout=120, capture_output=True).stdout
    assert b"window.vegaEmbed=" in page
    assert page.count(b"</script>") == 3
    assert len(page) < MOST_BYTES / 2
    kept = [path.name for path in (tmp_path / "empty" / "significand").iterdir()]
    (script,) = [name for name in kept if not name.startswith("jinja-")]
    assert script.endswith(".js")
