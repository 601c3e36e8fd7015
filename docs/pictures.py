"""Makes the pictures and the sample output of the README: ``python docs/pictures.py``.

It runs the README's first example (about five minutes), puts its decision, and all that the terminal showed, between
marks in README.md, and keeps the frontier's plot and screenshots of the report in docs/images. ``--results DIR`` takes
results that are there already, and then leaves README.md alone. The screenshots need a Chromium: on Debian, apt-get
install chromium.
"""

# ruff: noqa: INP001 - a script, no package

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
BEGIN, END = "<!-- from docs/pictures.py -->\n", "<!-- to here -->\n"
DECISION = "<!-- the decision, from docs/pictures.py -->\n"
ASKED = "Asked:"
"""What stands behind the decision in the output."""

EXAMPLE = (  # noqa: SIM905 - as it stands in the README
    "run --layer-sizes 64-1024-1024-10 --activations relu,relu,softmax "
    "--batch-size 64 --epochs 5 --repeats 10 --modes float32,float16,int8,int8-dynamic"
).split()

SHOTS = {
    "report-light": {"viewport": {"width": 1200, "height": 800}},
    "report-dark": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"},
    "report-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def measure(folder: Path) -> str:
    """Run the example and return what a terminal of 80 columns without colours shows at the end."""
    done = subprocess.run(
        [sys.executable, "-c", "from significand.cli import program; program()", *EXAMPLE, "--output-dir", str(folder)],
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # Where the files are is of no interest to others.
    lines = [line.rstrip() for line in done.stdout.splitlines() if str(folder) not in line]
    return "\n".join(lines).rstrip() + "\n"


def with_output(text: str, output: str) -> str:
    """Return the README with the decision and the output between their marks."""
    command = f"$ significand {' '.join(EXAMPLE[:5])} \\\n    {' '.join(EXAMPLE[5:])}\n"
    text = _between(text, DECISION, command + output.partition(ASKED)[0])
    return _between(text, BEGIN, output)


def _between(text: str, begin: str, block: str) -> str:
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise SystemExit(f"README.md lacks the marks {begin.strip()!r} and {END.strip()!r}; put them around the output")
    return f"{before}{begin}```\n{block}```\n{end}{after}"


def take_screenshots(page: Path) -> None:
    """Show the report as it opens on a screen, on a dark one and on a phone."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium was found; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, options in SHOTS.items():
            tab = browser.new_context(**options).new_page()  # type: ignore[arg-type]  # by name
            tab.goto(page.resolve().as_uri())
            tab.locator("figure[data-figure] .chart svg").first.wait_for()
            tab.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="result folder to show; by default the example is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.results or Path(name) / "results"
        if arguments.results is None:
            readme = ROOT / "README.md"
            output = measure(folder)
            readme.write_text(with_output(readme.read_text(encoding="utf-8"), output), encoding="utf-8")
        shutil.copy(folder / "pareto_frontier.png", IMAGES)
        take_screenshots(folder / "report.html")


if __name__ == "__main__":
    main()
