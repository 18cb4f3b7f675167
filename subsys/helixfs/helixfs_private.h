/* What the files of this folder share. */
#ifndef SUBSYS_HELIXFS_HELIXFS_PRIVATE_H
#define SUBSYS_HELIXFS_HELIXFS_PRIVATE_H

#include <hal/gate.h>
#include <subsys/helixfs/helixfs.h>
#include <subsys/helixfs/table.h>
#include <subsys/pseudo/pseudo.h>

/* Columns and rows of a table file. */
struct helixfs_table {
    struct table_layout layout;
    hx_err (*fill)(struct table *table); /* in thread context, may block */
};

/* What is behind an entry: its context. */
struct helixfs_node {
    enum helixfs_file file;
    const struct helixfs_table *table; /* NULL: the entry shows itself */
    bool is_json;
};

extern const struct helixfs_table helixfs_state, helixfs_subsystems, helixfs_components,
    helixfs_modules, helixfs_caps, helixfs_privileges, helixfs_refused, helixfs_refusals,
    helixfs_self, helixfs_resources, helixfs_topics, helixfs_subscribers, helixfs_mailboxes,
    helixfs_channels, helixfs_threads, helixfs_interrupts, helixfs_hooks, helixfs_calls,
    helixfs_trace, helixfs_trace_kinds, helixfs_devices, helixfs_heal, helixfs_heal_options,
    helixfs_heal_groups, helixfs_checkpoints, helixfs_inject, helixfs_fault_classes, helixfs_screen,
    helixfs_processors;

#define HELIXFS_TABLE(table_columns, function)                                                     \
    {                                                                                              \
        .layout = {.columns = (table_columns), .count = HX_ARRAY_SIZE(table_columns)},             \
        .fill = (function),                                                                        \
    }
#define HELIXFS_RECORD(table_columns, function)                                                    \
    {                                                                                              \
        .layout = {.columns = (table_columns),                                                     \
                   .count = HX_ARRAY_SIZE(table_columns),                                          \
                   .is_record = true},                                                             \
        .fill = (function),                                                                        \
    }

/* Files that are no tables. */
hx_err helixfs_show_version(const struct pseudo_node *node, struct text *text);
hx_err helixfs_show_counter(const struct pseudo_node *node, struct text *text);
hx_err helixfs_show_graph(const struct pseudo_node *node, struct text *text);
hx_err helixfs_show_log(const struct pseudo_node *node, struct text *text);
hx_err helixfs_show_last_panic(const struct pseudo_node *node, struct text *text);
hx_err helixfs_show_policy(const struct pseudo_node *node, struct text *text);
hx_err helixfs_open_events(const struct pseudo_node *node, struct file *file);
hx_err helixfs_open_audit(const struct pseudo_node *node, struct file *file);
hx_err helixfs_open_messages(const struct pseudo_node *node, struct file *file);

/* Commands. */
hx_err helixfs_change_caps(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_confine(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_trace(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_power(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_hooks(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_policy(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_calls(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_heal_options(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_inject(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_last_panic(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_screen(const struct pseudo_node *node, const char *text, size_t length);
hx_err helixfs_change_heal_groups(const struct pseudo_node *node, const char *text, size_t length);

/* "open" or "user". */
const char *helixfs_gate_name(enum hal_gate_backend backend);

/* The members of /helix/slots. */
extern const struct pseudo_family helixfs_slots;

/* The members of /helix/cpus. */
extern const struct pseudo_family helixfs_cpus;

/* --- commands as words ------------------------------------------------------------------------ */

#define HELIXFS_WORDS_MAX 8U

struct helixfs_word {
    const char *start;
    size_t length;
};

/* The next word of one line, and what is left behind it; a newline at its end is no word's.
 * Errors: HX_ENOENT there is none, HX_EINVAL there is a second line. */
HX_MUST_USE hx_err helixfs_next_word(struct helixfs_word *rest, struct helixfs_word *word);

/* The words of one line; a newline at its end is no word's.  Errors: HX_EINVAL more than
 * HELIXFS_WORDS_MAX, or a second line. */
HX_MUST_USE hx_err helixfs_split(const char *text, size_t length,
                                 struct helixfs_word words[HELIXFS_WORDS_MAX], size_t *count);
bool helixfs_is_word(const struct helixfs_word *word, const char *text);

/*
 * Read a whole file on behalf of the calling process; path may end with a newline. *bytes is from
 * heap_allocate and the caller's.
 * Context: thread, may block.
 * Errors: HX_EINVAL no path, HX_ENAMETOOLONG, HX_EFBIG above what a module may have, HX_ENOMEM,
 * those of file_open and file_read.
 */
HX_MUST_USE hx_err helixfs_read_file(const char *path, size_t length, void **bytes, size_t *size);

#endif
