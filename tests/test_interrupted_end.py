"""A signal handler that raises just as a stream is about to end its workers."""

import pytest

INTERRUPTED = """\
import time
import amorsize
from amorsize._engine.caller.inline import InlineItems
from amorsize._engine.ending import Ending

def waits(x):
    time.sleep(0.004)
    return x

def interrupted(self, *args, n_left=[1], **keys):
    if n_left:
        n_left.pop()
        raise KeyboardInterrupt
    whole(self, *args, **keys)

how = {"backend": BACKEND, "n_jobs": 2}
stream = amorsize.autotune(**how)(waits).stream(iter(range(200)))
found = [next(stream) for _ in range(60)]
owner, name = WHERE
whole = getattr(owner, name)
setattr(owner, name, interrupted)
try:
    stream.close()
except KeyboardInterrupt:
    import threading
    from pathlib import Path
    children = Path("/proc/thread-self/children").read_text()
    print("interrupted", repr(children), threading.active_count())
"""


@pytest.mark.parametrize("where", ["(InlineItems, 'unmark')", "(Ending, 'end')"])
@pytest.mark.parametrize("backend", ["process", "thread"])
def test_no_worker_is_left_and_the_exit_is_silent(backend, where, run_script):
    """The workers end all the same, and nothing is left for the exit to end.

    Handlers run where a function begins, too.
    """
    ran = run_script(INTERRUPTED.replace("BACKEND", repr(backend)).replace("WHERE", where))

    assert (ran.stdout, ran.stderr) == ("interrupted '' 1\n", "")
