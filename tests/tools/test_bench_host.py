"""The comparison with other queues: how it is run, and what is made of the numbers. Needs no peer."""
import importlib.machinery
import importlib.util
import os
import stat

import pytest

from helixtools import peers, tree


@pytest.fixture(scope="module")
def tool():
    loader = importlib.machinery.SourceFileLoader("bench_host", str(tree.ROOT / "tools/bench-host"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_host", loader))
    loader.exec_module(module)
    return module


def write_peer(folder, name, size, script):
    """A program that does what a peer does: a shell script that sees the words of one run."""
    path = folder / f"{name}-{size}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(path, path.stat().st_mode | stat.S_IXUSR)


def results_of(times, instructions=None):
    results = peers.Results()
    results.times, results.instructions = times, instructions or {}
    return results


def test_only_the_loop_of_callgrinds_counts_is_taken():
    assert peers.read_instructions("version: 1\nevents: Ir\nfn=(1) x\n1 5\n\nsummary: 114028\n") == 114028
    assert peers.read_instructions("totals: 7\n") == 7
    with pytest.raises(ValueError):
        peers.read_instructions("version: 1\n")


def test_what_happens_once_is_no_part_of_a_pair(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "PROGRAMS", tmp_path)
    write_peer(tmp_path, "helix", 8, "true")
    monkeypatch.setattr(tool, "count_run", lambda program, rounds: 28 + 34 * rounds)
    results = peers.Results()
    tool.count_instructions(results, peers.PAIRS[0], ["helix", "ck"])
    assert results.instructions == {"pair_8": {"helix": (34, 2000)}}


def test_a_ratio_compares_runs_of_the_same_round():
    # The machine was ten times slower in the second round, for both.
    ratio = peers.ratios([20, 200, 20], [10, 100, 10])
    assert (ratio.low, ratio.middle, ratio.high) == (2, 2, 2)


def test_the_spread_is_that_of_the_middle_half():
    spread = peers.Spread.of([1, 2, 3, 4, 100])
    assert (spread.low, spread.middle, spread.high) == (2, 3, 4)
    assert str(peers.Spread.of([7.25])) == "7.25 (7.25 to 7.25)"


def test_lines_have_the_form_that_other_tools_read():
    results = results_of({"pair_8": {"helix": [10, 12], "ck": [20, 24]}},
                         {"pair_8": {"helix": (34, 2000)}})
    assert list(results.lines()) == ["bench: host_pair_8_helix 34 instructions 2000",
                                     "bench: host_pair_8_time_helix 11 ns 2",
                                     "bench: host_pair_8_time_ck 22 ns 2",
                                     "bench: host_pair_8_ratio_ck 2 times 2"]


def test_a_target_is_missed_where_the_numbers_miss_it():
    results = results_of({"pair_8": {"helix": [10], "ck": [9], "pipe": [500]},
                          "stream_1": {"helix": [10]}, "stream_4": {"helix": [21]},
                          "ping": {"helix": [5], "crossbeam": [6]}},
                         {"pair_8": {"helix": (38, 2000)}, "pair_64": {"helix": (58, 2000)}})
    met = {what: is_met for what, is_met, _ in results.targets()}
    assert met == {"pair_8 at most 37 instructions": False, "pair_64 at most 58 instructions": True,
                   "pair_8 less than ck": False, "pair_8 less than pipe": True,
                   "stream_4 at most twice stream_1": False, "ping less than crossbeam": True}
    assert "target: missed pair_8 less than ck: 0.9 (0.9 to 0.9) times ours" in results.target_lines()


def test_the_unbounded_queue_and_the_bare_ring_are_no_targets():
    results = results_of({"pair_8": {"helix": [10], "wfcqueue": [1], "bare": [1]}})
    assert not list(results.targets())
    assert any("unbounded" in line for line in results.table(peers.PAIRS[0]))


def test_runs_are_long_enough_to_go_round_the_ring_many_times():
    stream = peers.STREAMS[0]
    assert peers.next_count(stream, 1e9, 40) == stream.least > 50 * 256
    assert peers.next_count(stream, 0.001, 40) == stream.most
    assert peers.next_count(stream, 400, 40) == 100000


def test_every_peer_takes_its_turn_at_being_first_and_one_that_cannot_is_left_out(
        tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "PROGRAMS", tmp_path)
    for name in ("helix", "crossbeam"):
        write_peer(tmp_path, name, 8, f'echo {name} >>{tmp_path}/order; echo "1000000 $2"')
    write_peer(tmp_path, "ck", 8, f"exit {tool.CANNOT_BLOCK}")
    counts = tool.calibrate(peers.PING, ["helix", "ck", "crossbeam", "pipe"], 40)
    assert list(counts) == ["helix", "crossbeam"]
    (tmp_path / "order").unlink()
    for number in range(2):
        assert set(tool.time_round(peers.PING, counts, number)) == {"helix", "crossbeam"}
    assert (tmp_path / "order").read_text().split() == ["helix", "crossbeam", "crossbeam", "helix"]


def test_a_peer_that_loses_something_ends_the_comparison(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "PROGRAMS", tmp_path)
    write_peer(tmp_path, "helix", 8, "echo what was received is not what was sent >&2; exit 1")
    with pytest.raises(ValueError, match="not what was sent"):
        tool.calibrate(peers.PING, ["helix"], 40)


def test_each_peer_has_a_title_and_a_file():
    folder = tree.ROOT / "tests/bench-host/peers"
    for peer in peers.ALL:
        assert peers.TITLES[peer]
        assert any((folder / f"{peer}{kind}").exists() for kind in (".c", ".cpp", ".rs")), peer
