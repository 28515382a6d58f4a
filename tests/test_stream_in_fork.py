"""A program that forks while it takes results from a stream."""

import sys

import pytest

#: The fork goes on with the stream, or lets it go; so does the program, which gets every result.
FORKS = """\
import os, sys, time
from amorsize import WorkersUnavailable, autotune

def waits(x):
    time.sleep(0.004)
    return x

what, N = sys.argv[2], list(range(200))
how = {} if sys.argv[1] == "auto" else {"backend": sys.argv[1], "n_jobs": 2}
options = {"read_ahead": 8} if sys.argv[3:] else {}
stream = autotune(**how)(waits).stream(iter(N), **options)
found = [next(stream) for _ in range(60)]
child = os.fork()
if not child:
    try:
        if what == "goes on":
            print(f"went on with {list(stream)[-1]}", flush=True)
        elif what == "closes":
            stream.close()
        else:
            del stream
        print("let go", flush=True)
    except WorkersUnavailable as error:
        print(str(os.getppid()) in str(error), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(found + list(stream) == N)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


@pytest.mark.parametrize("backend", ["auto", "thread", "process"])
def test_a_fork_that_goes_on_with_a_stream_is_refused(backend, run_script):
    """It has no worker thread, and would take results of processes from the program."""
    assert run_script(FORKS, backend, "goes on").stdout.split() == ["True", "True"]


@pytest.mark.parametrize("backend", ["auto", "serial"])
def test_a_fork_that_waits_for_data_that_a_thread_reads_is_refused(backend, run_script):
    """The fork has no such thread either."""
    ran = run_script(FORKS, backend, "goes on", "reads ahead")

    assert ran.stdout.split() == ["True", "True"]


def test_in_the_loop_both_go_on(run_script):
    """Each has all that it needs."""
    ran = run_script(FORKS, "serial", "goes on")

    assert ran.stdout == "went on with 199\nlet go\nTrue\n"


@pytest.mark.parametrize("what", ["closes", "deletes"])
@pytest.mark.parametrize("backend", ["thread", "process"])
def test_a_fork_that_lets_a_stream_go_takes_nothing_from_it(backend, what, run_script):
    """The workers stay the program's."""
    assert run_script(FORKS, backend, what).stdout == "let go\nTrue\n"
