"""Where Python's limits leave hardly anything, a call is the loop that it stands for."""

import subprocess
import sys

import pytest

from amorsize import WorkersUnavailable, tuned_map
from amorsize._host import shortage

WITHOUT_ITS_LIBRARY = """
import sys
from amorsize import tuned_map

def item(x):
    for _ in range(2_000):
        pass
    return x

sys.path[:] = [__file__]
print(tuned_map(item, range(500)) == list(range(500)), tuned_map(item, range(9)) == [*range(9)])
"""


def near_the_limit(n_left):
    """What a map gives with so few frames left."""
    try:
        sys._getframe(sys.getrecursionlimit() - n_left)
    except ValueError:
        return near_the_limit(n_left)
    return tuned_map(len, ["a", "bc"] * 20)


@pytest.mark.parametrize("n_left", [shortage.FRAMES, 30])
def test_near_the_recursion_limit_a_call_is_the_loop(n_left):
    """It would go too deep by itself, and raise where the loop does not."""
    assert near_the_limit(n_left) == [1, 2] * 20


def test_a_program_that_has_left_the_library_out_of_its_path_has_its_results(tmp_path):
    """No further module can be loaded then, so the caller runs all items."""
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_ITS_LIBRARY)

    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)

    assert (ran.stdout, ran.stderr) == ("True True\n", "")


def test_what_only_workers_may_run_says_what_to_put_back(monkeypatch):
    """And where it was."""
    monkeypatch.setattr(sys, "path", [])

    error = shortage.no_workers(str(shortage.why_unreadable()), ImportError("no module"))

    assert isinstance(error, WorkersUnavailable)
    assert "no longer in sys.path" in str(error)
    assert "back there, or use backend='serial'" in str(error)
