"""Log records of items are written once, wherever an item runs."""

import pytest

SCRIPT = """
import logging, sys, threading
from amorsize import autotune

{setup}

def burn():
    return sum(i * i for i in range(30_000))

{item}

idle = threading.Event()
threading.Thread(target=idle.wait, daemon=True).start()
with_workers = log.using(backend="process", n_jobs=2)
assert with_workers(range(40)) == list(range(40))
logging.shutdown()
"""
TO_ROOT = """
@autotune
def log(x):
    burn()
    logging.info("item %d", x)
    return x
"""
ON_DEMAND = """
def logger():
    found = logging.getLogger("app")
    if not found.handlers:
        found.setLevel(logging.INFO)
        found.addHandler(logging.StreamHandler(sys.stdout))
    return found

@autotune
def log(x):
    burn()
    logger().info("item %d", x)
    return x
"""


@pytest.mark.parametrize(
    ("setup", "item"),
    [
        ("logging.basicConfig(stream=sys.stdout, level=logging.INFO)", TO_ROOT),
        ("logging.getLogger('app').addHandler(logging.StreamHandler(sys.stdout))", ON_DEMAND),
    ],
    ids=["logging.info", "a logger that is set up on demand"],
)
def test_an_item_that_finds_handlers_here_adds_none_in_a_worker(run_script, setup, item):
    """A new interpreter has no handlers, and `logging.info` would print to stderr."""
    if item is ON_DEMAND:
        setup += "\nlogging.getLogger('app').setLevel(logging.INFO)"
    done = run_script(SCRIPT.format(setup=setup, item=item))

    lines = [line.rpartition("item ")[2] for line in done.stdout.splitlines()]
    assert sorted(map(int, lines)) == list(range(40))
    assert done.stderr == ""
