"""Programs that items start write files too: those of a name that items share stay in turn."""

import os
import shlex
import subprocess

import pytest

from amorsize import tuned_map
from amorsize._engine.data.file_names import FileNames
from amorsize._function.sharing.thread_safety import examine

LATEST = "latest.txt"


def shell(command):
    subprocess.run(command, shell=True, check=True)


def cut(x):
    command = ["sed", "-i", f"s/v=.*/v={x}/", "v.txt"]
    subprocess.run(command, check=True)


def copied(x):
    subprocess.check_call(["cp", "-f", f"{x}.txt", LATEST])


SHARING = {
    "redirected": lambda x: os.system(f"echo {x} > last.txt"),
    "redirected without spaces": lambda x: os.system("echo " + str(x) + ">last.txt"),
    "quoted": lambda x: shell(f"echo {x} > 'the last.txt'"),
    "errors": lambda x: shell(f"convert {x}.png {x}.jpg 2> errors.txt"),
    "by format": lambda x: os.system("echo {} > last.txt".format(x)),  # noqa: UP032
    "by percent": lambda x: os.system("echo %s > last.txt" % x),  # noqa: UP031
    "counted": lambda x: subprocess.run(
        "n=$(cat n.txt); echo $((n+1)) > n.txt; echo $n", shell=True, capture_output=True
    ),
    "by a shell": lambda x: subprocess.run(["bash", "-c", f"echo {x} > last.txt"]),
    "added and counted": lambda x: shell(f"echo {x} >> all.txt; wc -l all.txt"),
    "by remainder": lambda x: os.system(f"echo {x} > {x % 3}.txt"),
    "in place": cut,
    "in place with a letter": lambda x: shell(f"sed -i.bak s/a/{x}/ v.txt"),
    "copied": copied,
    "moved": lambda x: shell(f"convert {x} {x}.tmp && mv {x}.tmp latest.png"),
    "linked": lambda x: subprocess.run(["ln", "-sfn", f"run{x}", "latest"]),
    "by tee": lambda x: shell(f"date +{x} | tee last.txt"),
    "removed": lambda x: subprocess.call(["rm", "-f", "flag"]),
    "permitted": lambda x: subprocess.call(["chmod", f"60{x}", "t.txt"]),
    "packed": lambda x: shell(f"tar czf all.tgz {x}"),
    "packed with options": lambda x: subprocess.run(["tar", "-c", "--file=all.tar", f"{x}"]),
    "zipped": lambda x: subprocess.run(["zip", "-q", "all.zip", f"{x}.txt"]),
    "to an output": lambda x: subprocess.run(["gcc", f"{x}.c", "-o", "bin/prog"]),
    "to an output of a download": lambda x: shell(f"curl -s http://here/{x} -o page.html"),
    "converted": lambda x: subprocess.run(["ffmpeg", "-y", "-i", f"{x}.wav", "out.mp3"]),
    "split by shlex": lambda x: subprocess.run(shlex.split(f"cp {x}.txt latest.txt")),
    "in a fixed folder": lambda x: subprocess.run(["cp", f"../{x}", "latest"], cwd="made"),
    "by a variable": lambda x: shell(f'name={x}; tool > "$name.txt"'),
}


def reasons(item, items=(1, 2, 3)):
    reach = examine(item, list(items))[0]
    found = [one for one in reach.bound if "one file for all" in one or "items share" in one]
    shared = FileNames(reach.named_by, star=False).look(list(items))[1]
    return found + ([shared] if shared else [])


@pytest.mark.parametrize("way", SHARING)
def test_programs_that_change_a_file_of_several_items_stay_in_turn(way):
    assert reasons(SHARING[way])


def test_the_reason_names_the_file():
    assert reasons(copied) == [
        "a function that changes latest.txt, which is one file for all items"
    ]


FREE = {
    "to files of their own": lambda x: os.system(f"grep a {x}.txt > {x}.out"),
    "converted": lambda x: subprocess.run(["ffmpeg", "-i", x, f"{x}.mp4"]),
    "in a shell": lambda x: shell(f"ffmpeg -i {x} -vf scale=320:-1 {x}.mp4"),
    "in a folder of their own": lambda x: subprocess.run(["make", "all"], cwd=x),
    "moved there": lambda x: shell(f"cd {x} && sort all.txt > sorted.txt"),
    "written in a folder of their own": lambda x: subprocess.run(
        ["cp", "../template.txt", "settings.txt"], cwd=f"run{x}"
    ),
    "to nowhere": lambda x: os.system(f"tool {x} > /dev/null 2>&1"),
    "compared in quotes": lambda x: shell(f"awk '$1 > 5 {{print}}' {x}.txt > {x}.out"),
    "only added": lambda x: shell(f"tool {x} >> all.log"),
    "only read": lambda x: subprocess.run(["grep", "-o", "a.b", "all.txt", str(x)]),
    "with an input": lambda x: shell(f"tool {x} < settings.txt > {x}.out"),
    "of a template": lambda x: subprocess.run(["cp", "template.txt", f"{x}.txt"]),
    "into a folder": lambda x: shell(f"cp {x}.txt made/"),
    "cut in place": lambda x: subprocess.run(["sed", "-i", "s/a/b/", f"{x}.txt"]),
    "a script": lambda x: subprocess.run(["python", "script.py", "--n", str(x)]),
    "an output of its own": lambda x: subprocess.run(["gcc", f"{x}.c", "-o", f"{x}.out"]),
    "packed": lambda x: subprocess.run(["tar", "-czf", f"{x}.tgz", "made"]),
    "unpacked": lambda x: shell(f"tar xf all.tar {x}"),
    "a folder": lambda x: shell(f"mkdir -p made && tool {x} -o made/{x}.out"),
    "permitted": lambda x: subprocess.run(["chmod", "644", f"{x}.txt"]),
    "another machine": lambda x: subprocess.run(["ssh", "-o", "a.b", x, "ls"]),
}


@pytest.mark.parametrize("way", FREE)
def test_programs_whose_files_are_the_items_own_run_side_by_side(way):
    assert not reasons(FREE[way], ("a", "b", "c"))


def test_items_at_hand_are_asked_whether_they_name_one_file():
    convert = FREE["converted"]

    assert reasons(convert, ("a", "b", "a"))


def test_the_last_item_decides_what_a_shell_leaves_in_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    tuned_map(lambda x: os.system(f"sleep 0.00{9 - x % 9}; echo {x} > last.txt"), range(30))

    assert (tmp_path / "last.txt").read_text() == "29\n"
