"""Sockets used by programs that were not written for the tests: busybox's, and Python's library."""
import base64
import re
import shutil
import subprocess

import pytest
from conftest import PATIENCE, ROOT, USER_SPACE
from test_dynamic import PYTHON_LEAVES_OUT, PYTHON_LIBRARY, files_of, put_into
from test_limits import an_outcome # noqa: F401: a fixture

PROMPT = r"helix:\S+# "
PYTHON = "/usr/bin/python3.11"
LOAD = ROOT / "build/userland/sockets_load"

# What each says is compared with Linux.
PYTHON_SCRIPTS = {
    "socket": """
import array, os, socket, struct, threading
a, b = socket.socketpair()
a.sendall(b"x" * 100000)
print(len(b.recv(100000, socket.MSG_WAITALL)), a.fileno() > 2, a.family.name, a.type.name)
reader, writer = os.pipe()
socket.send_fds(a, [b"here"], [writer])
message, files, flags, address = socket.recv_fds(b, 100, 3)
os.write(files[0], b"through"); print(message, len(files), os.read(reader, 10))
b.settimeout(0.05)
try: b.recv(1)
except TimeoutError as error: print(type(error).__name__, error)
a.close(); print(b.recv(1))
try: b.send(b"x")
except OSError as error: print(type(error).__name__)
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
def serve():
    taken, address = server.accept()
    with taken, taken.makefile("rwb") as file:
        for line in file:
            file.write(line.upper()); file.flush()
thread = threading.Thread(target=serve); thread.start()
with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = client.makefile("rw")
    for word in "one", "two": print(word, file=file, flush=True); print(file.readline())
    client.shutdown(socket.SHUT_WR); print(repr(file.readline()))
thread.join(); server.close()
try: socket.create_connection(("127.0.0.1", port))
except OSError as error: print(error)
one, two = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
one.bind(("127.0.0.1", 0)); two.sendto(b"letter", one.getsockname())
message, address = one.recvfrom(100); one.sendto(message + b" back", address); print(two.recv(100), address[0])
with socket.socket(socket.AF_UNIX) as server:
    server.bind("\\0helix python"); server.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\\0helix python")
        who = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        print(who[0] == os.getpid(), who[1:])
""",
    "servers": """
import http.client, http.server, os, socketserver, threading, xmlrpc.client, xmlrpc.server
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile: self.wfile.write(line[::-1].lstrip() + b"\\n")
for kind, address in ((socketserver.ThreadingTCPServer, ("127.0.0.1", 0)),
                      (socketserver.ForkingTCPServer, ("127.0.0.1", 0)),
                      (socketserver.ThreadingUnixStreamServer, "echo")):
    with kind(address, Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        import socket
        results = []
        def ask(n):
            with socket.socket(server.address_family) as client:
                client.connect(server.server_address)
                client.sendall(b"%d abc\\n" % n); client.shutdown(socket.SHUT_WR)
                results.append(client.makefile("rb").read())
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(kind.__name__, sorted(results))
        server.shutdown()
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words): pass
open("page", "w").write("contents" * 10000)
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_port)
    for path in "/page", "/missing":
        client.request("GET", path); answer = client.getresponse(); print(answer.status, len(answer.read()) > 100)
    client.close(); server.shutdown()
with xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False) as server:
    server.register_function(pow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with xmlrpc.client.ServerProxy("http://127.0.0.1:%d" % server.server_address[1]) as proxy: print(proxy.pow(3, 4))
    server.shutdown()
""",
    "asyncio": """
import asyncio, os, signal
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper()); await writer.drain()
    writer.close()
async def ask(port, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for k in range(5):
        writer.write(b"line %d of %d\\n" % (k, n)); answers.append(await reader.readline())
    writer.close(); await writer.wait_closed()
    return answers[-1]
class Letters(asyncio.DatagramProtocol):
    def connection_made(self, transport): self.transport = transport
    def datagram_received(self, data, address): self.transport.sendto(data + b"!", address)
class Heard(asyncio.DatagramProtocol):
    def __init__(self): self.heard = asyncio.get_running_loop().create_future()
    def datagram_received(self, data, address): self.heard.set_result(data)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(port, n) for n in range(20))))
    server.close(); await server.wait_closed()
    try: await asyncio.open_connection("127.0.0.1", port)
    except OSError as error: print(type(error).__name__)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Letters, local_addr=("127.0.0.1", 0))
    other, heard = await loop.create_datagram_endpoint(Heard, remote_addr=transport.get_extra_info("sockname"))
    other.sendto(b"letter"); print(await asyncio.wait_for(heard.heard, 20)); other.close(); transport.close()
    unix = await asyncio.start_unix_server(serve, "unix")
    reader, writer = await asyncio.open_unix_connection("unix")
    writer.write(b"by name\\n"); print(await reader.readline()); writer.close(); unix.close()
    child = await asyncio.create_subprocess_exec("/bin/dash", "-c", "read x; echo got $x; exit 3",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print(await child.communicate(b"text\\n"), child.returncode)
    done = asyncio.Event(); loop.add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1); await asyncio.wait_for(done.wait(), 20); print("heard")
    print(await loop.run_in_executor(None, sum, range(1000)))
asyncio.run(main())
""",
    "multiprocessing": """
import multiprocessing, multiprocessing.connection, os
def work(pipe, n):
    pipe.send({"square": n * n, "words": ["x"] * n}); print(pipe.recv(), flush=True); pipe.close()
def listen(listener):
    with listener.accept() as taken:
        while (got := taken.recv()) is not None: taken.send(got * 2)
context = multiprocessing.get_context("fork")
for n in 3, 5000:
    here, there = context.Pipe()
    child = context.Process(target=work, args=(there, n)); child.start()
    got = here.recv(); print(got["square"], len(got["words"])); here.send("done"); child.join(); print(child.exitcode)
for address in "listener", ("127.0.0.1", 0):
    with multiprocessing.connection.Listener(address, authkey=b"secret") as listener:
        child = context.Process(target=listen, args=(listener,)); child.start()
        with multiprocessing.connection.Client(listener.address, authkey=b"secret") as client:
            for value in 21, "ab", [1]: client.send(value); print(client.recv())
            client.send(None)
        child.join(); print(child.exitcode)
""",
}
ENVIRONMENT = {"PATH": "/bin:/usr/bin", "HOME": "/", "PYTHONHOME": "/usr", "LC_ALL": "C"}
GUEST_RUNNER = f"""#!/bin/sh
mkdir /work && cd /work || exit
env -i {" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())} \\
    {PYTHON} /python/use_$1.py > /tmp/said 2>&1 < /dev/null
echo $? > /tmp/status
cd /
echo "said""-begin"; base64 /tmp/said; echo "said""-end $(cat /tmp/status)"
rm -rf /work /tmp/said
"""


# --- Python ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", name="python_guest")
def a_guest_with_python(boot_once, tmp_path_factory):
    extra = tmp_path_factory.mktemp("extra")
    (extra / "python").mkdir()
    (extra / "bin").mkdir()
    for name, script in PYTHON_SCRIPTS.items():
        (extra / f"python/use_{name}.py").write_text(script.lstrip())
    for path in [*files_of("/bin/dash"), *files_of(PYTHON)]:
        put_into(extra, path)
    shutil.copytree(PYTHON_LIBRARY, extra / str(PYTHON_LIBRARY)[1:], ignore=PYTHON_LEAVES_OUT)
    (extra / "bin/run").write_text(GUEST_RUNNER)
    (extra / "bin/run").chmod(0o755)
    guest = boot_once(init=USER_SPACE, extra=extra, mem=1024)
    guest.expect(PROMPT)
    return guest


# SPEC: Y3
@pytest.mark.parametrize("name", PYTHON_SCRIPTS)
@pytest.mark.skipif(not shutil.which(PYTHON), reason="Python is not installed")
def test_pythons_library_says_the_same_as_on_linux(python_guest, tmp_path, name):
    script = tmp_path / f"use_{name}.py"
    script.write_text(PYTHON_SCRIPTS[name].lstrip())
    (tmp_path / "work").mkdir()
    wanted = subprocess.run([PYTHON, script], cwd=tmp_path / "work", env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
    assert wanted.returncode == 0, wanted.stdout.decode()
    python_guest.type(f"run {name}")
    said = python_guest.expect(r"said-begin\r*\n(.*)said-end (\d+)\r")
    python_guest.expect(PROMPT)
    text = base64.b64decode(re.sub(r"[^A-Za-z0-9+/=]", "", said[1])).decode(errors="replace")
    assert text == wanted.stdout.decode() and said[2] == "0"


# --- busybox --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", name="guest")
def a_guest(boot_once, tmp_path_factory):
    """With four processors, and the program that loads sockets."""
    extra = tmp_path_factory.mktemp("extra")
    (extra / "bin").mkdir()
    shutil.copy(LOAD, extra / "bin/sockets_load")
    guest = boot_once(init=USER_SPACE, extra=extra, smp=4)
    guest.expect(PROMPT)
    return guest


def run(guest, command):
    """What a command says. The marks are put together by the shell, so that the echo of the line is none."""
    guest.type(f"echo said''-begin; {command}; echo said''-end")
    said = guest.expect(r"said-begin\r*\n(.*?)said-end\r")
    guest.expect(PROMPT)
    return said[1].replace("\r", "")


# SPEC: Y3
def test_pages_travel_from_httpd_to_wget(guest):
    run(guest, "mkdir -p /tmp/www; echo a page > /tmp/www/index.html; dd if=/dev/urandom of=/tmp/www/large "
               "bs=1000 count=3000 2> /dev/null; httpd -p 127.0.0.1:8080 -h /tmp/www")
    assert "a page" in run(guest, "wget -q -O - http://127.0.0.1:8080/")
    sums = run(guest, "for n in 1 2 3; do wget -q -O - http://127.0.0.1:8080/large | md5sum; done; "
                      "md5sum < /tmp/www/large").split("\n")
    assert len({line.split()[0] for line in sums if line}) == 1 and len(sums) >= 4
    assert "404" in run(guest, "wget -O - http://127.0.0.1:8080/missing 2>&1")
    assert "refused" in run(guest, "wget -O - http://127.0.0.1:8081/ 2>&1")
    assert "unreachable" in run(guest, "wget -O - http://192.0.2.1/ 2>&1").lower()


def test_what_nc_is_told_comes_out_of_the_other_nc(guest):
    # Its input stays open for a while: at the end of it the other nc goes, whether it has said something or not.
    run(guest, "sleep 2 | nc -l -p 9000 > /tmp/got & true")
    said = run(guest, "until echo told | nc 127.0.0.1 9000 2> /dev/null; do true; done; wait; cat /tmp/got")
    assert "told\n" in said


def test_netstat_and_ifconfig_find_what_they_look_for(guest):
    run(guest, "nc -l -p 9100 < /dev/null > /dev/null & true")
    said = run(guest, "until netstat -an | grep -q 9100; do true; done; netstat -an")
    assert re.search(r"tcp +0 +0 0\.0\.0\.0:9100 +0\.0\.0\.0:\* +LISTEN", said)
    run(guest, "kill $!; wait $!; true")
    said = run(guest, "ifconfig lo; cat /proc/net/dev; route")
    assert "inet addr:127.0.0.1" in said and "Mask:255.0.0.0" in said and "LOOPBACK" in said
    assert "MTU:65536" in said and "Destination" in said


# SPEC: Q1
def test_a_process_has_so_many_ports_and_no_more(outcome):
    result = outcome("""
        #include <netinet/in.h>
        #include <sys/socket.h>
        static void bind_all(void)
        {
            int bound = 0;
            const struct sockaddr_in any = {.sin_family = AF_INET};
            while (bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof(any)) == 0) {
                bound++;
            }
            printf("ports %d, %s\\n", bound, strerror(errno));
            exit(bound);
        }
        int main(void)
        {
            return run(bind_all) == 3 << 8 && run(bind_all) == 3 << 8 ? 0 : 1;
        }""", append="limit.process-ports=3")
    assert result.returncode == 0
    assert result.stdout.count("ports 3, No buffer space available") == 2


# SPEC: Q3
def test_many_processes_at_once_lose_nothing(guest):
    said = run(guest, "sockets_load 4")
    assert "connections of TCP: 0 of them were wrong" in said
    assert "connections of Unix: 0 of them were wrong" in said
    sums = re.findall(r"messages of type (\d): 1200, sum (\w+)", said)
    assert [kind for kind, _ in sums] == ["2", "5"] and sums[0][1] == sums[1][1]
    assert "handed on 240 times, 0 were wrong" in said
    # Nothing is left but who serves pages.
    said = run(guest, "cat /proc/net/unix | wc -l; netstat -ant | grep -c ESTABLISHED")
    assert said.split() == ["1", "0"]
