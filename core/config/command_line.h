/*
 * The kernel command line as key=value options (SPEC B2).
 *
 * Rules:
 * - Words are separated by blanks; "double" or 'single' quotes keep blanks, anywhere in a word; a
 *   word without = is a flag (value ""). The last of equal keys wins. What follows a bare --
 * belongs to init.
 * - Parsing copies into the caller's structure; nothing is allocated; no input is refused: what
 *   cannot be stored is counted.
 * - A key that is not in option_list.h is kept, and reported once by command_line_unknown.
 */
#ifndef CORE_CONFIG_COMMAND_LINE_H
#define CORE_CONFIG_COMMAND_LINE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_LINE_OPTION_MAX 64
#define COMMAND_LINE_TEXT_MAX   4096

struct command_line_option {
    const char *key;
    const char *value;
    bool known;
};

struct command_line {
    char text[COMMAND_LINE_TEXT_MAX]; /* keys and values, NUL separated */
    struct command_line_option options[COMMAND_LINE_OPTION_MAX];
    size_t count;
    uint32_t dropped;           /* words that did not fit */
    const char *init_arguments; /* text after --, "" if none */
};

void command_line_parse(struct command_line *line, const char *text);

/* Whether a flag stands in a text that is not parsed yet, before a bare --; quotes are no part of
 * it. */
bool command_line_names(const char *text, const char *flag);

/* Whether the key is present. */
bool command_line_has(const struct command_line *line, const char *key);

/* The value, or fallback when the key is absent. */
const char *command_line_text(const struct command_line *line, const char *key,
                              const char *fallback);

/* Errors: HX_ENOENT absent, HX_EINVAL not a number, HX_ERANGE; *value unchanged then. */
HX_MUST_USE hx_err command_line_u64(const struct command_line *line, const char *key,
                                    uint64_t *value);

/* 1/0, yes/no, on/off, true/false, or a flag without value (true). Errors as above. */
HX_MUST_USE hx_err command_line_bool(const struct command_line *line, const char *key, bool *value);

/* Whether the comma separated list at key contains item. */
bool command_line_lists(const struct command_line *line, const char *key, const char *item);

/* The n-th option whose key is not in the table, NULL when there are no more. */
const struct command_line_option *command_line_unknown(const struct command_line *line, size_t n);

/* The table, for documentation: row n, false when there are no more. */
struct command_line_help {
    const char *key;
    const char *form;
    const char *fallback;
    const char *text;
};
bool command_line_help(size_t n, struct command_line_help *help);

#endif
