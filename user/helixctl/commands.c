/* The one table of commands. */
#include "helixctl.h"

#include <string.h>

#define TABLE_COMMAND(text, table, summary)                                                        \
    {                                                                                              \
        .name = (text), .arguments = "", .meaning = (summary), .details = "", .example = (text),   \
        .file = (table), .run = run_table                                                          \
    }

const struct command commands[] = {
    {.name = "top",
     .arguments = "[-d SECONDS] [-n COUNT]",
     .meaning = "what uses the processors and the memory, live, on the whole screen",
     .details = "Keys: q quit, h help, c m p n sort by CPU, memory, number, name, t threads.\n"
                "-d  seconds from one picture to the next, 2 if not given\n"
                "-n  end after so many pictures\n",
     .example = "top",
     .run = run_top},
    TABLE_COMMAND("state", "state", "state, phase, time since the start, memory"),
    {.name = "subsystems",
     .arguments = "[--dot]",
     .meaning = "the kernel's parts, in the order of their start",
     .details = "--dot  who depends on whom, as a graph for Graphviz's dot\n",
     .example = "subsystems --dot",
     .file = "subsystems",
     .run = run_subsystems},
    TABLE_COMMAND("components", "components", "health and numbers of everything"),
    {.name = "slots",
     .arguments = "[NAME [reload [open|user]]]",
     .meaning = "what module is in every slot, or in one; load it again",
     .details = "reload  load the slot's module again from its file, in the kernel's own mode\n"
                "        (open), without its privileges (user), or as before\n",
     .example = "slots demo reload user",
     .file = "modules",
     .run = run_slots},
    {.name = "module",
     .arguments = "ACTION SLOT [WORD...]",
     .meaning = "exchange the module in a slot while it is in use, with its state",
     .details =
         "info SLOT                     what is there, what would fit, what was done\n"
         "swap SLOT MODULE [VERSION]    put a known module in, the youngest version if none\n"
         "rollback SLOT                 put back what was there before, with the state of now\n"
         "load SLOT FILE                have a module file known\n"
         "unload SLOT [MODULE VERSION]  take out what is there, or forget a loaded file\n"
         "blockers SLOT                 who kept the last swap that was called off waiting\n",
     .example = "module swap scheduler sched_rr",
     .run = run_module},
    {.name = "heal",
     .arguments = "[SLOT [recover] | options [NAME VALUE] | groups [NAME STRATEGY:SLOT,SLOT]]",
     .meaning = "how each slot's module is, and what was done when it died",
     .details = "SLOT     its row, and the states that are kept of it\n"
                "recover  do now what is to be done about who died there, and do not wait\n"
                "options  what self-healing goes by; NAME VALUE sets one, heal off ends it all\n"
                "groups   who is restarted with whom; NAME STRATEGY:SLOT,SLOT sets one\n",
     .example = "heal options cooldown 500",
     .file = "heal",
     .run = run_heal},
    {.name = "caps",
     .arguments = "[RESOURCE | self | grant SUBJECT RESOURCE RIGHTS | revoke SUBJECT RESOURCE]",
     .meaning = "who holds which capability through whom; give and take them",
     .details = "A resource is TYPE:NAME, as control:events. A subject is root, user:NUMBER or\n"
                "process:NUMBER. Rights are of read, write, execute, control, delegate, with\n"
                "commas between them.\n"
                "self  what you hold\n",
     .example = "caps grant user:1000 control:events read",
     .file = "caps",
     .run = run_caps},
    TABLE_COMMAND("privileges", "privileges",
                  "what ordinary users may not do, and whether you may"),
    TABLE_COMMAND("refused", "refused", "the capability that you were refused for the lack of"),
    TABLE_COMMAND("refusals", "refusals", "what anybody was refused lately"),
    {.name = "resources",
     .arguments = "[--owner NAME]",
     .meaning = "what each owner has of memory, threads, files, and may have",
     .details = "--owner  one owner alone: its name, or process:NUMBER\n",
     .example = "resources --owner kernel",
     .file = "resources",
     .run = run_resources},
    {.name = "events",
     .arguments = "[-f] [-n COUNT] [TOPIC...]",
     .meaning = "what happens from now on, an event a line, until ^C",
     .details = "Nothing is kept of what was before, so -f changes nothing.\n"
                "-n      end after so many events\n"
                "TOPIC   hear these alone; helixctl topics lists them\n"
                "--json  each event as an object on a line of its own\n",
     .example = "events -n 3 process",
     .run = run_events},
    TABLE_COMMAND("topics", "topics", "topics of events, their subscribers and counts"),
    TABLE_COMMAND("subscribers", "subscribers", "who hears events, and what they missed"),
    TABLE_COMMAND("mailboxes", "mailboxes", "mailboxes of the message router"),
    TABLE_COMMAND("channels", "channels", "channels: whose, what waits in them, who waits"),
    TABLE_COMMAND("threads", "threads", "all threads, the kernel's too"),
    TABLE_COMMAND("cpus", "processors", "which processors run, and how busy they are"),
    TABLE_COMMAND("interrupts", "interrupts",
                  "interrupts and their times, by vector and processor"),
    {.name = "log",
     .arguments = "[-f]",
     .meaning = "the recent messages of the kernel",
     .details = "-f  and those that come, until ^C\n",
     .example = "log -f",
     .run = run_log},
    {.name = "syscalls",
     .arguments = "[reset]",
     .meaning = "system calls: counts, errors, and the times that most of them kept to",
     .details = "Counted while the hook metrics is on: helixctl hooks on metrics.\n"
                "p50_ns is the time in nanoseconds that half of the calls kept to, p999_ns that\n"
                "999 of 1000 did.\n"
                "reset  begin anew\n",
     .example = "syscalls",
     .file = "syscalls",
     .run = run_syscalls},
    {.name = "hooks",
     .arguments = "[on NAME | off NAME | order NAME NUMBER]",
     .meaning = "what looks at system calls: security, audit, metrics",
     .details = "on, off  switch one while the system runs\n"
                "order    the lower its number, the sooner a hook is asked\n",
     .example = "hooks on metrics",
     .file = "hooks",
     .run = run_hooks},
    {.name = "policy",
     .arguments = "[load FILE]",
     .meaning = "who may make which system calls",
     .details = "load  put a file's text in force, as a whole or not at all\n",
     .example = "policy load /etc/helix/policy",
     .run = run_policy},
    {.name = "audit",
     .arguments = "[-f] [-n COUNT]",
     .meaning = "system calls as they end, one a line, until ^C",
     .details = "Told while the hook audit is on: helixctl hooks on audit. Nothing is kept for\n"
                "later readers, so -f changes nothing.\n"
                "-n  end after so many calls\n",
     .example = "audit -n 10",
     .run = run_audit},
    {.name = "trace",
     .arguments = "[--kinds | on GROUP... | off [GROUP...] | clear | mark TEXT...]",
     .meaning = "the flight recorder: what each processor did last, merged by time",
     .details = "--kinds  groups of records, and which are on\n"
                "on, off  record a group, or no longer; off alone, nothing\n"
                "clear    forget what was recorded\n"
                "mark     put words of your own among the records\n",
     .example = "trace on switch",
     .file = "trace",
     .run = run_trace},
    {.name = "run",
     .arguments = "(--only 'RESOURCE RIGHTS'... | --nothing) -- COMMAND [WORD...]",
     .meaning = "run a command that keeps these capabilities alone, for good",
     .details = "Give --only once for each resource. What is kept must be yours to delegate.\n",
     .example = "run --only 'control:threads read' -- helixctl threads",
     .run = run_confined},
    {.name = "power",
     .arguments = "off|reboot|suspend [SECONDS]|resume",
     .meaning = "switch the machine off, restart it, have it sleep, or hold its subsystems",
     .details =
         "suspend SECONDS  sleep so long, or until a key is pressed; nothing runs meanwhile\n"
         "suspend          hold the subsystems until resume; programs run on\n",
     .example = "power suspend 60",
     .run = run_power},
    {.name = "completion",
     .arguments = "bash|zsh",
     .meaning = "print what makes that shell complete these commands",
     .details = "busybox's shell completes names of files alone.\n",
     .example = "completion bash",
     .run = run_completion},
    {.name = "help",
     .arguments = "[COMMAND]",
     .meaning = "this list, or more about a command",
     .details = "",
     .example = "help caps",
     .run = run_help},
    {.name = NULL},
};

const struct command *command_find(const char *name)
{
    const struct command *each = commands;

    while (each->name != NULL && strcmp(each->name, name) != 0) {
        each++;
    }
    return each->name != NULL ? each : NULL;
}
