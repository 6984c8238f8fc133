"""The page in a real browser, opened from disk: its own policy, both themes, no overlaps."""

import html
import json
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace

import pytest
from study_rows import study_rows
from test_reports_report import make_demo
from test_scale_misfit import simulated

from gradatim.reports.report import report
from gradatim.reports.study_report import Tried, study_report
from gradatim.scale import irt

PAPER = {"light": (0xFD, 0xFC, 0xF9), "dark": (0x15, 0x17, 0x1A)}
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr",
]  # fmt: skip
# what is wrong with the visible figures, found by the browser's own layout
LOOK = """
<script>
addEventListener("load", function () {
  var found = { wide: document.documentElement.scrollWidth, view: innerWidth, figures: 0,
    texts: 0, small: 0, clash: [] };
  document.querySelectorAll("svg[role=img]").forEach(function (svg) {
    var box = svg.getBoundingClientRect();
    if (!box.width) { return; }
    found.figures += 1;
    var all = Array.from(svg.querySelectorAll("text")).map(function (t) {
      return { b: t.getBoundingClientRect(), t: t.textContent };
    });
    all.forEach(function (a, i) {
      found.texts += 1;
      if (a.b.height < 9) { found.small += 1; }
      if (a.b.left < box.left - 2 || a.b.right > box.right + 2 || a.b.bottom > box.bottom + 2) {
        found.clash.push([svg.getAttribute("aria-label"), a.t, "outside"]);
      }
      all.slice(i + 1).forEach(function (c) {
        var x = Math.min(a.b.right, c.b.right) - Math.max(a.b.left, c.b.left);
        var y = Math.min(a.b.bottom, c.b.bottom) - Math.max(a.b.top, c.b.top);
        if (x > 1 && y > 3) { found.clash.push([svg.getAttribute("aria-label"), a.t, c.t]); }
      });
    });
  });
  parent.postMessage(JSON.stringify(found), "*");
});
</script>
"""
# a frame can be as narrow as a phone, the window of a headless browser cannot
FRAME = """<!doctype html><body style="margin:0"><script>
addEventListener("message", function (m) { document.body.setAttribute("data-found", m.data); });
</script><iframe src="looked.html" style="border:0;width:{width}px;height:900px"></iframe></body>"""


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found, "this slow test needs the system package chromium"
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report(make_demo(tmp_path_factory.mktemp("browser") / "demo"))


def visit(browser, page, folder, *options):
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)


def first_pixel(path):
    """Colour of the top left pixel of an 8-bit PNG: no filter changes that one."""
    raw = path.read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    data, at = b"", 8
    while at < len(raw):
        (size,) = struct.unpack(">I", raw[at : at + 4])
        if raw[at + 4 : at + 8] == b"IDAT":
            data += raw[at + 8 : at + 8 + size]
        at += size + 12
    return tuple(zlib.decompress(data)[1:4])


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screens_are_drawn_in_both_themes(browser, page, tmp_path, theme, width):
    shot = tmp_path / "shot.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    size = f"--window-size={width},4000"
    done = visit(browser, page, tmp_path, size, f"--screenshot={shot}", *dark)
    assert first_pixel(shot) == PAPER[theme]
    assert shot.stat().st_size > 50_000, "an almost empty picture"
    assert "CONSOLE" not in done.stderr, done.stderr


@pytest.mark.slow
def test_the_page_runs_under_its_own_policy(browser, page, tmp_path):
    done = visit(browser, page, tmp_path, "--dump-dom")
    assert ">Theme: auto</button>" in done.stdout  # the script ran
    assert "CONSOLE" not in done.stderr  # nothing was refused, nothing failed


@pytest.mark.slow
def test_the_policy_stops_any_other_script(browser, page, tmp_path):
    bad = tmp_path / "bad.html"
    extra = "<script>document.title = 'ran'</script><img src='x.png'></body>"
    bad.write_text(page.read_text().replace("</body>", extra))
    done = visit(browser, bad, tmp_path, "--dump-dom")
    assert "<title>ran" not in done.stdout
    assert "Content Security Policy" in done.stderr


def look(browser, text, folder, *, width):
    """What the browser's layout says of a page, inside a frame of a width."""
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    (folder / "looked.html").write_text(bare.replace("</body>", LOOK + "</body>"))
    outer = folder / "outer.html"
    outer.write_text(FRAME.replace("{width}", str(width)))
    done = visit(browser, outer, folder, "--dump-dom", "--virtual-time-budget=5000")
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', done.stdout).group(1)))


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 640, 700, 1200])
def test_nothing_overlaps_or_sticks_out(browser, page, tmp_path, width):
    found = look(browser, page.read_text(), tmp_path, width=width)
    assert found["view"] == width
    assert found["wide"] <= width
    assert found["figures"] == 11
    assert found["texts"] > 150
    assert not found["clash"], found["clash"]
    assert not found["small"], f"{found['small']} texts under 9 pixels"


@pytest.fixture(scope="module")
def bank_page(tmp_path_factory):
    data = simulated(12, 60, seed=0, reversed_=2)
    names = tuple(f"{'a rather long name of an item ' * 3}{i}" for i in range(60))
    people = tuple(f"organisation/a-long-model-name-{i}@2026-01" for i in range(12))
    data = replace(data, items=names, solvers=people)
    path = tmp_path_factory.mktemp("bank") / "bank.html"
    return report(irt.fit(data), responses=data, output=path)


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 700, 1200])
def test_nothing_of_a_banks_figures_overlaps(browser, bank_page, tmp_path, width):
    found = look(browser, bank_page.read_text(), tmp_path, width=width)
    assert found["wide"] <= width
    assert found["figures"] == 6
    assert not found["clash"], found["clash"]
    assert not found["small"], f"{found['small']} texts under 9 pixels"


@pytest.fixture(scope="module")
def study_page(tmp_path_factory):
    names = ("grpo", "gradatim", *(f"a_rather_long_name_of_a_variant_{i}" for i in range(30)))
    rows = study_rows(names, pools=("mixed", "a pool with a name that is long " * 3), seeds=(0, 1))
    path = tmp_path_factory.mktemp("study") / "study.html"
    return study_report(rows, Tried("main", "grpo", 40, len(rows)), output=path)


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 700, 1200])
def test_nothing_of_a_studys_figures_overlaps(browser, study_page, tmp_path, width):
    found = look(browser, study_page.read_text(), tmp_path, width=width)
    assert found["wide"] <= width
    assert found["figures"] == 6
    assert not found["clash"], found["clash"]
    assert not found["small"], f"{found['small']} texts under 9 pixels"


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_studys_page_runs_under_its_own_policy_in_both_themes(
    browser, study_page, tmp_path, theme
):
    shot = tmp_path / "shot.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    size = "--window-size=1200,4000"
    done = visit(browser, study_page, tmp_path, size, f"--screenshot={shot}", *dark)
    assert first_pixel(shot) == PAPER[theme]
    assert "CONSOLE" not in done.stderr, done.stderr


@pytest.mark.slow
def test_the_browser_would_see_an_overlap(browser, page, tmp_path):
    """The check above can fail: two labels on one spot are found."""
    axis = r'(<text x="[\d.]+" y="[\d.]+" class="axis"[^>]*>[^<]*</text>)'
    twice = re.sub(axis, r"\1\1", page.read_text())
    assert len(look(browser, twice, tmp_path, width=1200)["clash"]) >= 9
