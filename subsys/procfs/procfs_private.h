/* What the files of this folder share. */
#ifndef SUBSYS_PROCFS_PROCFS_PRIVATE_H
#define SUBSYS_PROCFS_PROCFS_PRIVATE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/process/process.h>
#include <subsys/pseudo/pseudo.h>

#define PROCFS_TICKS_PER_SECOND 100U /* USER_HZ: what times in /proc are counted in */

/* Rows of tables are written PSEUDO-like: {"name", type, mode, …}. */
extern const struct pseudo_family procfs_processes;   /* below / */
extern const struct pseudo_family procfs_threads;     /* below /PID/task */
extern const struct pseudo_family procfs_descriptors; /* below /PID/fd */
extern const struct pseudo_entry procfs_process_rows[];
extern const struct pseudo_entry procfs_settings_rows[];
extern const struct pseudo_entry procfs_network_rows[];

/* --- what is known of a process (view.c) ------------------------------------------------------ */

/* A process, or one thread of it, at one moment. */
struct process_view {
    uint32_t id; /* the thread's, of a thread */
    uint32_t process_id;
    uint32_t parent;
    uint32_t group;
    uint32_t session;
    uint64_t terminal;  /* device number, 0: none */
    int64_t foreground; /* its foreground group, -1: no terminal */
    char state;         /* 'R', … */
    char name[PROCESS_NAME_MAX];
    struct credentials credentials;
    struct process_limit limits[PROCESS_LIMITS];
    struct process_usage usage;
    struct process_usage children_usage;
    uint64_t started_ns;
    uint32_t thread_count;
    uint32_t cpu;
    int nice;
    uint64_t switches;
    uint64_t pending; /* signals: the thread's, the process's, … */
    uint64_t shared_pending;
    uint64_t blocked;
    uint64_t ignored;
    uint64_t caught;
    uint32_t exit_signal;
    int exit_status;
    uintptr_t arguments_start, arguments_end;
    uintptr_t environment_start, environment_end;
};

/* The process a node is about: valid as long as the node. */
struct process *procfs_process(const struct pseudo_node *node);
/* The thread's id that a node below /PID/task is about; 0: it is about the process. */
uint32_t procfs_thread(const struct pseudo_node *node);

/* Errors: HX_ESRCH. */
HX_MUST_USE hx_err procfs_view(const struct pseudo_node *node, struct process_view *view);

/* References of what the process has; NULL (an empty location) once it has ended. */
struct address_space *procfs_space(struct process *process);
struct file_table *procfs_files(struct process *process);
struct path_context *procfs_paths(struct process *process);
struct location procfs_executable(struct process *process);

/* pseudo_type: whether a node's process is still there, who owns its files, who may look. */
hx_err procfs_check(const struct pseudo_node *node);
hx_err procfs_guard(const struct pseudo_node *node);
void procfs_attributes(struct pseudo_node *node);

/* --- contents of files; all as pseudo_entry.show ---------------------------------------------- */

/* process_files.c */
hx_err procfs_show_stat(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_status(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_limits(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_name(const struct pseudo_node *node, struct text *text);
hx_err procfs_store_name(const struct pseudo_node *node, const char *bytes, size_t length);

/* memory_files.c */
struct memory_view {
    struct address_space_statistics statistics;
    uint64_t data, stack, code, library; /* bytes mapped: writable, …, the program's, others' */
};
/* Zeros once the process has no memory. */
void procfs_memory_view(struct process *process, struct memory_view *view);
hx_err procfs_show_memory(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_maps(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_smaps(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_arguments(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_environment(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_executable(const struct pseudo_node *node, struct text *text);

/* places.c */
hx_err procfs_follow_executable(const struct pseudo_node *node, struct location *target);
hx_err procfs_show_current(const struct pseudo_node *node, struct text *text);
hx_err procfs_follow_current(const struct pseudo_node *node, struct location *target);
hx_err procfs_show_root(const struct pseudo_node *node, struct text *text);
hx_err procfs_follow_root(const struct pseudo_node *node, struct location *target);
hx_err procfs_show_descriptor(const struct pseudo_node *node, struct text *text);
hx_err procfs_follow_descriptor(const struct pseudo_node *node, struct location *target);
hx_err procfs_show_descriptor_info(const struct pseudo_node *node, struct text *text);
bool procfs_next_descriptor(const struct pseudo_node *node, uint32_t from, uint32_t *number);
hx_err procfs_find_descriptor(const struct pseudo_node *node, uint32_t number, void **subject);
/* Permissions of the link of a descriptor: what it is open for. */
uint32_t procfs_descriptor_mode(const struct pseudo_node *node);

/* mounts.c */
hx_err procfs_show_mounts(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_mount_information(const struct pseudo_node *node, struct text *text);

/* system_files.c */
hx_err procfs_show_version(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_uptime(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_load(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_system_memory(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_command_line(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_file_systems(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_devices(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_swaps(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_nothing(const struct pseudo_node *node, struct text *text);

/* processor_files.c */
hx_err procfs_show_system_stat(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_processors(const struct pseudo_node *node, struct text *text);
hx_err procfs_show_interrupts(const struct pseudo_node *node, struct text *text);
/* Time all CPUs have had nothing to do, in nanoseconds. */
uint64_t procfs_idle_ns(void);

/* settings.c */
void procfs_settings_init(void);

#endif
