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
    "cp", "mv", "rm", "mkdir", "chmod", "dd", "head", "tee", "split", "sha256sum", "od", "cut", "paste", "join",
    "comm", "expr", "id", "uname", "echo", "true", "date", "du", "df", "ln", "readlink", "mkfifo", "nproc", "nice", "truncate",
    "sqlite3", "lua5.4", "toybox", "python3.11", "bash", "mawk", "sed", "grep", "find", "xargs", "diff", "cmp",
    "tar", "gzip", "xz", "perl", "less", "make", "git", "git-upload-pack"))]
# Scripts that need a program that may not be installed.
NEEDS = {"python-library": "python3.11", "sqlite-journals": "sqlite3", "findutils": "find", "diffutils": "diff"}
# What they ask for and go on without: a list that only gets shorter.
ABSENT_ALLOWED = {"rseq", "seccomp", "io_uring_setup", "landlock_create_ruleset", "socket", "capget"}
PYTHON_LIBRARY = pathlib.Path("/usr/lib/python3.11")
PERL_LIBRARY = pathlib.Path("/usr/lib/x86_64-linux-gnu/perl-base")
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
    "sqlite-journals": """
for mode in delete truncate persist memory wal off; do
sqlite3 $mode.db "pragma journal_mode = $mode; create table t (x); insert into t values (1), (2);
begin; insert into t values (3); rollback; insert into t select x + 10 from t; select sum(x) from t;"
sqlite3 $mode.db "select count(*) from t; pragma integrity_check"; ls $mode.db*; done
sqlite3 a.db "create table a (x); insert into a values (7)"; sqlite3 b.db "attach 'a.db' as other;
create table b as select * from other.a; vacuum; select * from b"
sqlite3 a.db ".dump" | sqlite3 c.db; sqlite3 c.db "select * from a" """,
    "bash": """
cat > all.bash <<'END'
set -o pipefail
declare -A count
while read -r word; do ((count[$word]++)); done < <(printf '%s\n' a b a c a)
for key in a b c; do echo "$key ${count[$key]}"; done
trap 'echo caught' USR1; kill -USR1 $$
(exit 4) | cat; echo ${PIPESTATUS[0]} $?
sleep 0.05 & wait $!; echo $?
coproc (tr a-z A-Z); echo shout >&"${COPROC[1]}"; eval "exec ${COPROC[1]}>&-"; cat <&"${COPROC[0]}"
[[ abc =~ b(c) ]] && echo ${BASH_REMATCH[1]}; printf '%(%Y)T\n' 0; mapfile -t lines < <(seq 3); echo ${#lines[@]}
cd /; cd ~-; echo {1..5} $((2**40)) ${PWD##*/}; exec 5<>file; echo x >&5; wc -c < file; type -t cd
END
bash all.bash""",
    "text": """
seq 30 > numbers
mawk '{ sum += $1; odd[$1 % 2]++ } END { print sum, odd[0], odd[1], sprintf("%.3f", sqrt(sum)) }' numbers
mawk 'BEGIN { "echo from a shell" | getline line; print line; print "b\na" | "sort"; close("sort"); exit 3 }'; echo $?
sed -n '/5/,/8/{s/^/> /;p}' numbers; sed -i 's/1/one/' numbers; head -2 numbers; sed '$!N;s/\n/ /' numbers | tail -2
grep -c 2 numbers; grep -rn '^one$' .; grep -E -o '[0-9]{2}' numbers | head -1; grep -q nothing numbers; echo $?
cut -c1 numbers | sort | uniq -c | sort -rn | head -2; paste -sd+ numbers | cut -c1-20; join numbers numbers | wc -l
split -l 10 numbers part-; wc -l part-*; comm -12 part-aa part-ab; od -c part-aa | head -2; sha256sum part-ac
dd if=numbers bs=7 count=3 2>/dev/null; echo; tee copy < part-ab > /dev/null; cmp copy part-ab; expr 6 '*' 7""",
    "findutils": """
mkdir -p a/b/c; touch a/1 a/b/2 a/b/c/3; ln -s b a/link; mkfifo a/pipe; chmod 600 a/1; truncate -s 5000 a/big
find a | sort; find a -type f -size +1k; find a -perm 600 -exec ls {} +; find a -type p -o -type l | sort
find a -name '[123]' -print0 | xargs -0 -n1 -P3 echo | sort; find a -depth -delete; ls
seq 5 | xargs -n2; seq 3 | xargs -I{} echo '<{}>'; echo x | xargs -t true; id -u; readlink -f /dev/null""",
    "diffutils": """
seq 10 > one; seq 10 | sed 's/5/five/; 8d' > two; diff one two; echo $?; diff -u one two | tail -n +3; cmp one two; echo $?
mkdir x y; cp one x; cp two y/one; diff -r x y | head -3; diff one one; echo $?; cp -a x z; mv z y; ls -R y; cp --sparse=always one s""",
    "archives": """
mkdir -p in/deep; seq 1000 > in/numbers; ln in/numbers in/other; ln -s numbers in/link; chmod 640 in/numbers
tar cf a.tar in; tar tvf a.tar | wc -l; mkdir out; tar xf a.tar -C out; ls -l out/in | tail -n +2 | cut -c1-10; cmp in/numbers out/in/numbers
tar czf a.tgz in; tar tzf a.tgz | sort; gzip -kf in/numbers; gzip -l in/numbers.gz | tail -1 | tr -s ' ' | cut -d' ' -f2,3
gzip -dc in/numbers.gz | cmp - in/numbers; xz -kf in/numbers; xz -dc in/numbers.xz | sha256sum; xz -T2 -c a.tar | xz -t; echo $?
tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - in | sha256sum | wc -c""",
    "perl": """
cat > all.pl <<'END'
use strict; use warnings; use POSIX ":sys_wait_h"; use IO::Handle; use File::Temp "tempdir"; use Fcntl ":flock";
my %h; $h{$_ % 7} .= chr(65 + $_ % 26) for 1 .. 50; print "$_ $h{$_}\n" for sort keys %h;
my $pid = fork; if (!$pid) { exit 3 } waitpid $pid, 0; print WEXITSTATUS($?), "\n";
pipe my $r, my $w; $w->autoflush; print $w "through\n"; print scalar <$r>;
local $SIG{ALRM} = sub { die "late\n" }; eval { POSIX::pause() if !ualarm() }; sub ualarm { alarm 1; 0 } print $@;
my $dir = tempdir(CLEANUP => 1); open my $f, ">", "$dir/x" or die; flock $f, LOCK_EX; print $f "text"; close $f; print -s "$dir/x", "\n";
print `echo from a shell`, $? >> 8, "\n"; print join(",", map { sprintf "%.2f", sqrt } 1 .. 5), "\n"; open(my $n, "<", "/not/there") or print "$!\n";
END
perl all.pl""",
    "less": """seq 5 | less; less --version | head -1 | cut -d' ' -f1; echo text > file; less -F file""",
    "make": """
printf 'all: a b\n\techo $^\n%%: %%.in\n\tsleep 0.01; tr a-z A-Z < $< > $@\n.PHONY: all\n' > Makefile
echo one > a.in; echo two > b.in; make -j4 --no-print-directory; cat a b; make -s; make nothing; echo $?""",
    "git": """
PATH=$PWD/../bin; mkdir none; export PATH HOME=$PWD GIT_TEMPLATE_DIR=$PWD/none GIT_AUTHOR_DATE='@1 +0000' GIT_COMMITTER_DATE='@1 +0000'
git config --global user.name N; git config --global user.email e@x; git config --global init.defaultBranch main
git init -q repo; cd repo; seq 100 > file; git add file; git commit -qm first; sed -i 's/50/fifty/' file; git diff --stat
git commit -qam second; git log --format='%h %s'; git checkout -q -b other HEAD~1; echo more >> file; git commit -qam third
git merge -q main -m merged; git log --oneline --graph | cat; git status --short; git gc -q; git fsck; git show HEAD:file | tail -2
git stash list; cd ..; git clone -q repo copy; cd copy; git log -1 --format=%s; git rev-parse HEAD""",
    "python-library": r"""
cat > all.py <<'END'
import asyncio, collections, concurrent.futures, csv, ctypes, dataclasses, datetime, decimal, fcntl, functools, glob, gzip, hashlib
import heapq, io, itertools, json, logging, lzma, mmap, multiprocessing, os, pathlib, pickle, platform, pty, queue, random, re, resource
import select, shutil, signal, sqlite3, stat, string, struct, subprocess, sys, tarfile, tempfile, threading, time, urllib.parse, uuid, zipfile, zlib
print(ctypes.CDLL(None).abs(-5), ctypes.sizeof(ctypes.c_long))
base = sqlite3.connect(":memory:"); base.execute("create table t (x)"); base.executemany("insert into t values (?)", [(n,) for n in range(9)])
print(base.execute("select sum(x) from t").fetchone(), sqlite3.connect("file.db").execute("select 1").fetchall())
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name); (folder / "a").mkdir(); (folder / "a/f").write_text("text" * 1000)
    shutil.copytree(folder / "a", folder / "b"); shutil.move(folder / "b/f", folder / "g"); shutil.make_archive(str(folder / "z"), "gztar", folder / "a")
    print(sorted(p.name for p in folder.iterdir()), shutil.disk_usage(name).total > 0, oct((folder / "g").stat().st_mode)); shutil.rmtree(folder / "a")
    with open(folder / "g", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory: memory[:2] = b"TE"; print(memory[:4], memory.find(b"xtte"))
    with tempfile.NamedTemporaryFile(dir=name) as file: file.write(b"x"); file.flush(); fcntl.flock(file, fcntl.LOCK_EX); print(os.path.getsize(file.name))
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(list(pool.map(lambda n: n * n, range(6))))
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True); print(child.communicate(b"echo", timeout=10), child.returncode)
try: subprocess.run(["sleep", "9"], timeout=0.05)
except subprocess.TimeoutExpired as error: print(type(error).__name__)
print(subprocess.check_output("exec 3>&1; echo a >&3; kill -0 $$", shell=True), subprocess.run(["dash", "-c", "kill -9 $$"]).returncode)
with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(abs, [-1, -2, -3]))
q = queue.Queue(); threading.Timer(0.01, q.put, ["timed"]).start(); print(q.get(timeout=10))
print(hashlib.sha256(b"x").hexdigest()[:8], zlib.crc32(b"x"), gzip.decompress(gzip.compress(b"abc")), lzma.decompress(lzma.compress(b"abc")), len(uuid.uuid4().bytes))
print(resource.getrlimit(resource.RLIMIT_CORE)[0] >= -1, os.cpu_count() > 0, os.sched_getaffinity(0) != set(), len(os.urandom(8)), os.get_terminal_size.__name__)
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.signal(signal.SIGALRM, lambda *_: print("alarm")); signal.pause() if False else time.sleep(0.2)
poll = select.epoll(); r, w = os.pipe(); poll.register(r, select.EPOLLIN); os.write(w, b"x"); print(poll.poll(1)[0][1]); print(os.sendfile(w, os.open("all.py", os.O_RDONLY), 0, 6), os.read(r, 9))
pid, fd = os.forkpty() if False else (0, 0)
file = os.pidfd_open(os.getpid()); print(file > 0); os.close(file); print(os.memfd_create("x") > 0, stat.filemode(os.stat(".").st_mode), time.strftime("%Y", time.gmtime(0)))
print(pickle.loads(pickle.dumps({"a": decimal.Decimal("1.5")})), re.sub(r"(\w)(\w)", r"\2\1", "abcd"), struct.pack("<IH", 1, 2), json.dumps({"x": [1, None]}), len(platform.machine()) > 0)
END
python3.11 all.py""",
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
        for path in PYTHON_LIBRARY.glob("lib-dynload/*.so"):
            for library in files_of(path)[1:]:
                put_into(extra, library)
    if (folder / "bin/perl").exists():
        shutil.copytree(PERL_LIBRARY, extra / str(PERL_LIBRARY)[1:])
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
    needed = NEEDS.get(name, name)
    if f"/usr/bin/{needed}" in PROGRAMS and not (folder / "bin" / needed).exists():
        pytest.skip(f"{needed} is not installed")
    wanted = on_linux(folder, name)
    assert wanted[0] and "not found" not in wanted[0].replace("/not/there: not found", "")
    assert on_helix(guest, name) == wanted


# SPEC: Y3
def test_the_programs_miss_no_call_that_is_not_known(guest):
    """After all of them: the kernel's own list of calls that were asked for and do not exist."""
    guest.ask("n", r"asked for and do not exist:")
    said = guest.ask("n", r"asked for and do not exist:")
    guest.type("true")
    guest.expect(PROMPT)
    names = set(re.findall(r"^\W*(\w+) *\(\d+\)", guest.text[-3000:], re.MULTILINE))
    print("calls that programs asked for:", sorted(names))
    assert names <= ABSENT_ALLOWED
