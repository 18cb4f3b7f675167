"""/proc and /sys as busybox reads them, in the booted system."""
import re

import pytest
from conftest import USER_SPACE

PROMPT = r"helix:[^\n]*[$#] "
# A process in the background, once it runs its program.
SLEEP = "sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done"


class Shell:
    """The shell of process 1: each command's output, as text."""

    def __init__(self, guest):
        self._guest = guest
        self._count = 0
        guest.expect(PROMPT)

    def __call__(self, command):
        """Run a command line; its output without the terminal's carriage returns."""
        self._count += 1
        number = self._count
        # The quotes keep the echo of the line from looking like what it prints.
        self._guest.type(f"echo 'beg'in-{number}; {command}; echo; echo 'en'd-{number}")
        said = self._guest.expect(rf"(?s)begin-{number}\r*\n(.*?)\r*\nend-{number}\r")
        self._guest.expect(PROMPT)
        return said.group(1).replace("\r", "").rstrip("\n")


@pytest.fixture(name="shell", scope="module")
def a_shell(boot_once):
    return Shell(boot_once(init=USER_SPACE, smp=2))


def fields(text):
    """The lines "name: value" of a file."""
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.MULTILINE))


def test_ps_shows_every_process_with_its_arguments(shell):
    lines = shell(SLEEP + "; ps; kill $!").splitlines()
    assert any(re.match(r" +1 root +(\{\w+\} )?\S*init$", line) for line in lines)
    assert any(re.search(r"\d+ root +(\{sleep\} .*)?sleep 1000$", line) for line in lines)


def test_top_tells_memory_processor_and_load(shell):
    text = shell("top -bn1")
    assert re.search(r"Mem: [1-9]\d*K used, [1-9]\d*K free", text)
    assert re.search(r"CPU: +\d+% usr .* \d+% idle", text)
    assert re.search(r"Load average: \d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/\d+ \d+", text)
    assert re.search(r"^ +1 +0 root +S ", text, re.MULTILINE)


def test_free_and_uptime_add_up(shell):
    total, used, free, _, cached, _ = map(int, re.search(r"Mem:((?: +\d+){6})",
                                                         shell("free")).group(1).split())
    assert total > 100_000 and 0 < free < total and used + free + cached == total
    assert re.search(r" up \d+ min, .*load average: \d+\.\d\d, \d+\.\d\d, \d+\.\d\d",
                     shell("uptime"))
    up, idle = map(float, shell("cat /proc/uptime").split())
    assert 0 < up and 0 <= idle <= 2 * up


def test_mount_and_df_show_what_is_mounted(shell):
    text = shell("mount")
    for line in ("proc on /proc type proc (rw", "sysfs on /sys type sysfs (rw"):
        assert line in text
    shell("mkdir -p '/tmp/a b' && mount -t tmpfs x '/tmp/a b'")
    assert "x /tmp/a\\040b tmpfs rw 0 0" in shell("cat /proc/mounts")
    assert re.search(r"^\d+ \d+ 0:\d+ / /tmp/a\\040b rw - tmpfs x rw$",
                     shell("cat /proc/self/mountinfo"), re.MULTILINE)
    assert "/tmp/a b" in shell("df")
    shell("umount '/tmp/a b'")
    assert "040b" not in shell("cat /proc/mounts")
    shell("mount -t tmpfs '' '/tmp/a b'")  # no field is empty
    assert "none /tmp/a\\040b tmpfs rw 0 0" in shell("cat /proc/mounts")
    shell("umount '/tmp/a b'")


def test_status_and_stat_of_a_process_agree(shell):
    status = fields(shell("cat /proc/1/status"))
    stat = shell("cat /proc/1/stat").split()
    assert len(stat) == 52
    assert (status["Name"], status["Pid"], status["PPid"], status["Tgid"]) == ("init", "1", "0", "1")
    assert stat[:2] == ["1", "(init)"] and stat[3] == "0"
    assert status["State"] == "S (sleeping)" and stat[2] == "S"
    assert status["Uid"].split() == ["0"] * 4
    assert int(status["VmSize"].split()[0]) * 1024 == int(stat[22])
    assert int(shell("cat /proc/1/statm").split()[0]) * 4096 == int(stat[22])
    assert status["Threads"] == stat[19] == "1"


def test_links_lead_to_what_a_process_uses(shell):
    assert shell("readlink /proc/self/exe") == "/bin/busybox"
    assert shell("cd /etc; readlink /proc/$$/cwd; cd") == "/etc"
    assert shell("readlink /proc/1/root") == "/"
    assert re.search(r"^lrwx------ .* 0 -> /dev/\w+$", shell("ls -l /proc/$$/fd"), re.MULTILINE)
    assert shell("head -n 1 /proc/self/fd/0 < /etc/passwd").startswith("root:")
    assert re.fullmatch(r"pipe:\[\d+\]", shell("true | readlink /proc/self/fd/0"))
    assert shell("echo x > /tmp/f; exec 5< /tmp/f; rm /tmp/f; readlink /proc/$$/fd/5; "
                 "cat /proc/$$/fd/5; exec 5<&-") == "/tmp/f (deleted)\nx"
    assert "flags:\t0" in shell("cat /proc/self/fdinfo/0")


def test_memory_of_a_process_is_listed_and_read(shell):
    maps = shell("cat /proc/self/maps")
    assert re.search(r"^[0-9a-f]{8}-[0-9a-f]{8} r-xp [0-9a-f]{8} 00:\w\w \d+ +/bin/busybox$", maps,
                     re.MULTILINE)
    assert "[heap]" in maps and "[stack]" in maps
    assert re.search(r"Rss: +[1-9]\d* kB", shell("cat /proc/self/smaps"))
    assert "WHO=me" in shell("WHO=me sh -c \"tr '\\0' '\\n' < /proc/self/environ\"").splitlines()
    assert shell("cat /proc/self/cmdline | tr '\\000' '|'") == "cat|/proc/self/cmdline|"


def test_processes_are_found_and_killed_by_name(shell):
    shell("killall sleep; wait")
    assert shell(SLEEP + "; [ $(pidof sleep) = $! ] && echo found") == "found"
    assert shell("killall sleep; wait; pidof sleep || echo none").endswith("none")


def test_what_is_private_is_for_the_owner_alone(shell):
    asked = "for f in environ maps exe; do cat /proc/1/$f > /dev/null 2>&1 && echo $f; done"
    assert shell(f"su nobody -s /bin/sh -c '{asked}; ls /proc/1/fd; cat /proc/1/comm'") \
        .splitlines()[-2:] == ["ls: can't open '/proc/1/fd': Permission denied", "init"]
    assert shell(asked).split() == ["environ", "maps", "exe"]


def test_the_name_of_a_process_can_be_changed_by_itself_alone(shell):
    assert shell("sh -c 'echo other > /proc/self/comm; read n < /proc/self/comm; echo $n'") == "other"
    assert shell(SLEEP + "; echo other > /proc/$!/comm; cat /proc/$!/comm; kill $!") \
        .endswith("sleep")


def test_settings_are_shown_and_changed(shell):
    assert shell("cat /proc/sys/kernel/ostype") == "Linux"
    assert shell("cat /proc/sys/kernel/osrelease") == shell("uname -r")
    shell("sysctl -w kernel.hostname=other")
    assert shell("hostname") == "other"
    shell("hostname helix")
    assert shell("sysctl -n kernel.hostname") == "helix"
    uuids = {shell("cat /proc/sys/kernel/random/uuid") for _ in range(2)}
    assert len(uuids) == 2
    for uuid in uuids:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                            uuid)
    assert shell("cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/boot_id | uniq | wc -l") \
        == "1"


def test_a_file_that_is_open_ends_with_its_process(shell):
    assert "No such process" in shell(
        SLEEP + "; exec 7< /proc/$!/status; kill $!; wait; cat <&7; exec 7<&-")
    assert "No such file" in shell(
        SLEEP + "; cd /proc/$!; kill $!; wait; cat status; cd")


def test_the_cpus_are_in_sysfs(shell):
    assert shell("cd /sys/devices/system/cpu; cat online possible present cpu1/online; cd") \
        .split() == ["0-1", "0-1", "0-1", "1"]
    assert shell("ls /sys").split() == ["block", "class", "dev", "devices", "kernel", "power"]
    assert shell("mdev -s && echo done") == "done"
    assert shell("grep -c ^processor /proc/cpuinfo; grep -c '^cpu[0-9]' /proc/stat") == "2\n2"


def test_all_of_proc_is_read_while_processes_come_and_go(shell):
    shell("{ ( while [ ! -e /tmp/stop ]; do ( : ) & ( true | true ); wait; done ) > /dev/null & }")
    for _ in range(3):
        found = int(shell("find /proc -type f ! -path '*/fd/*' -exec cat {} + 2> /dev/null | wc -c"))
        assert found > 10_000
        shell("ls -lR /proc > /dev/null 2>&1")
        shell("ps > /dev/null; top -bn1 > /dev/null")
    shell("touch /tmp/stop; wait; rm /tmp/stop")
    assert shell("echo alive") == "alive"
