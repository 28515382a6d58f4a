"""Descriptors of the program with odd numbers: below ours, or above what it may open by now."""

import pytest

#: A program that has closed some of its standard streams, as daemons do.
CLOSED = """\
import os, sys, threading
from amorsize import autotune

told = open(sys.argv[1], "w")
for closed in map(int, sys.argv[3]):
    os.close(closed)

def silent(x):
    return x + 1

def says(x):
    try:
        os.write(1, b"item\\n")  # what print does in the end
    except OSError as error:
        return error.errno
    return 0

def error_of_writing():
    try:
        return os.write(1, b"a line for nobody\\n")
    except OSError as error:
        return -error.errno

if sys.argv[2] == "clean":  # beside a thread, workers are new interpreters
    threading.Thread(target=threading.Event().wait, daemon=True).start()
how = {"backend": sys.argv[2].replace("clean", "process"), "n_jobs": 2}
N = list(range(40))
print(autotune(**how)(silent)(N) == [x + 1 for x in N], file=told)
print(set(autotune(**how)(says)(N)), file=told)
found = set()
for result in autotune(**how)(silent).stream(iter(N)):
    found.add(error_of_writing())
print(found, file=told)
told.close()
os._exit(0)  # the end of Python writes, too
"""


@pytest.mark.parametrize("closed", ["1", "01", "012"])
@pytest.mark.parametrize("backend", ["process", "clean", "thread"])
def test_what_is_written_to_a_closed_stdout_goes_nowhere(closed, backend, run_script, tmp_path):
    """Nothing of ours takes its number: items and the consumer of a stream get the loop's error."""
    told = tmp_path / "told"
    run_script(CLOSED, str(told), backend, closed)

    assert told.read_text().splitlines() == ["True", "{9}", "{-9}"]  # EBADF


#: What items read where stdin was closed.
READS = """\
import os, sys, time
from amorsize import autotune

told = open(sys.argv[1], "w")
for closed in map(int, sys.argv[3]):
    os.close(closed)

def read(x):
    time.sleep(1e-3)
    try:
        return os.read(0, 1)
    except OSError as error:
        return error.errno

how = {"backend": sys.argv[2], "n_jobs": 1}
expected = list(map(read, range(40)))
print(autotune(**how)(read)(range(40)) == expected, file=told)
print(list(autotune(**how)(read).stream(iter(range(40)))) == expected, file=told)
told.close()
os._exit(0)
"""


@pytest.mark.parametrize("closed", ["0", "012"])
@pytest.mark.parametrize("backend", ["process", "serial"])
def test_items_read_nothing_of_ours_where_stdin_was_closed(closed, backend, run_script, tmp_path):
    """They read the clock of a run queue, or the pipe that tells of the caller's end.

    Beside threads some file of the host may be open there for a moment.
    """
    told = tmp_path / "told"
    run_script(READS, str(told), backend, closed)

    assert told.read_text().split() == ["True", "True"]


#: A program that has opened a pipe before its limit was lowered.
LOWERED = """\
import os, resource
from amorsize import autotune

reading, writing = os.pipe()
os.dup2(writing, 200)
os.close(writing)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

def double(x):
    return 2 * x

found = list(autotune(backend="process", n_jobs=2)(double).stream(iter(range(40))))
os.close(200)
print(found == [2 * x for x in range(40)], os.read(reading, 1))
"""


def test_a_pipe_above_a_lowered_limit_costs_no_worker(run_script):
    """It cannot be redirected in workers, so it is closed there: its reader comes to the end."""
    ran = run_script(LOWERED)

    assert (ran.stdout, ran.stderr) == ("True b''\n", "")
