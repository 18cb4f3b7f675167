"""Who may do what: each privilege is tried without it, with it alone, and after it was taken back (SPEC A5)."""
import re
import subprocess

import pytest
from conftest import ROOT, USER_SPACE
from helix_shell import Shell

USER = 4321
LIST = (ROOT / "subsys/access/privilege_list.h").read_text(encoding="utf-8")
PRIVILEGES = dict(re.findall(r'X\(PRIVILEGE_\w+, \d+, "(\w+)", HX_(\w+),', LIST))
ERRNO = {"EPERM": 1, "EACCES": 13}
# What is behind a privilege and empty: the error of who may.
OPENS_NOTHING = {"module": 38, "raw_io": 38, "files": 61}
# Tried by tests/host/tty/test_terminal.c: here it would take the terminal from the shell.
NOT_HERE = {"terminal"}

# try NAME: becomes an ordinary user, tries the act, prints the error's number.
TRIES = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int raise_limit(void)
{
    struct rlimit limit = {1000, 1000};
    setrlimit(RLIMIT_CORE, &limit);
    limit.rlim_max = 2000;
    return setrlimit(RLIMIT_CORE, &limit);
}
static int set_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return clock_settime(CLOCK_REALTIME, &now);
}
static int bind_low(void)
{
    struct sockaddr_in low = {.sin_family = AF_INET, .sin_port = htons(80)};
    low.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&low, sizeof(low));
}
static int set_up(void)
{
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request);
}
static int attempt(const char *act)
{
    char target[100];
#define ACT(name, call) if (strcmp(act, name) == 0) return (int)(call)
    ACT("power", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0));
    ACT("mount", mount("none", "/tmp/place", "tmpfs", 0, ""));
    ACT("chroot", chroot("/tmp/place"));
    ACT("clock", set_clock());
    ACT("name", sethostname("helix", 5));
    ACT("signal", kill(1, 0));
    ACT("identity", setuid(USER + 1));
    ACT("device", mknod("/tmp/place/device", S_IFCHR | 0600, makedev(1, 3)));
    ACT("limit", raise_limit());
    ACT("priority", setpriority(PRIO_PROCESS, 0, -5));
    ACT("inspect", readlink("/proc/1/cwd", target, sizeof(target)));
    ACT("module", syscall(SYS_delete_module, "none", 0));
    ACT("raw_io", syscall(SYS_iopl, 3));
    ACT("log", syscall(SYS_syslog, 5, 0, 0));
    ACT("port", bind_low());
    ACT("network", set_up());
    ACT("files", removexattr("/tmp/place", "trusted.none"));
    ACT("kmsg", open("/tmp/kmsg", O_RDONLY));
    return -2;
}
int main(int count, char **words)
{
    (void)count;
    if (setgroups(0, 0) != 0 || setresgid(USER, USER, USER) != 0 || setresuid(USER, USER, USER) != 0) {
        return 1;
    }
    int result = attempt(words[1]);
    printf("%s: %d\n", words[1], result >= 0 ? 0 : result == -1 ? errno : -1);
    return 0;
}
"""


@pytest.fixture(scope="module", name="shell")
def a_shell(boot_once, tmp_path_factory):
    folder = tmp_path_factory.mktemp("privileges")
    (folder / "bin").mkdir()
    source = folder / "try.c"
    source.write_text(TRIES)
    subprocess.run(["musl-gcc", "-static", "-O1", f"-DUSER={USER}", "-o", folder / "bin/try", source],
                   check=True)
    source.unlink()
    run = Shell(boot_once(init=USER_SPACE, extra=folder))
    run(f"change() {{ echo $1 user:{USER} $2 ${{3:-}} > /helix/caps; echo $?; }}")
    run(f"all='{' '.join(PRIVILEGES)}'")
    run("others() { for p in $all; do [ $p = $2 ] || change $1 privilege:$p $(rights $1); done; }")
    run("rights() { [ $1 = revoke ] || echo execute; }")
    run("mkdir -m 777 /tmp/place; mknod -m 666 /tmp/kmsg c 1 11")
    return run


def change(shell, command, resource, rights=""):
    assert shell(f"change {command} {resource} {rights}") == "0"


def change_others(shell, command, name):
    assert shell(f"others {command} {name}").split() == ["0"] * (len(PRIVILEGES) - 1)


def without(shell, act, resource, rights, error):
    assert shell(f"try {act}") == f"{act}: {error}"
    last = shell("tail -n +2 /helix/refusals | head -1").split()
    assert last[2] in (f"user:{USER}", "?")
    assert last[3:] == ["HX_EPERM" if error == 1 else "HX_EACCES", resource, rights]


# SPEC: A5
def test_nothing_but_the_modes_of_files_asks_for_user_0():
    # chown, chmod, utimes; walking and opening; making links and names.
    modes = {"abi/linux/stat_calls.c", "subsys/vfs/file_open.c", "subsys/vfs/path.c", "subsys/vfs/vnode.c",
             "subsys/vfs/path_change.c", "subsys/vfs/credentials.h"}
    asking = {str(path.relative_to(ROOT)) for folder in ("abi", "subsys")
              for path in (ROOT / folder).rglob("*.[ch]") if "credentials_are_root" in path.read_text(encoding="utf-8")}
    assert asking == modes


def test_the_tests_try_every_privilege():
    assert set(PRIVILEGES) == set(re.findall(r'ACT\("(\w+)"', TRIES)) - {"kmsg"} | NOT_HERE


# SPEC: A5
@pytest.mark.parametrize("name", sorted(set(PRIVILEGES) - NOT_HERE))
def test_an_act_needs_its_privilege_and_no_other(shell, name):
    resource = f"privilege:{name}"
    error = ERRNO[PRIVILEGES[name]]
    without(shell, name, resource, "execute", error)
    change_others(shell, "grant", name)
    without(shell, name, resource, "execute", error)
    change_others(shell, "revoke", name)
    change(shell, "grant", resource, "read,write,control")
    without(shell, name, resource, "execute", error)
    change(shell, "grant", resource, "execute")
    assert shell(f"try {name}") == f"{name}: {OPENS_NOTHING.get(name, 0)}"
    shell("umount /tmp/place; rm -f /tmp/place/device")
    change(shell, "revoke", resource)
    without(shell, name, resource, "execute", error)


# SPEC: A5
def test_a_raw_device_needs_more_than_its_mode(shell):
    without(shell, "kmsg", "device:kmsg", "read", 1)
    change(shell, "grant", "device:kmsg", "write")
    without(shell, "kmsg", "device:kmsg", "read", 1)
    change(shell, "grant", "device:kmsg", "read")
    assert shell("try kmsg") == "kmsg: 0"
    change(shell, "revoke", "device:kmsg")
    without(shell, "kmsg", "device:kmsg", "read", 1)


# SPEC: A3 A5
def test_what_was_passed_on_goes_with_what_it_came_from(shell):
    change(shell, "grant", "privilege:name", "execute,delegate")
    change(shell, "grant", "control:caps", "write")
    given = shell("su -s /bin/sh -c 'echo grant user:7 privilege:name execute > /helix/caps' nobody; echo $?")
    assert given.endswith("1")  # another user holds nothing of it
    change(shell, "revoke", "privilege:name")
    change(shell, "revoke", "control:caps")


# SPEC: A5
def test_a_confined_superuser_keeps_what_it_named_alone(shell):
    said = shell("sh -c 'echo privilege:name execute > /helix/confine; tail -n +2 /helix/self; "
                 "hostname helix && echo named; kill -0 1 && echo same user; reboot -f; "
                 "cat /helix/caps; su guest -c id; echo done'")
    assert "privilege:name" in said and "named" in said and "done" in said
    assert said.count("control:") == 0
    assert "Operation not permitted" in said and "Permission denied" in said
    assert "uid=1000" not in said


# SPEC: A5
def test_commands_that_are_none_change_nothing(shell):
    before = shell("cat /helix/caps")
    for line, error in (("", "Invalid argument"), ("grant", "Invalid argument"),
                        ("grant user:1 privilege:name", "Invalid argument"),
                        ("grant user:1 privilege:name reed", "Invalid argument"),
                        ("grant user:1 privilege:nothing read", "No such file"),
                        ("grant user:1 nothing:name read", "No such file"),
                        ("grant user:x privilege:name read", "Invalid argument"),
                        ("grant process:99999 privilege:name read", "No such file"),
                        ("grant kernel privilege:name read", "Invalid argument"),
                        ("revoke user:99 privilege:name", "No such file"),
                        ("revoke root privilege:name more", "Invalid argument")):
        assert error in shell(f"echo '{line}' > /helix/caps")
    assert shell("cat /helix/caps") == before
