"""The gate: a module dies in every way there is, through both backends, and the kernel lives."""
import re

import pytest

BACKENDS = ["open", "user"]
CRASHES = {
    "a write to nowhere": "exception: page fault",
    "a division by zero": "exception: divide error",
    "interrupts switched off": "(returned with the interrupt flag changed|exception: general protection)",
    "an endless loop": "missed its deadline",
    "an illegal instruction": "exception: invalid opcode",
    "a jump to nowhere": "exception: page fault",
    "a stack that overflows": "exception: (stack overflow|page fault)",
    "giving up": "failed an assertion",
}


@pytest.fixture(scope="module", name="tour")
def a_guest_after_the_tour(boot_once):
    guest = boot_once(append="tour", smp=2).until_running()
    guest.expect("tour: the kernel runs on")
    return guest


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_that_go_well_are_answered(tour, backend):
    assert re.search(rf"tour: {backend}: 40 \+ 2: answer 42\r", tour.text)
    assert re.search(rf"demo: hello from a module\s+tour: {backend}: a line in the log: answer 0\r",
                     tour.text)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_ends_the_call_and_is_reported_with_its_cause(tour, backend, crash):
    assert re.search(rf"warn: module demo: {CRASHES[crash]}[^\r\n]*\s+"
                     rf"tour: {backend}: {crash}: the callee died during the call\r", tour.text)


def test_the_kernel_goes_on_and_counts_the_deaths(tour):
    tour.ask("g", rf"slot demo: demo 1\.0\.0, open gate, [^\r\n]*{2 * len(CRASHES)} deaths")
    tour.ask("s", r"state Running, phase Running")
    assert "PANIC" not in tour.text


def test_the_tour_can_be_taken_again_by_key_with_the_same_end(tour):
    tour.ask("d", "tour: the kernel runs on")
    tour.ask("g", rf"slot demo: [^\r\n]*{4 * len(CRASHES)} deaths")
    tour.ask("s", r"modules 1\.0\.0 healthy")


def test_the_option_gate_makes_a_slot_unprivileged(boot):
    guest = boot(append="gate.demo=user").until_running()
    guest.ask("g", r"slot demo: demo 1\.0\.0, user gate, 0 deaths")
    assert "unknown key" not in guest.text
