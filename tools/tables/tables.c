/*
 * Prints what the documentation takes from the code's own tables:
 *     tables options     the command line's keys, as Markdown
 *     tables states      the kernel's state machine, as a Graphviz graph
 *     tables subsystems  the standard profile's subsystems, as a Graphviz graph
 *     tables order       the same in the order of their start, as Markdown
 *     tables errors      the error numbers, as Markdown
 *     tables phases      which lifecycle phases each kernel state may be in, as Markdown
 *     tables rights      the rights of capabilities, as Markdown
 *     tables resources   the types of what they are rights on, as Markdown
 *     tables classes     the classes of resources, as Markdown
 *     tables calls       the system calls that exist, as Markdown
 *     tables callclasses the classes of system calls, as Markdown
 *     tables absent      the names of those that do not
 *     tables proc        the files of /proc, as Markdown
 *     tables sys         the files of /sys, as Markdown
 *     tables helix       the files of /helix, as Markdown
 *     tables privileges  what ordinary users may not do, as Markdown
 *     tables heal        the options of self-healing, as Markdown
 *     tables rungs       the ladder of self-healing, as Markdown
 *     tables strategies  the strategies of its groups, as Markdown
 *     tables groups      what each restarts when one of three has died, for Graphviz
 *     tables ladder      the same as a Graphviz graph
 * `make docs` writes them into docs/; a test compares.
 */
#include <abi/linux/absent_list.h>
#include <abi/linux/call_list.h>
#include <core/capability/capability.h>
#include <core/config/command_line.h>
#include <core/fault_injection/fault.h>
#include <core/kernel/state.h>
#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/subsystem_set.h>
#include <core/resource/resource.h>
#include <core/self_heal/heal_policy.h>
#include <core/self_heal/ladder.h>
#include <core/self_heal/supervision.h>
#include <core/syscall/class_list.h>
#include <helix/error.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/recorder_list.h>
#include <kern/thread.h>
#include <ports/hosted/hosted.h>
#include <profiles/profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <subsys/access/privilege_list.h>
#include <subsys/helixfs/file_list.h>
#include <subsys/procfs/procfs.h>
#include <subsys/pseudo/pseudo.h>
#include <subsys/sysfs/sysfs.h>

#define MEMORY_SIZE (16ULL << 20)

static void print_options(void)
{
    struct command_line_help help;

    printf("| key | value | without it | meaning |\n|---|---|---|---|\n");
    for (size_t row = 0; command_line_help(row, &help); row++) {
        printf("| `%s` | ", help.key);
        for (const char *at = help.form; *at != '\0'; at++) {
            printf(*at == '|' ? "\\%c" : "%c", *at);
        }
        printf(" | %s | %s |\n", help.fallback, help.text);
    }
}

static void print_states(void)
{
    static char graph[4096];

    (void)kernel_state_dot(graph, sizeof(graph));
    fputs(graph, stdout);
}

/* Sorting takes its scratch memory from the heap. */
static bool start_heap(void)
{
    struct frame_range usable = {HOSTED_MEMORY_FIRST, MEMORY_SIZE - HOSTED_MEMORY_FIRST};

    if (!hosted_start(1, MEMORY_SIZE >> 20)) {
        return false;
    }
    thread_init_boot();
    return frames_init(&usable, 1, NULL, 0) == HX_OK && heap_init() == HX_OK;
}

/* The profile's subsystems in order; the program ends where they cannot be ordered. */
static const struct subsystem_set *profile_set(void)
{
    static struct subsystem_set set;
    static struct subsystem_failure failure;
    hx_err error = start_heap() ? HX_OK : HX_ENOMEM;
    subsystem_id id;

    for (size_t i = 0; profile_subsystems[i] != NULL && error == HX_OK; i++) {
        error = subsystem_set_add(&set, profile_subsystems[i], &id);
    }
    if (error != HX_OK || subsystem_set_sort(&set, &failure) != HX_OK) {
        fprintf(stderr, "tables: %s %s\n", hx_error_text(error), failure.text);
        exit(1);
    }
    return &set;
}

static void print_subsystems(void)
{
    static char graph[16384];

    (void)subsystem_set_dot(profile_set(), graph, sizeof(graph));
    fputs(graph, stdout);
}

static void print_order(void)
{
    const struct subsystem_set *set = profile_set();

    printf("| start | subsystem | needs |\n|---|---|---|\n");
    for (uint32_t place = 0; place < set->ordered; place++) {
        const struct subsystem *subsystem = set->members[set->order[place]];
        const char *const *name = subsystem->dependencies;

        printf("| %u | %s |", place + 1, subsystem->name);
        for (; name != NULL && *name != NULL; name++) {
            printf("%s %s", name == subsystem->dependencies ? "" : ",", *name);
        }
        printf(" |\n");
    }
}

static void print_errors(void)
{
    printf("| number | name | errno | meaning |\n|---|---|---|---|\n");
#define PRINT_ROW(name, number, posix, text)                                                       \
    printf("| %d | `%s` | %d | %s |\n", number, hx_error_name(name), hx_error_errno(name),         \
           hx_error_text(name));
    HX_ERROR_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_phases(void)
{
    printf("| state | phases |\n|---|---|\n");
    for (unsigned state = 0; state < KERNEL_STATE_COUNT; state++) {
        const char *separator = "";

        printf("| %s | ", kernel_state_name((enum kernel_state)state));
        for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
            if (lifecycle_phase_fits((enum kernel_state)state, (enum lifecycle_phase)phase)) {
                printf("%s%s", separator, lifecycle_phase_name((enum lifecycle_phase)phase));
                separator = ", ";
            }
        }
        printf(" |\n");
    }
}

static void print_rights(void)
{
    printf("| bit | right | allows to |\n|---|---|---|\n");
#define PRINT_ROW(name, bit, text, meaning) printf("| %d | `%s` | %s |\n", bit, text, meaning);
    PERMISSION_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_resources(void)
{
    printf("| type | resource | its number |\n|---|---|---|\n");
#define PRINT_ROW(name, type, text, meaning)                                                       \
    if ((type) != RESOURCE_TYPE_NONE) {                                                            \
        printf("| %d | `%s` | %s |\n", type, text, meaning);                                       \
    }
    RESOURCE_TYPE_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_rows(const struct pseudo_entry *directory, const char *path);

static void print_row(const struct pseudo_entry *entry, const char *path, const char *prefix)
{
    char whole[256];

    (void)snprintf(whole, sizeof(whole), "%s/%s%s", path, prefix, entry->name);
    if (entry->type == VNODE_DIRECTORY) {
        if (entry->children == NULL && entry->family == NULL) {
            printf("| `%s/` | %04o | an empty directory |\n", whole, entry->mode);
        }
        print_rows(entry, whole);
        return;
    }
    printf("| `%s` | %04o%s | %s |\n", whole, entry->mode,
           entry->type == VNODE_SYMLINK ? ", link" : "",
           entry->meaning != NULL ? entry->meaning : "");
}

static void print_rows(const struct pseudo_entry *directory, const char *path)
{
    for (const struct pseudo_entry *entry = directory->children;
         entry != NULL && entry->name != NULL; entry++) {
        print_row(entry, path, "");
    }
    if (directory->family != NULL) {
        print_row(directory->family->member, path, directory->family->prefix);
    }
}

static void print_proc(void)
{
    printf("| file | mode | what it tells |\n|---|---|---|\n");
    print_rows(&procfs_root, "");
}

static void print_sys(void)
{
    printf("| file | mode | what it tells |\n|---|---|---|\n");
    print_rows(&sysfs_root, "");
}

static void print_helix(void)
{
    printf("| file | needs `control:` … | what it is |\n|---|---|---|\n");
#define PRINT_ROW(enumerator, number, text, access, meaning)                                       \
    printf("| `%s` | %s | %s |\n", text, sizeof(access) > 1 ? "nothing" : "`" text "`", meaning);
    HELIXFS_FILE_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_privileges(void)
{
    printf("| resource | without it | what it allows |\n|---|---|---|\n");
#define PRINT_ROW(enumerator, number, text, error, meaning)                                        \
    printf("| `privilege:%s` | %s | %s |\n", text, &#error[3], meaning);
    PRIVILEGE_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_classes(void)
{
    printf("| class | name | an amount counts |\n|---|---|---|\n");
#define PRINT_ROW(name, text, unit) printf("| `%s` | %s | %s |\n", #name, text, unit);
    RESOURCE_CLASS_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_calls(void)
{
#define ROW(number, name, arguments, class, missing) {number, arguments, #name, class, missing},
#define FILES(number, name, arguments, missing)      ROW(number, name, arguments, "files", missing)
#define MEMORY(number, name, arguments, missing)     ROW(number, name, arguments, "memory", missing)
#define PROCESSES(number, name, arguments, missing)                                                \
    ROW(number, name, arguments, "processes", missing)
#define SIGNALS(number, name, arguments, missing)  ROW(number, name, arguments, "signals", missing)
#define TIME(number, name, arguments, missing)     ROW(number, name, arguments, "time", missing)
#define NETWORK(number, name, arguments, missing)  ROW(number, name, arguments, "network", missing)
#define IDENTITY(number, name, arguments, missing) ROW(number, name, arguments, "identity", missing)
#define SYSTEM(number, name, arguments, missing)   ROW(number, name, arguments, "system", missing)
    static const struct {
        int number;
        int arguments;
        const char *name;
        const char *class;
        const char *missing;
    } calls[] = {LINUX_CALL_LIST_BY_CLASS(FILES, MEMORY, PROCESSES, SIGNALS, TIME, NETWORK,
                                          IDENTITY, SYSTEM)};
#undef ROW

    printf("| number | call | arguments | class | what is missing |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        printf("| %d | `%s` | %d | %s | %s |\n", calls[i].number, calls[i].name, calls[i].arguments,
               calls[i].class, calls[i].missing);
    }
}

static void print_call_classes(void)
{
    printf("| number | class | its calls are about |\n|---|---|---|\n");
#define PRINT_ROW(name, number, text, meaning)                                                     \
    printf("| %d | `%s` | %s |\n", number, text, meaning);
    SYSCALL_CLASS_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_absent(void)
{
#define NAME(number, name) #name,
    static const char *const names[] = {LINUX_ABSENT_LIST(NAME)};
#undef NAME

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        printf("`%s` ", names[i]);
    }
    printf("\n");
}

/* What the flight recorder records, a row for each kind. */
static void print_recorded(void)
{
#define KIND(enumerator, text, group, ring, meaning) {text, group, #ring, meaning},
    static const struct {
        const char *name, *group, *ring, *meaning;
    } kinds[] = {RECORDER_LIST(KIND)};
#undef KIND

    printf("| kind | group | ring | what it is: its details |\n|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        printf("| `%s` | `%s` | %s | %s |\n", kinds[i].name, kinds[i].group,
               strcmp(kinds[i].ring, "BUSY") == 0 ? "busy" : "rare", kinds[i].meaning);
    }
}

static void print_heal_options(void)
{
    printf("| option | default | least | most | unit | meaning |\n|---|---|---|---|---|---|\n");
#define PRINT_ROW(member, option, unit, value, least, most, meaning)                               \
    printf("| `%s` | %u | %u | %u | %s | %s |\n", option, value, least, most,                      \
           (unit) == HEAL_COUNT ? "" : "ms", meaning);
    HEAL_POLICY_LIST(PRINT_ROW)
#undef PRINT_ROW
}

static void print_faults(void)
{
    printf("| class | what it is | where |\n|---|---|---|\n");
#define PRINT_FAULT(name, text, place, meaning)                                                    \
    printf("| `%s` | %s | " #place " |\n", text, meaning);
    FAULT_CLASS_LIST(PRINT_FAULT)
#undef PRINT_FAULT
}

struct rung {
    const char *needs;
    enum heal_rung next;
    enum heal_kind kind;
};

static const struct rung rungs[HEAL_RUNG_COUNT] = {
#define RUNG(enumerator, text, rung_kind, rung_next, means)                                        \
    [enumerator] = {.needs = means, .next = rung_next, .kind = HEAL_KIND_##rung_kind},
    HEAL_RUNG_LIST(RUNG)
#undef RUNG
};

static void print_rungs(void)
{
    printf("| rung | needs | when it fails | when the member dies on it |\n"
           "|---|---|---|---|\n");
    for (unsigned i = HEAL_REST + 1; i < HEAL_RUNG_COUNT; i++) {
        const struct rung *rung = &rungs[i];
        const char *next = rung->kind == HEAL_KIND_LAST ? "stays" : heal_rung_name(rung->next);

        printf("| %s | %s | %s | %s%s |\n", heal_rung_name((enum heal_rung)i), rung->needs, next,
               rung->kind == HEAL_KIND_RESTART ? "the same, while attempts are left; then " : "",
               next);
    }
}

static void print_edge(enum heal_rung from, enum heal_rung to, const char *label, const char *style)
{
    printf("    \"%s\" -> \"%s\" [label=\"%s\", style=%s, fontname=Helvetica, fontsize=10];\n",
           heal_rung_name(from), heal_rung_name(to), label, style);
}

/* Solid: what leads down. Dashed: passed over, for want of what it needs. Dotted: back to the top.
 */
static void print_ladder(void)
{
    static const char *const labels[] = {[HEAL_KIND_NONE] = "death",
                                         [HEAL_KIND_RESTART] = "failure; death, no attempt left",
                                         [HEAL_KIND_FAILOVER] = "failure; death"};

    printf("digraph ladder {\n");
    for (unsigned i = 0; i < HEAL_RUNG_COUNT; i++) {
        const struct rung *rung = &rungs[i];
        enum heal_rung from = (enum heal_rung)i;

        if (rung->kind != HEAL_KIND_LAST) {
            print_edge(from, rung->next, labels[rung->kind], "solid");
        }
        if (rung->kind == HEAL_KIND_RESTART) {
            print_edge(from, from, "death, attempts left", "solid");
        }
        if (from != HEAL_REST && rung->needs[0] != '\0') {
            print_edge(from, rung->next, "not what it needs", "dashed");
        }
        if (rung->kind == HEAL_KIND_RESTART || rung->kind == HEAL_KIND_FAILOVER) {
            print_edge(from, HEAL_REST, "well for long", "dotted");
        }
    }
    printf("}\n");
}

/* --- groups ----------------------------------------------------------------------------------- */

static void print_strategies(void)
{
    printf("| strategy | when a member dies, there are restarted |\n|---|---|\n");
#define STRATEGY(enumerator, text, whom) printf("| `%s` | %s |\n", text, whom);
    SUPERVISION_STRATEGY_LIST(STRATEGY)
#undef STRATEGY
}

#define DRAWN_MEMBERS 3U
#define DRAWN_DEAD    1U

/* Members of one group, of which the second has died: who is restarted then is drawn filled. */
static void print_group(enum supervision_strategy strategy)
{
    static const uint8_t members[DRAWN_MEMBERS] = {0, 1, 2};
    static const char *const names[DRAWN_MEMBERS] = {"first", "second (died)", "third"};
    const char *name = supervision_strategy_name(strategy);
    struct supervision_verdict verdict;
    struct supervision_tree tree;

    supervision_init(&tree);
    for (uint32_t i = 0; i < DRAWN_MEMBERS; i++) {
        supervision_add(&tree, i);
    }
    if (supervision_set(&tree, name, strategy, members, DRAWN_MEMBERS) != HX_OK) {
        abort();
    }
    supervision_died(&tree, DRAWN_DEAD, 1, 1, 0, &verdict);
    printf("    subgraph \"cluster_%s\" {\n        label=\"%s\"; fontname=Helvetica;\n", name,
           name);
    for (uint32_t i = 0; i < DRAWN_MEMBERS; i++) {
        const char *style = memchr(verdict.members, (int)i, verdict.count) != NULL
                                ? "\"rounded,filled\""
                                : "rounded";

        printf("        \"%s %u\" [label=\"%s\", style=%s];\n", name, i, names[i], style);
    }
    printf("        \"%s 0\" -> \"%s 1\" -> \"%s 2\" [style=dotted];\n    }\n", name, name, name);
}

static void print_groups(void)
{
    printf("digraph groups {\n");
    for (unsigned i = 0; i < SUPERVISION_STRATEGY_COUNT; i++) {
        print_group((enum supervision_strategy)i);
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } tables[] = {
        {"options", print_options},
        {"states", print_states},
        {"subsystems", print_subsystems},
        {"order", print_order},
        {"errors", print_errors},
        {"phases", print_phases},
        {"rights", print_rights},
        {"resources", print_resources},
        {"classes", print_classes},
        {"calls", print_calls},
        {"callclasses", print_call_classes},
        {"absent", print_absent},
        {"proc", print_proc},
        {"sys", print_sys},
        {"recorded", print_recorded},
        {"helix", print_helix},
        {"privileges", print_privileges},
        {"heal", print_heal_options},
        {"faults", print_faults},
        {"rungs", print_rungs},
        {"strategies", print_strategies},
        {"groups", print_groups},
        {"ladder", print_ladder},
    };

    for (size_t i = 0; argc == 2 && i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(argv[1], tables[i].name) == 0) {
            tables[i].print();
            return 0;
        }
    }
    fprintf(stderr, "usage: tables options|states|subsystems|order|errors|phases|rights|resources|"
                    "classes|calls|callclasses|absent|proc|sys|recorded|helix|privileges|"
                    "heal|faults|rungs|ladder|strategies|groups\n");
    return 2;
}
