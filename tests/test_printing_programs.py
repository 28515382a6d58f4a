"""Programs that items start, and that print where the whole program does, print in their order.

Python does not see what they print, so it cannot be held until its turn comes.
"""

import os
import subprocess

import pytest

from amorsize._function.sharing.thread_safety import examine


def convert(name):
    """Date a file, which stat then shows."""
    return subprocess.run(["convert", "file of mine", name], check=False).returncode


def shell(command):
    return os.system(command)


PRINTING = {
    "run": lambda x: subprocess.run(["echo", str(x)], check=True).returncode,
    "call": lambda x: subprocess.call(["/bin/cat", f"{x}.txt"]),
    "in a shell": lambda x: subprocess.check_call(f"sleep 0.1; echo {x}", shell=True),
    "shell named": lambda x: subprocess.run(["sh", "-c", f"printf {x} >&2"], check=False),
    "started": lambda x: subprocess.Popen(["ls", str(x)]).wait(),
    "system": lambda x: os.system(f"wc -l {x}"),
    "by a helper": lambda x: shell("head -1 " + str(x)),
    "with another option": lambda x: subprocess.run(["uname"], check=True, timeout=x),
}


@pytest.mark.parametrize("way", PRINTING)
def test_programs_that_print_stay_in_the_items_order(way):
    """Also if only some items start one."""
    assert any("prints where" in one for one in examine(PRINTING[way], [1, 2])[0].bound)


OTHERS = {
    "captured": lambda x: subprocess.run(["echo", str(x)], capture_output=True, check=True).stdout,
    "to nowhere": lambda x: subprocess.call(["cat", str(x)], stdout=subprocess.DEVNULL),
    "its output": lambda x: subprocess.check_output(["ls", str(x)]),
    "to a file": lambda x: os.system(f"grep a {x}.txt > {x}.out"),
    "silent": lambda x: subprocess.run(["convert", f"{x}.png", f"{x}.jpg"], check=True),
    "told of in words": convert,
    "no program": lambda x: ("echo", x),
    "named by the item": lambda x: subprocess.run([x], check=False).returncode,
}


@pytest.mark.parametrize("way", OTHERS)
def test_other_programs_may_run_side_by_side(way):
    """Those whose output goes elsewhere, and those that are not run for it."""
    assert not examine(OTHERS[way], ["a", "b"])[0].bound


def test_lines_of_programs_come_in_the_order_of_items(run_script):
    """The first ones say nothing, and earlier ones take longer than later ones."""
    ran = run_script("""
import subprocess, time
from amorsize import tuned_map

def tell(x):
    time.sleep(2e-3)
    if x >= 40:
        subprocess.run(["sh", "-c", f"sleep 0.00{9 - x % 9}; echo item {x}"], check=True)

tuned_map(tell, range(60))
""")

    assert ran.stdout.splitlines() == [f"item {x}" for x in range(40, 60)]
