"""Processes that do not outlive us."""

# Before a command's words (setpriv is util-linux's): the kernel ends it when the thread that started it has ended, in
# whatever way. What is left behind would take processors and memory from all that runs later.
ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]
