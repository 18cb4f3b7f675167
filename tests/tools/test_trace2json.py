"""tools/trace2json: from the text of /helix/trace to trace events."""
import json
import pathlib
import subprocess

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/trace2json"

TEXT = """helix:~# cat /helix/trace\r
       time_ns  cpu  thread  name          kind        details\r
       1000000    0      61  sh            return      write result=6\r
       1001000    0      61  sh            call        pipe2 first=0x10 third=0x0\r
       1002000    0      61  sh            interrupt   timer vector=240 at=vm_fork+0x58\r
       1003500    0      61  sh            resume      timer vector=240 handled\r
       1004000    0      61  sh            return      pipe2 result=0\r
       1005000    1       2  boot/1        switch      to=65 idle\r
       1006000    1      65  ls            name        ls\r
       1007000    1      65  ls            call        write first=0x1 third=0x4\r
       1009000    1      65  ls            switch      to=2 waits\r
       1010000    0      61  sh            mark        hello you\r
helix:~# \r
"""


def convert(text):
    return subprocess.run([TOOL], input=text, text=True, capture_output=True, check=False)


def events_of(text):
    result = convert(text)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["traceEvents"]


def spans(events, group):
    return [(event["ph"], event["tid"], event["ts"], event["name"]) for event in events
            if event["pid"] == group and event["ph"] in "BE"]


def test_a_call_is_a_span_on_its_threads_row():
    found = spans(events_of(TEXT), 2)
    assert ("B", 61, 1001.0, "pipe2") in found and ("E", 61, 1004.0, "pipe2") in found


def test_an_interrupt_is_a_span_on_its_cpus_row():
    assert spans(events_of(TEXT), 1) == [("B", 1, 1002.0, "timer"), ("E", 1, 1003.5, "timer")]


def test_threads_run_on_cpus_between_their_switches():
    runs = [(event["tid"], event["ts"], event["dur"], event["name"]) for event in events_of(TEXT)
            if event["ph"] == "X"]
    assert (2, 1000.0, 5.0, "boot/1 2") in runs
    assert (2, 1005.0, 4.0, "ls 65") in runs
    assert (0, 1000.0, 10.0, "sh 61") in runs


def test_every_span_that_begins_ends_and_none_ends_that_has_not_begun():
    for group in (1, 2):
        open_spans = {}
        for phase, row, _, name in spans(events_of(TEXT), group):
            if phase == "B":
                open_spans.setdefault(row, []).append(name)
            else:
                assert open_spans[row].pop() == name
        assert not any(open_spans.values())


def test_moments_and_names_are_there():
    events = events_of(TEXT)
    assert [event["name"] for event in events if event["ph"] == "i"] == ["name ls", "mark hello you"]
    assert "ls 65" in [event["args"]["name"] for event in events if event["name"] == "thread_name"]


def test_a_text_without_a_trace_is_refused():
    result = convert("helix:~# cat /helix/trace\nPermission denied\n")
    assert result.returncode == 1 and "no row" in result.stderr
