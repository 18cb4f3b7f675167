"""What is in a slot exchanged many times under programs that use it and compare each byte, number and answer that they get.

The scheduler, the disk's driver and ext2 have campaigns of their own: test_scheduler_swaps.py, test_disk_swaps.py.
"""
import hashlib
import re

import pytest
from conftest import IS_SOAK, PATIENCE, USER_SPACE
from helix_shell import PROMPT, Shell
from swap_pauses import SWAPPER, pauses_of, report, swapping

SWAPS = 10000 if IS_SOAK else 40
LIMIT = 3 * 3600 if IS_SOAK else 5 * PATIENCE  # of a machine
# docs/hot-reload.md
HALF_US = 30000
MOST_US = 500000
HOOKS = "hooks=security,audit,metrics"
ZEROS = hashlib.md5(bytes(2000 * 701)).hexdigest()
GUEST = "su guest -c"
NUMBERS = 30  # printed for each line that is typed

# Until /tmp/stop is there, again and again; what is not as it should be is said. How often it was done, for who counts.
LOAD = """#!/bin/sh
n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    {body}
done > /tmp/said.$1 2>&1
{last}
echo $n > /tmp/rounds.$1
"""
# A call's result is the argument of the one before: of a record that is lost, doubled or out of order it is not. The shell
# makes three calls of a `umask N`.
CHAIN = """#!/bin/sh
exec < /helix/audit
touch /tmp/reading
awk 'BEGIN { for (i = 0; i < 512; i++) number[sprintf("0x%x", i)] = i }
/^dropped/ { dropped += substr($2, 7); last = "" }
/ umask\\(/ {
    match($0, /\\(.*\\)/)
    seen++
    if (last != "" && $NF != last) print "broken: " last ": " $0
    last = number[substr($0, RSTART + 1, RLENGTH - 2)]
    if (last == 511) exit
}
END { print "seen " seen + 0 " dropped " dropped + 0 }' > /tmp/chain
"""


def memory_load():
    return (f"[ \"$(dd if=/dev/zero bs=701 count=2000 2>/tmp/error | md5sum)\" = '{ZEROS}  -' ] || echo zero\n"
            "    echo gone > /dev/null || echo null\n"
            "    echo full 2>/tmp/error > /dev/full && echo full\n"
            "    [ -z \"$(cat /dev/null)\" ] || echo end")


class Campaign:
    """Modules that follow each other in a slot, programs that use it, and what has to be in the end."""
    load = last = ""  # what each of them does again and again, and when it is to stop
    loads = 2
    append = ""

    def __init__(self, shell, slot):
        self.shell = shell
        self.slot = slot

    def begin(self):
        """Before the programs."""

    def during(self):
        """Wait for the swaps, which write to /tmp/swaps.over when they are done."""
        self.shell.guest.type("until [ -e /tmp/swaps.over ]; do usleep 100000; done; echo swaps' are over'")
        self.shell.guest.expect("swaps are over", SWAPS * PATIENCE / 20)
        self.shell.guest.type("")

    def end(self, rounds):
        """After them; rounds is how often each went round."""


class Counter(Campaign):
    """No number of the demo slot's counter is lost or comes twice, whoever counts."""
    modules = ["demo 1.0.0", "demo_fragile 1.1.0", "demo_large 1.0.0", "demo_fragile 1.1.0"]
    load = "read number < /helix/counter && echo $number >> /tmp/numbers.$1 || echo not counted"

    def end(self, rounds):
        wrong = self.shell("sort -n /tmp/numbers.* | awk '$1 != NR { print NR, $1; exit } END { print \"numbers\", NR }'")
        assert wrong == f"numbers {sum(rounds)}"


class Memory(Campaign):
    """/dev/zero, /dev/null and /dev/full answer as ever."""
    modules = ["memory_devices 1.0.0", "memory_devices 1.1.0"]
    load = memory_load()


class Entropy(Campaign):
    """Random numbers go on, and none comes twice; after each resumption the module is asked."""
    modules = ["entropy 1.0.0", "entropy 1.1.0"]
    load = ("echo suspend > /helix/power && echo resume > /helix/power\n"
            "    head -c 16 /dev/urandom | od -An -tx8 >> /tmp/drawn || echo not drawn")
    loads = 1  # who suspends is told when it is suspended already

    def end(self, rounds):
        assert self.shell("sort /tmp/drawn | uniq | wc -l; wc -c < /tmp/drawn") == f"{rounds[0]}\n{rounds[0] * 35}"


class Console(Campaign):
    """What is typed arrives, and what is printed, each byte once and in order."""
    modules = ["serial 1.0.0", "serial 1.1.0"]
    loads = 0

    def during(self):
        guest = self.shell.guest
        begin = len(guest.text)
        guest.type("stty -echo; while [ ! -e /tmp/swaps.over ]; do echo '<ne''xt>'; read -r line; echo \"<$line>\"; "
                   f"seq {NUMBERS}; done; echo '<al''l>'; stty echo")
        wanted = ""
        while guest.expect(r"<(next|all)>\r*\n")[1] == "next":
            line = f"<line {len(wanted)} of what a person types{'!' * (len(wanted) % 40)}>"
            guest.type(line[1:-1])
            guest.expect(line)
            wanted += "<next>\n" + line + "\n" + "".join(f"{number}\n" for number in range(1, NUMBERS + 1))
        said = guest.text[begin:].replace("\r", "")
        assert said[said.index("\n<next>") + 1:] == wanted + "<all>\n"
        guest.expect(PROMPT)
        print(f"console: {len(wanted)} bytes said")


class Security(Campaign):
    """Who may not is refused each time, and who may is never refused."""
    modules = ["security 1.0.0", "security 1.1.0"]
    append = HOOKS
    load = (f"[ \"$({GUEST} 'rmdir /tmp/none' 2>&1)\" = \"rmdir: '/tmp/none': Permission denied\" ] || echo not refused\n"
            "    [ \"$(rmdir /tmp/none 2>&1)\" = \"rmdir: '/tmp/none': No such file or directory\" ] || echo refused")

    def begin(self):
        assert self.shell("echo 'call rmdir holders EACCES' > /helix/policy") == ""

    def end(self, rounds):
        counts = dict(re.findall(r"(\w+)=(\d+)", self.shell("grep security /helix/hooks")))
        assert (int(counts["refused"]), counts["alone"]) == (sum(rounds), "0")


class Audit(Campaign):
    """A reader gets each record once, in order, and is told of those that it was too slow for."""
    modules = ["audit 1.0.0", "audit 1.1.0"]
    append = HOOKS
    load = "umask $(printf %o $((n % 511)))"
    last = "umask 777"
    loads = 1

    def begin(self):
        self.shell("(chain; touch /tmp/read) &")
        self.shell("until [ -e /tmp/reading ]; do usleep 10000; done")

    def end(self, rounds):
        self.shell("until [ -e /tmp/read ]; do usleep 10000; done")
        said = self.shell("cat /tmp/chain")
        print("audit:", said)
        match = re.fullmatch(r"seen (\d+) dropped (\d+)", said)
        assert match, said
        assert int(match[1]) == 3 * (rounds[0] + 1) or int(match[2]) > 0
        assert "lost=0" in self.shell("grep audit /helix/hooks")


class Metrics(Campaign):
    """Each call is counted once, with its error."""
    modules = ["metrics 1.0.0", "metrics 1.1.0"]
    append = HOOKS
    load = "sync\n    rmdir /tmp/none 2>/tmp/error && echo removed"

    def begin(self):
        assert self.shell("echo reset > /helix/syscalls") == ""

    def end(self, rounds):
        counts = {row["call"]: (int(row["count"]), int(row["errors"])) for row in self.shell.table("syscalls")}
        assert (counts["sync"], counts["rmdir"]) == ((sum(rounds), 0), (sum(rounds), sum(rounds)))


# SLOT, campaign, gate, processors
CAMPAIGNS = [("demo", Counter, "user", 4), ("memory", Memory, "open", 4), ("entropy", Entropy, "user", 1),
             ("console", Console, "open", 4), ("hook.security", Security, "user", 4),
             ("hook.audit", Audit, "open", 1), ("hook.metrics", Metrics, "user", 1)]


@pytest.fixture(name="loaded")
def a_guest(boot, tmp_path):
    def start(kind, slot, gate, processors):
        (tmp_path / "bin").mkdir()
        for name, text in {"swapper": SWAPPER, "load": LOAD.format(body=kind.load, last=kind.last), "chain": CHAIN}.items():
            (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
            (tmp_path / "bin" / name).chmod(0o755)
        shell = Shell(boot(init=USER_SPACE, extra=tmp_path, smp=processors, timeout=LIMIT,
                           append=f"gate.{slot}={gate} {kind.append}"))
        # What the host lets a processor wait for is not what a swap is called off for.
        shell(f"echo drain_ms 30000 > /helix/slots/{slot}/options")
        return shell

    return start


# SPEC: R6
@pytest.mark.parametrize("slot, kind, gate, processors", CAMPAIGNS, ids=[row[0] for row in CAMPAIGNS])
def test_programs_see_nothing_of_swaps(loaded, slot, kind, gate, processors):
    shell = loaded(kind, slot, gate, processors)
    campaign = kind(shell, slot)
    campaign.begin()
    for i in range(kind.loads):
        shell(f"load {i} &")
    shell(f"({swapping(slot, SWAPS, kind.modules)} > /tmp/said.swaps 2>&1; touch /tmp/swaps.over) &")
    campaign.during()
    shell("touch /tmp/stop")
    shell(f"until [ $(ls /tmp | grep -c rounds) = {kind.loads} ]; do usleep 10000; done")
    rounds = [int(shell(f"cat /tmp/rounds.{i}")) for i in range(kind.loads)]
    print(f"{slot}: rounds of the load:", rounds)
    assert shell("cat /tmp/said.*") == ""
    campaign.end(rounds)
    pauses = pauses_of(shell, slot)
    assert len(pauses) >= SWAPS
    numbers = report(f"{slot}, {processors} CPUs, {gate} gate", pauses)
    assert numbers["p50"] <= HALF_US
    # Of four processors one may have none of the host for as long as that likes.
    assert pauses[int(len(pauses) * .99) - 1] <= MOST_US or processors > 1
    assert shell(f"cat /helix/slots/{slot}/deaths") == "0"
