/*
 * helixctl: the friendly program on top of /helix.
 *
 * Rules:
 * - All it knows it reads from files, all it does it writes to files (docs/helix-files.md): it has
 *   no rights of its own.
 * - There is one table of commands, in commands.c. Help, completion and documentation come from it.
 * - A command prints to standard output what it was asked for and nothing else; what went wrong
 *   goes to standard error, as one sentence that says what to do.
 */
#ifndef USER_HELIXCTL_HELIXCTL_H
#define USER_HELIXCTL_HELIXCTL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1, /* the kernel refused, or has no such file */
    STATUS_USAGE = 2   /* it was asked for what does not exist */
};

struct command;

/* What the user wants of a command: the words behind its name, without the general options. */
struct request {
    const struct command *command;
    char **words; /* ends with NULL */
    int count;
    bool is_json;
};

struct command {
    const char *name;
    const char *arguments;               /* as the help shows them, "" for none */
    const char *meaning;                 /* one line */
    const char *details;                 /* more lines, each with a newline; "" for none */
    const char *example;                 /* words behind "helixctl" */
    const char *file;                    /* the table of /helix that it shows; NULL */
    int (*run)(struct request *request); /* returns a status */
};

/* The commands in the order of the help; the last has no name. */
extern const struct command commands[];

/* NULL: there is none of that name. */
const struct command *command_find(const char *name);

/* --- words of a request ----------------------------------------------------------------------- */

/* Take an option out of the words; whether it was there. `other` is its second spelling or NULL. */
bool request_take_flag(struct request *request, const char *option, const char *other);

/* Take an option and the word behind it, or what follows its "="; NULL: it was not there. */
const char *request_take_value(struct request *request, const char *option);

/*
 * Whether what is left are at least so many words and at most so many, none of them an option; says
 * what is wrong with them if not.
 */
bool request_has_words(const struct request *request, int least, int most);

/* Say what is wrong with a request, and where its help is; returns STATUS_USAGE. */
__attribute__((format(printf, 2, 3))) int request_is_wrong(const struct request *request,
                                                           const char *format, ...);

/* --- commands with a file of their own -------------------------------------------------------- */

int run_overview(struct request *request);
int run_table(struct request *request);
int run_subsystems(struct request *request);
int run_resources(struct request *request);
int run_slots(struct request *request);
int run_module(struct request *request);
int run_heal(struct request *request);
int run_caps(struct request *request);
int run_events(struct request *request);
int run_log(struct request *request);
int run_audit(struct request *request);
int run_trace(struct request *request);
int run_syscalls(struct request *request);
int run_hooks(struct request *request);
int run_policy(struct request *request);
int run_top(struct request *request);
int run_confined(struct request *request);
int run_power(struct request *request);
int run_help(struct request *request);
int run_completion(struct request *request);

/* helixctl --help; `helixctl COMMAND --help`. */
void help_print(void);
void help_print_command(const struct command *command);

#endif
