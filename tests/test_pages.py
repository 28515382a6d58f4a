"""Pages tell of a call or a tuning in one file, which a browser shows without asking for more."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import traces
from conftest import ROOT
from test_places import NOTEBOOK
from test_plots import plan, result

from amorsize import InvalidOptionError, PipelineResult, autotune, optimize
from amorsize._page import call_page
from amorsize._page.page import MOST_CHARS, as_html
from amorsize.explanation import Explanation
from amorsize.policy.actions import Plan
from amorsize.policy.trace import ChunkLog

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

#: What a page may have, with a million items.
MOST_BYTES = 2 * 10**6
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.addresses += [given[name] for name in ("src", "href", "srcset") if name in given]

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [given for found, given in self.tags if found == tag]


def html_of(trace, name="parse"):
    return as_html(call_page.page_of(trace, name))


def words_of(html):
    return " ".join(" ".join(Reader(html).text).split())


@functools.cache
def million():
    """A call of a million items on sixteen workers, as its log keeps their chunks."""
    log = ChunkLog()
    for number in range(100_000):
        worker, turn = number % 16, number // 16
        log.append(traces.chunk(worker, turn * 1e-3, 0.9e-3, cpu=0.5, n_items=10))
    return traces.trace(*log.all, n_started={"process": 16})


CALLS = {
    "deaths": traces.two_workers,
    "threads": lambda: traces.many_workers(64),
    "five": lambda: traces.trace(traces.chunk(-1, 0, 0.5, n_items=5), n_started={}),
    "replaced": lambda: traces.short_lived(500),
    "million": million,
}


# -- a call ------------------------------------------------------------------------------------


def test_a_page_tells_what_was_decided_and_what_happened():
    """Decisions with their reasons, workers with their ends, chunks, the machine, what to try."""
    text = words_of(html_of(traces.two_workers(rejected=("threads: the items hold the GIL",))))

    assert "parse: 50 items in 10 s" in text
    assert "After 500 ms, process: the items hold the GIL." in text
    assert "rejected threads: the items hold the GIL" in text
    assert "process 1 1.2 s 10 1 1.5 s 0 s 500 ms died: signal 9 (SIGKILL)" in text
    assert "1 worker ended with items in hand (signal 9 (SIGKILL)), and 10 items ran again" in text
    assert "usable cores" in text


@functools.cache
def page_of_call(name):
    """The page of one of these calls."""
    return html_of(CALLS[name]())


@pytest.mark.parametrize("name", CALLS)
def test_a_page_is_bounded_and_needs_nothing_else(name):
    """At most 2 MB, and no address that is not in it."""
    html = page_of_call(name)

    assert len(html.encode()) <= MOST_BYTES
    for address in Reader(html).addresses:
        assert address.startswith(("data:", "#"))
    assert "http://" not in re.sub(r"base64,[\w+/=]+", "", html)


def test_a_page_can_be_read_aloud():
    """It has a language, landmarks and headings; pictures have words, tables have names."""
    page = Reader(page_of_call("deaths"))

    assert page.all("html") == [{"lang": "en"}]
    assert all(len(page.all(tag)) == 1 for tag in ("main", "header", "nav", "footer", "h1"))
    assert {tag for tag, _ in page.tags if re.fullmatch(r"h\d", tag)} == {"h1", "h2"}
    pictures = page.all("img")
    assert pictures
    assert all("3 workers did" in one["alt"] for one in pictures)
    assert len(page.all("caption")) == len(page.all("table")) == 3
    ids = {given["id"] for _, given in page.tags if "id" in given}
    for link in page.all("a"):
        assert link["href"].removeprefix("#") in ids


def test_nothing_in_a_name_is_markup():
    """Names, reasons and warnings are texts, however long they are."""
    evil = "<script>\nalert(1)</script>"
    html = html_of(traces.two_workers(name=evil, warnings=(evil, "x" * 10**6), rejected=(evil,)))

    assert "<script" not in html
    assert "<script> alert(1)</script>" in "".join(Reader(html).text)
    assert "x" * (MOST_CHARS + 1) not in html


def test_a_function_that_was_not_called_has_a_page_as_well():
    assert "no call with items has ended in this process yet" in words_of(html_of(None))


def test_few_chunks_are_listed_all_and_of_many_the_costliest():
    few = words_of(page_of_call("deaths"))
    many = words_of(html_of(traces.many_workers(8)))

    assert "All chunks" in few
    assert "The chunks whose items took longest" in many
    assert "136 more are left out." in many


def test_a_real_call_is_saved(tmp_path):
    """`save` says where; a name of another kind is refused before anything is written."""

    def same(item):
        return item

    tuned = autotune(same, backend="thread", n_jobs=2)
    tuned(range(30))
    explanation = tuned.explain()

    where = explanation.save(tmp_path / "call.html")
    assert where == tmp_path / "call.html"
    assert "same: 30 items" in where.read_text(encoding="utf-8")
    with pytest.raises(InvalidOptionError, match=r"ends with \.html"):
        explanation.save(tmp_path / "call.json")
    assert os.listdir(tmp_path) == ["call.html"]


def test_without_jinja_the_extra_is_named(tmp_path):
    script = f"""
import sys
sys.modules["jinja2"] = None
from amorsize import MissingExtraError, autotune
tuned = autotune(len)
tuned(["a"])
try:
    tuned.explain().save({str(tmp_path / "x.html")!r})
except MissingExtraError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "pip install 'amorsize[plot]'" in told.stdout
    assert not os.listdir(tmp_path)


# -- a tuning ----------------------------------------------------------------------------------


def test_a_tuning_has_a_page(tmp_path):
    """The winner, the verdict, all plans and how to use the best one."""
    found = result(verdict="decided: <b>everything</b> else is slower")
    where = found.save(tmp_path / "tuned.html")

    html = where.read_text(encoding="utf-8")
    text = words_of(html)
    assert "parse: process x 4, 10 a chunk is best, 4.00 x the loop" in text
    assert "decided: <b>everything</b> else is slower" in text
    assert "process 4 10 2 s 1.8 s 2.4 s 4.00 3" in text
    assert "f.using(backend='process', n_jobs=4, chunksize=10)(items)" in text
    assert len(html.encode()) <= MOST_BYTES


def test_a_tuning_of_many_plans_is_bounded():
    from amorsize.tuning import tuning_page

    plans = [plan(n, 2**m, 9.0 / (n + m)) for n in range(1, 80) for m in range(14)]
    html = as_html(tuning_page.page_of(result(*plans)))

    assert len(html.encode()) <= MOST_BYTES
    assert "806 more are left out." in words_of(html)


# -- in a notebook -----------------------------------------------------------------------------


def test_in_a_notebook_there_is_a_small_picture():
    """Beside the table; without matplotlib, a line says how to get it."""
    html = Explanation("parse", traces.two_workers())._repr_html_()

    (image,) = Reader(html).all("img")
    assert image["src"].startswith("data:image/svg+xml;base64,")
    assert image["alt"].startswith("Timeline of a call of 10 s")
    assert len(Reader(result()._repr_html_()).all("img")) == 1


def test_plans_are_tables():
    """What `optimize` answers, a plan by itself, and the stages of a pipeline."""
    stages = PipelineResult(names=("<b>read", "parse"), stages=(result(), result()), results=[])
    assert stages._repr_html_().count("<tr>") == 3
    assert "&lt;b&gt;read" in stages._repr_html_()
    assert "<td>4</td>" in Plan(backend="process", n_jobs=4, chunksize=1)._repr_html_()
    assert "&lt;b" in Plan(backend="<b", n_jobs=4, chunksize=1)._repr_html_()
    assert "<table>" in optimize(len, ["a", "bb"])._repr_html_()


CELLS = [
    "from amorsize import autotune\n"
    "def double(x): return 2 * x\n"
    "tuned = autotune(double, backend='thread', n_jobs=2)\n"
    "results = tuned(range(50))",
    "tuned.explain()",
    "tuned.plan",
    "%matplotlib inline\ntuned.explain().plot();",
    "str(tuned.explain().save('call.html'))",
    "import sys; print('matplotlib.pyplot' in sys.modules)",
]


def test_in_a_real_notebook(run_script, tmp_path):
    """One call, one explanation, one plot, as a new user has them."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folders = {name: str(tmp_path) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}

    done = run_script(NOTEBOOK, json.dumps(CELLS), environ=folders, timeout_s=55)

    said = json.loads(done.stdout.splitlines()[-1])
    assert "double: 50 items in" in said[1]
    assert "<img src='data:image/svg+xml;base64," in said[1]
    assert "<td>thread</td>" in said[2]
    assert not any("Traceback" in one for one in said)


# -- in a browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", [*CALLS, "tuning"])
def test_a_browser_shows_it(browser, tmp_path, name, width):
    """It renders without an error, asks for nothing, fits the window, and can be walked by keys."""
    path = tmp_path / "page.html"
    if name == "tuning":
        result().save(path)
    else:
        path.write_text(page_of_call(name), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())

    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shown = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.clientWidth])")
    assert shown
    assert all(natural > 0 and 0.6 * min(width, 992) < at <= width for natural, at in shown)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.close()
