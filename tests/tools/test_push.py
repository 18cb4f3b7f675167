"""Files that are pushed arrive whole, or the sender hears why not.

The guest's half, user/receive.sh, runs here: on a pseudoterminal instead of the serial line."""
import hashlib
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEADLINE = 60


def carry(source, target):
    """Pass bytes on from one descriptor to the other until either ends."""
    try:
        while piece := os.read(source, 4096):
            while piece:
                piece = piece[os.write(target, piece):]
    except OSError:
        pass


def serve(listener, line):
    """The emulator's half: one connection at a time, its bytes to the line and back."""
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection:
            inwards = threading.Thread(target=carry, args=(connection.fileno(), line), daemon=True)
            inwards.start()
            while inwards.is_alive():
                if select.select([line], [], [], 0.05)[0]:
                    try:
                        connection.sendall(os.read(line, 4096))
                    except OSError:
                        break
            inwards.join()


class Guest:
    """The receiver with a root folder of its own, behind a socket."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.root.mkdir()
        self.socket = folder / "push"
        self.line, far_end = pty.openpty()
        self.receiver = subprocess.Popen(
            ["sh", ROOT / "user/receive.sh", os.ttyname(far_end), self.root],
            start_new_session=True)
        self.wait_until_raw(far_end)
        os.close(far_end)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen()
        threading.Thread(target=serve, args=(self.listener, self.line), daemon=True).start()

    @staticmethod
    def wait_until_raw(line):
        deadline = time.monotonic() + DEADLINE
        while " -icanon" not in subprocess.run(["stty", "-a"], stdin=line, capture_output=True,
                                               text=True, check=True).stdout:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def push(self, *arguments):
        return subprocess.run([sys.executable, ROOT / "tools/push", "--socket", self.socket,
                               *arguments], capture_output=True, text=True, timeout=DEADLINE,
                              check=False)

    def request(self, data):
        """What the receiver answers to these bytes."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(DEADLINE)
            line.connect(str(self.socket))
            line.sendall(data)
            return line.recv(4096).decode().strip()

    def stop(self):
        os.killpg(self.receiver.pid, signal.SIGTERM)
        self.receiver.wait()
        self.listener.close()
        os.close(self.line)


@pytest.fixture
def guest(tmp_path):
    if shutil.which("sha256sum") is None:
        pytest.skip("there is no sha256sum here")
    machine = Guest(tmp_path)
    yield machine
    machine.stop()


def test_files_and_folders_arrive_with_contents_and_permissions(guest, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(bytes(range(256)) * 1000)
    program.chmod(0o755)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/empty").touch()
    result = guest.push("--to", "/some/where", program, tmp_path / "folder")
    assert (result.returncode, result.stderr) == (0, "")
    arrived = guest.root / "some/where/program"
    assert arrived.read_bytes() == program.read_bytes()
    assert arrived.stat().st_mode & 0o777 == 0o755
    assert (guest.root / "some/where/folder/empty").read_bytes() == b""


def test_one_push_follows_another(guest, tmp_path):
    for text in "one", "two":
        (tmp_path / "note").write_text(text)
        assert guest.push(tmp_path / "note").returncode == 0
        assert (guest.root / "root/note").read_text() == text


def test_a_file_that_cannot_be_made_is_reported(guest, tmp_path):
    (guest.root / "root").write_text("not a folder")
    (tmp_path / "note").write_text("text")
    result = guest.push(tmp_path / "note")
    assert result.returncode == 1
    assert result.stderr.startswith("push: the guest: error ")


def test_damage_and_silence_are_noticed(guest):
    assert guest.request(b"noise\npush 4 0\nabcd") == "error the checksum differs"
    checksum = hashlib.sha256(b"abcd").hexdigest().encode()
    assert guest.request(b"push 4 " + checksum + b"\nab") == "error 2 of 4 bytes came"


def test_nobody_at_the_socket_is_explained(tmp_path):
    (tmp_path / "note").touch()
    result = subprocess.run([sys.executable, ROOT / "tools/push", "--socket", tmp_path / "none",
                             tmp_path / "note"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert str(tmp_path / "none") in result.stderr
