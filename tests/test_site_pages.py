"""Every piece of code on the site runs, and every command: a reader who follows a page succeeds."""

import re

import pytest
from conftest import ROOT
from site_pages import DOCS, PAGES, blocks, comments_on_prints, follow

NOTEBOOK = DOCS / "tutorials" / "notebook.md"
FOLLOWED = [path for path in PAGES if path != NOTEBOOK and any(blocks(path.read_text("utf-8")))]


def name(path):
    return path.relative_to(DOCS).with_suffix("").as_posix()


@pytest.mark.parametrize("path", FOLLOWED, ids=name)
def test_a_page_can_be_followed(path, tmp_path):
    """In an empty folder, from its first line to its last."""
    follow(path.read_text("utf-8"), tmp_path)


@pytest.mark.engines
@pytest.mark.parametrize("package", ["distributed", "ray"])
@pytest.mark.parametrize("path", FOLLOWED, ids=name)
def test_a_page_can_be_followed_with_an_engine(path, package, tmp_path):
    """What needs a package of the extra `engines` runs where it is installed."""
    page = path.read_text("utf-8")
    if package not in {block.needs for block in blocks(page)}:
        pytest.skip("nothing on this page needs it")
    pytest.importorskip(package)

    assert follow(page, tmp_path, with_package=package) > 0


def test_the_notebook_runs_from_its_first_cell_to_its_last(run_script):
    """The blocks of the tutorial are the cells of one notebook."""
    pytest.importorskip("nbclient")
    cells = [
        block.text for block in blocks(NOTEBOOK.read_text("utf-8")) if block.language == "python"
    ]
    ran = run_script(RUN_NOTEBOOK.format(cells=cells), timeout_s=55)

    assert ran.stdout.split() == ["ran", str(len(cells))]


RUN_NOTEBOOK = """
import asyncio, warnings
warnings.simplefilter("ignore")
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import v4

notebook = v4.new_notebook(cells=[v4.new_code_cell(text) for text in {cells!r}])
NotebookClient(notebook, timeout=40, kernel_name="python3").execute()
print("ran", sum(cell.execution_count is not None for cell in notebook.cells))
"""


PAGE = """
Save this as `tools.py`:

```python
def twice(x): return 2 * x
```

```python
from tools import twice
print(twice(2))  # 4
```

```console
$ python -c "import tools"  # a comment
$ test -f tools.py
```

<!-- needs: ray -->
```python
import ray
```
"""


def test_a_page_is_followed_in_its_order(tmp_path):
    """Files are there for the scripts and commands below them; what needs a package is left out."""
    assert follow(PAGE, tmp_path) == 3
    assert [block.needs for block in blocks(PAGE)] == [None, None, None, "ray"]


def test_what_a_page_says_is_printed_has_to_be(tmp_path):
    """A comment that is wrong is found."""
    assert comments_on_prints(PAGE) == ["4"]
    with pytest.raises(AssertionError, match="is not printed"):
        follow(PAGE.replace("# 4", "# 5"), tmp_path)


def test_a_command_that_fails_is_found(tmp_path):
    """As is a script that raises."""
    with pytest.raises(pytest.fail.Exception, match="ended with 1"):
        follow("```console\n$ amorsize history show nothing\n```\n", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="ended with 1"):
        follow("```python\n1 / 0\n```\n", tmp_path)


def test_the_sites_pages_run_something():
    """Tutorials, how-to pages and references all have code that the tests above run."""
    counted = {path: sum(1 for _ in blocks(path.read_text("utf-8"))) for path in FOLLOWED}

    assert {name(path).split("/")[0] for path in counted} >= {"tutorials", "how-to", "reference"}
    assert not re.search(r"```\{code", "".join(path.read_text("utf-8") for path in PAGES))
    assert ROOT / "docs" / "dev" not in {path.parent for path in PAGES}
