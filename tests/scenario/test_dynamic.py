"""Dynamically linked programs: this machine's own, with its loader and its libraries.

The files are copied into the image under the paths they have here, so that loader and libraries are found
as they are on Linux. The same script runs here and in the guest, in an empty folder; outputs are compared.
"""
import base64
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import PATIENCE, USER_SPACE

PROMPT = r"helix:\S+# "
# Debian's, by their paths; what is not installed here is left out, and so are the scripts that need it.
PROGRAMS = ["/bin/dash", *(f"/usr/bin/{name}" for name in (
    "sort", "seq", "tr", "factor", "env", "stat", "timeout", "sleep", "tail", "uniq", "ls", "cat", "wc", "touch",
    "sqlite3", "lua5.4", "toybox", "python3.11"))]
PYTHON_LIBRARY = pathlib.Path("/usr/lib/python3.11")
# What Python does not need here, and would make the image large.
PYTHON_LEAVES_OUT = shutil.ignore_patterns("__pycache__", "test", "tests", "idlelib", "lib2to3", "ensurepip",
                                           "config-*", "pydoc_data", "distutils", "tkinter")

# A program that is linked dynamically: threads, their own variables, a library of functions.
THREADS = r"""
#include <math.h>
#include <pthread.h>
#include <stdio.h>

static _Thread_local int own = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double sum;

static void *work(void *argument)
{
    for (int i = 0; i < 1000; i++) {
        own++;
        pthread_mutex_lock(&lock);
        sum += sqrt((double)(long)argument);
        pthread_mutex_unlock(&lock);
    }
    return (void *)(long)own;
}

int main(void)
{
    pthread_t threads[8];

    for (long i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, work, (void *)(i * i));
    }
    for (int i = 0; i < 8; i++) {
        void *result;

        pthread_join(threads[i], &result);
        printf("%ld ", (long)result);
    }
    printf("%.0f %d\n", sum, own);
    return 0;
}
"""

SCRIPTS = {
    "dash": """
seq 20 | sort -r | while read n; do printf '%s ' $((n * n)); done; echo
(exit 3); echo $?; /not/there; echo $?; dash -c 'kill -TERM $$'; echo $?""",
    "coreutils": """
seq 3000 | sort -R | sort -n | tail -2
seq 30000 | tr 1 x | sort | tr x 1 | sort -n | uniq -c | sort -n | tail -1
factor 1000000007 600851475143; env -i A=b env; timeout 0.1 sleep 20; echo $?
echo text > file; stat -c '%s %A %F' file /dev/null""",
    "threads": "../threads; ../threads-fixed",
    "sqlite3": """
sqlite3 base.db <<'END'
create table numbers (n integer primary key, word text);
begin; with recursive c(x) as (select 1 union all select x + 1 from c where x < 500)
insert into numbers select x, 'word ' || (x * 7 % 13) from c; commit;
select word, count(*), sum(n) from numbers group by word order by 2, 1;
begin; delete from numbers; rollback; select count(*) from numbers;
pragma journal_mode = wal; insert into numbers values (1000, 'wal'); pragma integrity_check;
END
ls; sqlite3 base.db "select max(n) from numbers" """,
    "lua5.4": """
cat > words.lua <<'END'
local t = {}
for word in ("the quick brown fox jumps over the lazy dog the end"):gmatch("%a+") do t[word] = (t[word] or 0) + 1 end
local names = {}
for word in pairs(t) do names[#names + 1] = word end
table.sort(names)
for _, word in ipairs(names) do print(word, t[word]) end
local file = assert(io.open("out", "w")); file:write(("x"):rep(100000)); file:close()
print(#io.open("out"):read("a"), io.open("/not/there"))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * 0.5) end end)
print(co(), co(), co(), math.pi, 7 // 2, 2 ^ 0.5)
print(io.popen("echo from a shell"):read("l"), os.execute("exit 7"), pcall(error, "message"))
END
lua5.4 words.lua""",
    "toybox": """
toybox seq 5 | toybox tac; toybox echo text | toybox sha1sum; toybox mkdir -p a/b; toybox touch a/b/c
toybox find a | toybox sort; toybox ls -l a/b | toybox wc -l; toybox rm -r a; toybox ls; toybox factor 91""",
    "python3.11": """
cat > all.py <<'END'
import json, os, selectors, signal, subprocess, tempfile, threading, time
results = []
lock = threading.Lock()
def work(n):
    with lock:
        results.append(n * n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(results))
done = subprocess.run(["/bin/dash", "-c", "echo out; echo err >&2; exit 5"], capture_output=True)
print(done.returncode, done.stdout, done.stderr)
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, "a"), "w").write(json.dumps({"a": [1, 2.5, None]}))
    print(json.load(open(os.path.join(folder, "a"))), os.listdir(folder))
reader, writer = os.pipe()
with selectors.DefaultSelector() as selector:
    selector.register(reader, selectors.EVENT_READ, "the pipe")
    print(selector.select(0))
    os.write(writer, b"x")
    print([(key.data, events) for key, events in selector.select(1)])
def heard(number, frame): print("heard", signal.Signals(number).name)
signal.signal(signal.SIGUSR1, heard)
os.kill(os.getpid(), signal.SIGUSR1)
child = os.fork()
if child == 0: os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try: open("/not/there")
except OSError as error: print(error)
print(threading.Event().wait(0.01), sum(range(100000)))
END
python3.11 all.py""",
}

# In a folder beside the scripts, without input; PATH is the programs alone.
ENVIRONMENT = {"PATH": "../bin", "HOME": "/", "PYTHONHOME": "/usr", "LC_ALL": "C"}
GUEST_RUNNER = f"""#!/bin/sh
mkdir /dynamic/work && cd /dynamic/work || exit
env -i {" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())} \\
    /bin/dash ../$1.sh > /tmp/said 2>&1 < /dev/null
echo $? > /tmp/status
cd /
echo "said""-begin"; base64 /tmp/said; echo "said""-end $(cat /tmp/status)"
rm -rf /dynamic/work /tmp/said
"""


def files_of(program):
    """The program and what it is loaded with."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return [program] + re.findall(r"(/\S+) \(", listed.stdout)


def put_into(extra, path):
    to = extra / str(path).lstrip("/")
    if not to.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)


def build_threads(folder):
    source = folder / "threads.c"
    source.write_text(THREADS)
    for name, options in (("threads", ["-pie", "-fpie"]), ("threads-fixed", ["-no-pie"])):
        subprocess.run(["gcc", "-O1", *options, source, "-o", folder / name, "-lm", "-pthread"], check=True)


@pytest.fixture(scope="module", name="folder")
def programs_and_scripts(tmp_path_factory):
    """On this machine: scripts, and links to the programs."""
    folder = tmp_path_factory.mktemp("dynamic")
    build_threads(folder)
    (folder / "bin").mkdir()
    for program in filter(os.path.exists, PROGRAMS):
        (folder / "bin" / os.path.basename(program)).symlink_to(program)
    for name, script in SCRIPTS.items():
        (folder / f"{name}.sh").write_text(script.lstrip() + "\n")
    return folder


@pytest.fixture(scope="module", name="guest")
def a_guest(boot_once, folder, tmp_path_factory):
    """A machine at its prompt that has all of it in /dynamic, and /bin/dash."""
    extra = tmp_path_factory.mktemp("extra")
    shutil.copytree(folder, extra / "dynamic")
    put_into(extra, "/bin/dash")
    for path in [*(folder / "bin").iterdir(), folder / "threads"]:
        for library in files_of(path)[1:]:
            put_into(extra, library)
    if (folder / "bin/python3.11").exists():
        shutil.copytree(PYTHON_LIBRARY, extra / str(PYTHON_LIBRARY)[1:], ignore=PYTHON_LEAVES_OUT)
    (extra / "bin/run").write_text(GUEST_RUNNER)
    (extra / "bin/run").chmod(0o755)
    guest = boot_once(init=USER_SPACE, extra=extra, mem=1024)
    guest.expect(PROMPT)
    return guest


def on_linux(folder, name):
    """(output, status)"""
    work = folder / "work"
    work.mkdir()
    end = subprocess.run(["/bin/dash", f"../{name}.sh"], cwd=work, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
    shutil.rmtree(work)
    return end.stdout.decode(), end.returncode if end.returncode >= 0 else 128 - end.returncode


def on_helix(guest, name):
    """(output, status)"""
    guest.type(f"run {name}")
    said = guest.expect(r"said-begin\r*\n(.*)said-end (\d+)\r")
    guest.expect(PROMPT)
    return base64.b64decode(re.sub(r"[^A-Za-z0-9+/=]", "", said[1])).decode(errors="replace"), int(said[2])


# SPEC: Y1 Y3
@pytest.mark.parametrize("name", SCRIPTS)
def test_dynamic_programs_say_the_same_as_on_linux(folder, guest, name):
    if name in ("sqlite3", "lua5.4", "toybox", "python3.11") and not (folder / "bin" / name).exists():
        pytest.skip(f"{name} is not installed")
    wanted = on_linux(folder, name)
    assert wanted[0] and "not found" not in wanted[0].replace("/not/there: not found", "")
    assert on_helix(guest, name) == wanted
