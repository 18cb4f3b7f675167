"""Run Helix in QEMU and find out how it ended.

QEMU's own exit status cannot tell power-off from a triple fault, so two witnesses are heard: the
line `helix-exit: N` that the kernel writes to the debug console (port 0xe9) before it leaves, and
the reason in QEMU's SHUTDOWN event, read through a machine-protocol (QMP) socket.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from typing import List, Optional

from helixtools import child, iso
from helixtools.cpio import Archive

EXIT_EXPLAINED = 1
EXIT_USAGE = 2
EXIT_PANIC = 3
EXIT_TIMEOUT = 124

# What QEMU returns for v written to isa-debug-exit is (v << 1) | 1.
DEBUG_EXIT_DEVICE = "isa-debug-exit,iobase=0xf4,iosize=0x04"

MACHINES = ["q35", "pc", "microvm"]

# Debian's OVMF: the firmware, and a store for its variables, of which each run has its own.
UEFI_CODE = pathlib.Path("/usr/share/OVMF/OVMF_CODE.fd")
UEFI_VARIABLES = pathlib.Path("/usr/share/OVMF/OVMF_VARS.fd")

COUNTED = ["-icount", "shift=0,sleep=off",
           "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1"]


@dataclasses.dataclass
class Machine:
    """What to boot, and on what."""
    kernel: pathlib.Path
    initrd: Optional[pathlib.Path] = None
    append: str = ""
    extra: Optional[pathlib.Path] = None
    smp: int = 1
    memory: int = 256
    icount: bool = False
    timeout: Optional[float] = None
    display: bool = False
    reboots: int = 0
    gdb: bool = False
    push: Optional[pathlib.Path] = None
    disk: Optional[pathlib.Path] = None
    machine: str = "q35"
    iso: Optional[str] = None  # "bios" or "uefi": boot by GRUB from an image made of kernel, initrd and append
    qemu_args: str = ""

    def starts_kernel(self):
        """The last line on the firmware's port before the kernel runs; None: its firmware says nothing."""
        if self.machine == "microvm":
            return None
        return iso.GRUB_STARTS_KERNEL if self.iso else "Booting from ROM"


# What is to be seen twice, or by a debugger from the first instruction on, lies where it was linked.
NO_SLIDE = "nokaslr"


class Witness:
    """Follows QEMU's events and, where resets are allowed, the firmware's messages.

    One reset by the guest makes several RESET events where the firmware resets the machine again on
    its own; so boots are counted by what the firmware, or GRUB, says just before it starts the kernel.
    A firmware that says nothing resets nothing either, and the events are counted.
    """

    def __init__(self, reboots, starts_kernel):
        self._reboots = reboots
        self._starts_kernel = starts_kernel
        self._boots = 0
        self.reason = ""
        self._events, self.events_peer = socket.socketpair()
        self._firmware, self.firmware_peer = socket.socketpair()
        self._threads = [threading.Thread(target=_follow, args=source, daemon=True)
                         for source in ((self._events, self._note_event),
                                        (self._firmware, self._note_firmware))]
        self._send("qmp_capabilities")
        if starts_kernel is None:
            self._note_boot()

    def peers(self):
        """The file descriptors that QEMU inherits."""
        return [self.events_peer.fileno(), self.firmware_peer.fileno()]

    def start(self):
        """QEMU runs: its ends of the sockets are its own."""
        self.events_peer.close()
        self.firmware_peer.close()
        for thread in self._threads:
            thread.start()

    def finish(self):
        """QEMU has ended: hear its last words."""
        for thread in self._threads:
            thread.join(2)
        self._events.close()
        self._firmware.close()

    def _send(self, command, **arguments):
        message = {"execute": command, "arguments": arguments}
        self._events.sendall(json.dumps(message).encode() + b"\n")

    def _note_event(self, line):
        message = json.loads(line)
        if message.get("event") == "SHUTDOWN":
            self.reason = message.get("data", {}).get("reason", "")
        if message.get("event") == "RESET" and self._starts_kernel is None:
            self._note_boot()

    def _note_firmware(self, line):
        if self._starts_kernel is not None and self._starts_kernel in line:
            self._note_boot()

    def _note_boot(self):
        self._boots += 1
        if self._boots == self._reboots + 1:
            self._send("set-action", reboot="shutdown")


def _follow(connection, note):
    """Call note with each line until QEMU is gone; its end may break the connection at any moment."""
    with contextlib.suppress(OSError), connection.makefile("r", errors="replace") as lines:
        for line in lines:
            note(line)


def _serial_options(machine):
    if sys.stdin.isatty():
        first = ["-serial", "mon:stdio"]
    else:
        first = ["-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
    if machine.push is None:
        return first
    return first + ["-chardev", f"socket,id=com2,path={machine.push},server=on,wait=off",
                    "-serial", "chardev:com2"]


def _reset_options(machine, witness):
    if machine.reboots == 0:
        return ["-no-reboot"]
    return ["-chardev", f"socket,id=firmware,fd={witness.firmware_peer.fileno()}",
            "-device", f"isa-debugcon,iobase={iso.WITNESS_PORT:#x},chardev=firmware"]


def _disk_options(machine):
    if machine.disk is None:
        return []
    path = str(machine.disk).replace(",", ",,")
    return ["-drive", f"if=none,id=disk,format=raw,file={path}",
            "-device", "virtio-blk-pci,drive=disk,disable-legacy=on"]


def missing_for_iso(firmware):
    """What it takes to boot by GRUB with this firmware, and is not there."""
    files = [UEFI_CODE, UEFI_VARIABLES] if firmware == "uefi" else []
    return iso.missing_tools() + [str(file) for file in files if not file.is_file()]


def _command_line(machine):
    """The kernel's; what follows a bare -- is process 1's."""
    if not (machine.icount or machine.gdb) or NO_SLIDE in machine.append.split():
        return machine.append
    options, separator, others = machine.append.partition(" -- ")
    return f"{options} {NO_SLIDE}{separator}{others}"


def _iso_options(machine, initrd, folder):
    image = os.path.join(folder, "helix.iso")
    iso.write(image, machine.kernel, initrd, _command_line(machine))
    options = ["-cdrom", image, "-boot", "d", "-nic", "none"]  # nothing is looked for in a network
    if machine.iso == "uefi":
        variables = shutil.copyfile(UEFI_VARIABLES, os.path.join(folder, "variables.fd"))
        options += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={UEFI_CODE}",
                    "-drive", f"if=pflash,unit=1,format=raw,file={variables}"]
    return options


def _kernel_options(machine, folder):
    initrd = _lay_over(machine, folder)
    if machine.iso:
        return _iso_options(machine, initrd, folder)
    return (["-kernel", str(machine.kernel), "-append", _command_line(machine)]
            + (["-initrd", str(initrd)] if initrd else []))


def _screen_options(machine):
    """GRUB sets a screen up; without it there is one where somebody looks at it."""
    has_screen = machine.display or machine.iso
    return ["-vga", "std" if has_screen else "none"] + ([] if machine.display else ["-display", "none"])


def qemu_command(machine: Machine, folder: str, debug_console: str, witness: Witness) -> List[str]:
    """QEMU's command line; the folder is for what has to be made."""
    command = ["qemu-system-x86_64", "-M", machine.machine, "-m", str(machine.memory),
               "-smp", str(machine.smp), "-cpu", "max,erms=off" if machine.icount else "max",
               *_kernel_options(machine, folder),
               "-device", DEBUG_EXIT_DEVICE, "-debugcon", f"file:{debug_console}",
               "-chardev", f"socket,id=qmp,fd={witness.events_peer.fileno()}",
               "-mon", "chardev=qmp,mode=control"]
    command += _serial_options(machine)
    command += COUNTED if machine.icount else []
    command += _screen_options(machine)
    command += _disk_options(machine)
    command += _reset_options(machine, witness)
    command += ["-s", "-S"] if machine.gdb else []
    return command + shlex.split(machine.qemu_args)


def _lay_over(machine, folder):
    """The initrd to load: the machine's, followed by an archive of the extra folder if there is one."""
    if machine.extra is None:
        return machine.initrd
    archive = Archive()
    archive.add_tree(machine.extra)
    base = machine.initrd.read_bytes() if machine.initrd else b""
    path = pathlib.Path(folder) / "initrd.cpio"
    path.write_bytes(base + archive.bytes())
    return path


def _wait(process, timeout):
    """QEMU's exit status, None when the time was up."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def explain(text):
    print(f"run: {text}", file=sys.stderr)


def verdict(qemu_status, reason, debug_text, machine):
    """Our exit status for the way the guest ended, explained on standard error unless it is clean."""
    if qemu_status is None:
        explain(f"time is up after {machine.timeout:g} s")
        return EXIT_TIMEOUT
    exits = re.findall(r"^helix-exit: (\d+)$", debug_text, re.MULTILINE)
    if exits:
        return int(exits[-1])
    if qemu_status == 0 and reason == "guest-shutdown":
        return 0
    if qemu_status == (EXIT_PANIC >> 1) << 1 | 1:
        return EXIT_PANIC
    if qemu_status == 0 and reason == "guest-reset":
        explain(f"the guest was reset, or died of a triple fault, after {machine.reboots} allowed "
                "resets; --reboots N allows N")
    elif qemu_status == 0 and reason.startswith("host-"):
        explain(f"QEMU was told to end from outside ({reason})")
    else:
        explain(f"QEMU ended with status {qemu_status}, reason {reason or 'unknown'}, "
                "and the guest did not say that it powers off")
    return EXIT_EXPLAINED


def _read_if_there(path):
    with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii", errors="replace") as file:
        return file.read()
    return ""


class Ending:
    """Has QEMU end when we are told to. (An exception out of the handler could leave a lock of subprocess's taken.)"""

    def __init__(self):
        self.number = 0
        self._process = None
        for number in signal.SIGTERM, signal.SIGHUP:
            signal.signal(number, self._hear)

    def _hear(self, number, frame):
        self.number = number
        if self._process is not None:
            self._process.terminate()

    def concerns(self, process):
        self._process = process
        if self.number:
            process.terminate()


def run(machine: Machine) -> int:
    """Boot the machine; standard output is the guest's first serial port. Returns the exit status."""
    ending = Ending()
    with tempfile.TemporaryDirectory(prefix="helix-run-") as folder:
        debug_console = os.path.join(folder, "debug-console")
        witness = Witness(machine.reboots, machine.starts_kernel())
        command = qemu_command(machine, folder, debug_console, witness)
        with subprocess.Popen(child.ENDS_WITH_US + command, pass_fds=witness.peers()) as process:
            ending.concerns(process)
            witness.start()
            status = _wait(process, machine.timeout)
        witness.finish()
        if ending.number:
            return 128 + ending.number
        return verdict(status, witness.reason, _read_if_there(debug_console), machine)
