/*
 * Every key the command line may hold, in one table: the parser warns about others (and keeps
 * them), and the table in docs/command-line.md is generated from this file.
 */
#ifndef CORE_CONFIG_OPTION_LIST_H
#define CORE_CONFIG_OPTION_LIST_H

/* X(key, form of the value, default, what it does); a key that ends in .* stands for all it begins
 */
#define OPTION_LIST(X)                                                                             \
    X("init", "PATH", "/init", "program that becomes process 1")                                   \
    X("console", "LIST", "serial,fb",                                                              \
      "consoles, comma separated: serial, fb (the screen, if there is one), null")                 \
    X("keyboard.layout", "us|de", "us", "the layout of the PC's keyboard")                         \
    X("loglevel", "LEVEL", "info", "least level shown: error, warn, info, debug")                  \
    X("panic", "halt|reboot|break|exit", "halt", "what a panic does last")                         \
    X("selftest", "[GLOB]", "", "run the built-in tests whose names match, then power off")        \
    X("seed", "N", "", "random seed of the built-in tests")                                        \
    X("soak", "", "", "the built-in tests run their full counts (long)")                           \
    X("failpoint", "N|STEP", "0",                                                                  \
      "fail the N-th fallible step, or the next that is STEP: init:block")                         \
    X("init.retries", "N", "2", "try a subsystem's failed init again, so often")                   \
    X("exit", "init", "", "leave the emulator with the status of process 1")                       \
    X("nokaslr", "", "", "the kernel's image and the direct map are not moved at random")          \
    X("smp", "N", "all", "start at most N processors")                                             \
    X("gate.*", "open|user", "open", "gate.SLOT: how the slot's module is called")                 \
    X("module.*", "NAME", "(the slot's own)", "module.SLOT: what the slot is filled with at boot") \
    X("heal", "on|off", "on", "whether a slot's module that died is recovered")                    \
    X("heal.*", "N", "(the option's own)",                                                         \
      "heal.OPTION: what self-healing goes by, ms or a count")                                     \
    X("inject", "", "", "faults may be put into modules, through /helix/inject (a test)")          \
    X("group.*", "STRATEGY:SLOT,…", "by what needs what",                                          \
      "group.NAME: who is restarted with whom; one_for_one, one_for_all, rest_for_one")            \
    X("backup.*", "NAME", "none",                                                                  \
      "backup.SLOT: the module that stands in when nothing else helps")                            \
    X("limit.modules", "N", "none", "at most N module instances in the kernel")                    \
    X("limit.threads", "N", "none", "at most N threads of the kernel's own")                       \
    X("limit.module-memory", "BYTES", "16M", "most memory of one module instance; K, M, G")        \
    X("limit.process-memory", "BYTES", "none", "most memory of one process; K, M, G")              \
    X("limit.process-threads", "N", "none", "at most N threads in one process")                    \
    X("limit.process-files", "N", "none", "at most N open files of one process")                   \
    X("limit.process-ports", "N", "none", "at most N network ports bound by one process")          \
    X("limit.process-cpu", "US", "none", "most CPU time of one process, microseconds")             \
    X("hooks", "LIST", "security", "hooks of system calls that are on: security, audit, metrics")  \
    X("trace", "GROUPS", "usual", "what the flight recorder records, comma separated; off, all")   \
    X("trace.records", "N", "2048", "records of what is frequent, on each processor")              \
    X("churn", "", "",                                                                             \
      "change the hooks of system calls all the time, while process 1 runs (a test)")              \
    X("tour", "", "", "crash the demo module in every way, through both gate backends, and go on") \
    X("bench", "[GLOB]", "", "run the built-in measurements whose names match, then power off")

#endif
