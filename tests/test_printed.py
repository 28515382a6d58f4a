"""What items print is shown in the order of items, wherever they run."""

import os
import subprocess
import sys

import pytest

from amorsize import autotune, tuned_map

BURN = """
import sys, time
def burn(s):
    end = time.perf_counter() + s
    while time.perf_counter() < end:
        pass
"""

ITEMS = {
    "print": "burn(0.001 if i % 3 else 0.004); print('item', i)",
    "several lines": "print('item', i, end=''); burn(0.002); print()",
    "stdout": "sys.stdout.write(f'item {i}\\n'); burn(0.002)",
    "from a helper": "say = lambda: print('item', i); burn(0.003 if i < 60 else 0.001); say()",
}
WAYS = {
    "auto": "",
    "processes": "backend='process'",
    "four": "backend='process', n_jobs=4",
    "small chunks": "n_jobs=3, chunksize=1",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("body", ITEMS.values(), ids=ITEMS.keys())
def test_lines_come_in_the_order_of_items(run_script, body, way):
    """As in the loop, whichever worker was done first; nothing is lost or mixed."""
    ran = run_script(
        f"{BURN}\nfrom amorsize import tuned_map\ndef f(i):\n    {body}\n"
        f"tuned_map(f, range(80), {way})\n"
    )

    assert ran.stdout.split("\n") == [*(f"item {i}" for i in range(80)), ""]


def test_lines_of_a_stream_come_before_its_results(run_script):
    """What item 5 has printed is shown by the time that its result is there."""
    ran = run_script(
        f"{BURN}\nfrom amorsize import autotune\n@autotune\ndef f(i):\n"
        "    burn(0.003 if i % 2 else 0.001); print('item', i); return i\n"
        "for i in f.stream(range(100)): print('result', i)\n"
    )

    lines = ran.stdout.splitlines()
    assert [line for line in lines if line.startswith("item")] == [f"item {i}" for i in range(100)]
    assert all(lines.index(f"item {i}") < lines.index(f"result {i}") for i in range(100))


def test_what_was_printed_before_a_failure_is_shown(run_script):
    """The last words before an exception are what people look for."""
    ran = run_script(
        f"{BURN}\nfrom amorsize import tuned_map\ndef f(i):\n"
        "    burn(0.002); print('item', i)\n    if i == 70: raise ValueError(i)\n"
        "try: tuned_map(f, range(100))\nexcept ValueError: print('failed')\n"
    )

    lines = ran.stdout.splitlines()
    assert lines[-1] == "failed"
    assert [line for line in lines if line in {f"item {i}" for i in range(71)}] == [
        f"item {i}" for i in range(71)
    ]


def test_the_programs_streams_are_there_again_after_a_call(capsys):
    """The caller's own items are held back as well; its streams are as they were."""
    before = sys.stdout, sys.stderr

    tuned_map(lambda i: print("item", sum(range(20_000)) * 0 + i), range(200), backend="process")

    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out.splitlines() == [f"item {i}" for i in range(200)]


def test_stderr_is_held_like_stdout(capsys):
    """Both streams keep the order of items."""

    @autotune(backend="process", n_jobs=2)
    def warn(i):
        print("item", i, file=sys.stderr)

    warn(range(50))

    assert capsys.readouterr().err.splitlines() == [f"item {i}" for i in range(50)]


LOGGED = f"""
{BURN}
import logging
from amorsize import tuned_map
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
log = logging.getLogger("items")

def item(i):
    log.info("begun %d", i)
    burn(0.004 if i % 3 else 0.001)
    print("item", i, flush=True)
    log.info("done %d", i)

tuned_map(item, range(90), WAY)
"""


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_log_records_come_in_the_order_of_items(run_script, way):
    """Records of workers, and of items in the caller that run ahead of their turn."""
    ran = run_script(LOGGED.replace("WAY", way))

    lines = [line for line in ran.stdout.splitlines() if not line.startswith("item")]
    assert lines == [text for i in range(90) for text in (f"begun {i}", f"done {i}")]


def test_a_handler_of_an_item_in_the_caller_gets_its_records_at_once(run_script):
    """An item that collects what it logs has it by its end; the program's handler has it, too."""
    ran = run_script(
        f"{BURN}\nimport logging\nfrom amorsize import tuned_map\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "log = logging.getLogger('items')\n"
        "class Mine(logging.Handler):\n"
        "    def __init__(self): super().__init__(); self.said = []\n"
        "    def emit(self, record): self.said.append(record.getMessage())\n"
        "def item(i):\n    mine = Mine(); log.addHandler(mine); burn(0.003)\n"
        "    log.warning('here %d', i); log.removeHandler(mine); return mine.said\n"
        "found = tuned_map(item, range(80))\n"
        "print(found == [[f'here {i}'] for i in range(80)])\n"
    )

    assert ran.stdout.splitlines() == [*(f"here {i}" for i in range(80)), "True"]


BENEATH = {
    "bytes": "sys.stdout.buffer.write(b'item %d\\n' % i)",
    "bytes that are no text": "sys.stdout.buffer.write(b'\\xff\\xfe item %d\\n' % i)",
    "another stream around them": "t = io.TextIOWrapper(sys.stdout.buffer, write_through=True); "
    "t.write(f'item {i}\\n'); t.detach()",
    "another way with errors": "sys.stdout.reconfigure(errors='replace'); print('item', i)",
}


@pytest.mark.parametrize("start", ["fork", "clean"])
@pytest.mark.parametrize("body", BENEATH.values(), ids=BENEATH.keys())
def test_what_is_written_beneath_a_stream_arrives_as_well(body, start, tmp_path):
    """To its bytes, as to itself; in a worker of either kind."""
    script = tmp_path / "script.py"
    script.write_text(
        "import io, sys\nfrom amorsize import tuned_map\n"
        f"def f(i):\n    {body}\n    return i\n"
        "def main(): tuned_map(f, range(6), backend='process')\n"
        "main() if len(sys.argv) < 2 else [f(i) for i in range(6)]\n"
    )
    env = {**os.environ, "AMORSIZE_START": start}
    ran = [
        subprocess.run([sys.executable, script, *more], capture_output=True, env=env, timeout=60)
        for more in ((), ("loop",))
    ]
    assert ran[0].stderr == ran[1].stderr == b""
    assert ran[0].stdout == ran[1].stdout != b""


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_text_that_the_programs_stream_cannot_write_fails_where_it_is_printed(run_script, start):
    """The item may catch that, as in the loop."""
    ran = run_script(
        "import sys\nfrom amorsize import tuned_map\n"
        "sys.stdout.reconfigure(encoding='ascii', errors='strict')\n"
        "def f(i):\n"
        "    try:\n        print('\\xe9')\n"
        "    except UnicodeEncodeError:\n        return sys.stdout.encoding\n"
        "print(tuned_map(f, range(4), backend='process'))\n",
        environ={"AMORSIZE_START": start},
    )
    assert ran.stdout.splitlines() == [str(["ascii"] * 4)]


def test_programs_that_items_start_write_where_the_caller_does(tmp_path):
    """They are given the stream's descriptor."""
    script = tmp_path / "script.py"
    script.write_text(
        "import subprocess, sys\nfrom amorsize import tuned_map\n"
        "def f(i): return subprocess.run(['echo', str(i)], stdout=sys.stdout).returncode\n"
        "print(tuned_map(f, range(4), backend='process'), sys.stdout.isatty())\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert sorted(ran.stdout.splitlines()) == ["0", "1", "2", "3", "[0, 0, 0, 0] False"]
