"""Somebody types at the shell on the serial line: the terminal, job control, and the ways to leave."""
import re

import pytest
from conftest import USER_SPACE

PROMPT = r"helix:\S+# "
QUERY = "\x1b[6n" # busybox asks the terminal where its cursor is


class Shell:
    """The prompt of a guest."""

    def __init__(self, guest):
        self.guest = guest
        guest.expect(PROMPT)

    def run(self, line):
        """What a command prints."""
        self.guest.type(line)
        return self.rest(echo=line)

    def rest(self, echo=""):
        """What comes until the next prompt, without the echo of the line."""
        before = len(self.guest.text)
        self.guest.expect(PROMPT)
        said = self.guest.text[before:].replace(QUERY, "").replace("\r", "")
        said = re.sub(PROMPT + "$", "", said)
        return said.removeprefix(echo).removeprefix("\n")

    def key(self, letter):
        """Press control and a letter."""
        self.guest.press(chr(ord(letter) - ord("A") + 1))


@pytest.fixture(name="shell")
def a_shell(boot):
    return Shell(boot(init=USER_SPACE))


@pytest.fixture(scope="module", name="same")
def a_shell_for_all(boot_once):
    return Shell(boot_once(init=USER_SPACE))


def test_the_prompt_comes_with_a_few_words_for_the_newcomer(boot):
    guest = boot(init=USER_SPACE)
    shell = Shell(guest)
    assert "This is Helix" in guest.text
    assert "/root" in shell.run("pwd")


# SPEC: K5
def test_the_version_is_the_kernels(same):
    assert same.run("uname -r").endswith("-helix-0.1.0-alpha\n")


def test_a_pipeline_of_ten(same):
    assert same.run("seq 99|cat|cat|cat|grep 7|sed s/7/x/|sort|uniq|tail -n5|wc -l") == "5\n"


def test_a_here_document_is_typed_line_by_line(same):
    same.guest.type("cat <<END | tr a-z A-Z")
    same.guest.expect("> ")
    same.guest.type("some words")
    same.guest.expect("> ")
    same.guest.type("END")
    assert same.rest().endswith("SOME WORDS\n")


def test_the_exit_code_is_kept(same):
    same.run("sh -c 'exit 42'")
    assert same.run("echo $?") == "42\n"


# What a key is to reach has to run already.
UNDER_WAY = "\nunder way\r*\n"


def test_control_c_ends_the_program_and_not_the_shell(same):
    same.guest.type("sh -c 'echo under way; exec sleep 1000'")
    same.guest.expect(UNDER_WAY)
    same.key("C")
    same.rest()
    assert same.run("echo $?") == "130\n"


def test_control_c_ends_a_whole_pipeline(same):
    same.guest.type("(echo under way; sleep 1000) | cat | cat")
    same.guest.expect(UNDER_WAY)
    same.key("C")
    same.rest()
    assert same.run("ps | grep -c '[s]leep 1000'") == "0\n"


def test_control_c_throws_a_line_away(same):
    same.guest.press("echo half a li")
    same.guest.expect("half a li")
    same.key("C")
    same.rest()
    assert same.run("echo whole") == "whole\n"


def test_control_d_is_the_end_of_the_input(same):
    same.guest.type("echo under way; cat | wc -l")
    same.guest.expect(UNDER_WAY)
    same.guest.type("one")
    same.guest.type("two")
    same.guest.expect("two")
    same.key("D")
    assert same.rest().strip().endswith("2")


def test_erase_and_kill_edit_a_line_of_a_program(same):
    same.guest.type("echo under way; read -r line; echo \"<$line>\"")
    same.guest.expect(UNDER_WAY)
    same.guest.press("wrong\x15abcx\x7fd")
    same.guest.type("")
    assert same.rest().strip().endswith("<abcd>")


def test_control_z_stops_and_the_job_goes_on(same):
    same.guest.type("sh -c 'trap \"echo goes on; echo > /tmp/went\" CONT; echo under way; while :; do sleep 0.1; done'")
    same.guest.expect(UNDER_WAY)
    same.key("Z")
    assert "Stopped" in same.rest()
    assert "sleep 0.1" in same.run("bg")
    same.run("until [ -e /tmp/went ]; do sleep 0.05; done")
    assert "Running" in same.run("jobs")
    same.guest.type("fg")
    same.guest.expect("goes on\r")
    same.key("C")
    same.rest()
    assert same.run("jobs") == ""


def test_a_job_in_the_background_may_write_and_is_reported(same):
    same.run("(sleep 0.2; echo from behind) & wait")
    assert "from behind" in same.guest.text


def test_a_job_in_the_background_that_reads_the_terminal_is_stopped(same):
    same.run("cat > /dev/null & sleep 0.5")
    assert "Stopped" in same.run("jobs")
    same.run("kill %1; kill -CONT %1; wait")


def test_without_echo_nothing_is_shown(same):
    same.guest.type("stty -echo; echo under way; read -r secret; stty echo; echo \"<$secret>\"")
    same.guest.expect(UNDER_WAY)
    before = len(same.guest.text)
    same.guest.type("open sesame")
    assert "<open sesame>" in same.rest()
    assert same.guest.text[before:].count("open sesame") == 1


def test_the_window_has_the_size_it_was_given(same):
    same.run("stty rows 33 cols 77")
    assert same.run("stty size") == "33 77\n"
    same.run("stty rows 24 cols 200")


def test_the_shell_starts_again_when_it_ends(same):
    same.guest.type("exit")
    same.guest.expect("This is Helix")
    same.rest()
    assert same.run("echo back") == "back\n"


def test_a_program_that_faults_leaves_the_system_alone(same):
    assert "Segmentation fault" in same.run("sh -c 'kill -SEGV $$'")
    assert same.run("echo alive") == "alive\n"


def test_poweroff_switches_the_machine_off(shell):
    shell.guest.type("poweroff")
    assert shell.guest.end() == 0
    assert "error:" not in shell.guest.text and "warn:" not in shell.guest.text


# A process that sleeps, one that is stopped, one that computes, one that waits for a partner, one that minds no
# signal, and one whose children come and go.
STUBBORN = ["sleep 1000 &", "sleep 1000 & kill -STOP $!", "yes > /dev/null &",
            "mkfifo /tmp/pipe; cat /tmp/pipe &", "(trap '' TERM HUP; while :; do sleep 1; done) &",
            "while :; do true | true; done &"]


@pytest.mark.parametrize("command", ["poweroff", "poweroff -f"])
@pytest.mark.parametrize("processors", [1, 2])
def test_whatever_runs_the_machine_is_switched_off_in_order(boot, command, processors):
    shell = Shell(boot(init=USER_SPACE, smp=processors))
    for line in STUBBORN:
        shell.run(line)
    shell.guest.type(command)
    assert shell.guest.end() == 0
    assert "error:" not in shell.guest.text and "warn:" not in shell.guest.text


def test_reboot_boots_again(boot):
    guest = boot(init=USER_SPACE, reboots=1)
    Shell(guest).guest.type("reboot")
    guest.expect(r"helix 0\.1\.0-alpha\r*\n")
    Shell(guest).guest.type("poweroff")
    assert guest.end() == 0


def test_the_end_of_process_1_ends_the_system(boot):
    guest = boot(init="/bin/sh", append="exit=init")
    guest.expect("# ")
    guest.type("exit 5")
    assert guest.end() == 5


@pytest.mark.parametrize("processors", [2, 4])
def test_the_shell_works_on_several_processors(boot, processors):
    shell = Shell(boot(init=USER_SPACE, smp=processors))
    assert shell.run("nproc") == f"{processors}\n"
    shell.run("for i in 1 2 3 4 5 6 7 8; do seq 20000 | md5sum > /tmp/$i & done; wait")
    assert shell.run("cat /tmp/[1-8] | sort -u | wc -l") == "1\n"
