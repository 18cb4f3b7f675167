/*
 * QEMU plug-in: how often each instruction of the guest was executed in marked stretches.
 *
 *     -plugin cost.so,begin=ADDRESS,end=ADDRESS,take=ADDRESS,output=FILE
 *
 * Counting goes on from the execution of a begin address (there may be several) to that of the end
 * address; arriving at the take address writes what was counted as one section and starts again
 * from zero. A section is lines `ADDRESS COUNT KIND`, all hexadecimal but the kind's name, closed
 * by a line `take`. The APIC's command register is device memory, so stores to it are told by where
 * they went: they are counted as KIND `ipi`, beside the line of the instruction itself.
 *
 * One processor only: the counters are plain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tools/plugins/qemu_interface.h>
#include <tools/plugins/x86_kind.h>

#define EXPORTED __attribute__((visibility("default")))

#define BEGIN_MAX        4
#define BUCKETS          (1U << 16)
#define PAGE_MASK        0xfffU
#define APIC_COMMAND_LOW 0x300U /* SDM 3A 10.6.1: writing it sends the message */
#define APIC_DEVICE      "apic-msi"

/* One instruction of the guest; lives for ever, since translated code points to it. */
struct counter {
    struct counter *next; /* in its bucket */
    uint64_t address;
    uint64_t executed;
    uint64_t messages; /* sent by it */
    enum x86_kind kind;
};

static struct {
    uint64_t begin[BEGIN_MAX];
    unsigned begin_count;
    uint64_t end;
    uint64_t take;
    FILE *output;
    bool is_counting;
    struct counter *buckets[BUCKETS];
} plugin;

static const char *const kind_names[X86_KIND_COUNT] = {
    [X86_ORDINARY] = "-",    [X86_CR3] = "cr3",     [X86_WRMSR] = "wrmsr", [X86_INVLPG] = "invlpg",
    [X86_LOCKED] = "locked", [X86_FENCE] = "fence", [X86_PIO] = "pio",
};

EXPORTED int qemu_plugin_version = PLUGIN_INTERFACE_VERSION;
EXPORTED int qemu_plugin_install(plugin_id id, const struct plugin_machine *machine, int argc,
                                 char **argv);

/* --- counters --------------------------------------------------------------------------------- */

/* The counter of an instruction. What stands at its address may have changed, so its kind is part
 * of it. */
static struct counter *counter_of(uint64_t address, enum x86_kind kind)
{
    struct counter **bucket = &plugin.buckets[address % BUCKETS];
    struct counter *counter;

    for (counter = *bucket; counter != NULL; counter = counter->next) {
        if (counter->address == address && counter->kind == kind) {
            return counter;
        }
    }
    counter = calloc(1, sizeof *counter);
    if (counter == NULL) {
        fprintf(stderr, "cost: out of memory\n");
        exit(1);
    }
    *counter = (struct counter){.next = *bucket, .address = address, .kind = kind};
    *bucket = counter;
    return counter;
}

static void take_counter(struct counter *counter)
{
    if (counter->executed != 0) {
        fprintf(plugin.output, "%" PRIx64 " %" PRIx64 " %s\n", counter->address, counter->executed,
                kind_names[counter->kind]);
    }
    if (counter->messages != 0) {
        fprintf(plugin.output, "%" PRIx64 " %" PRIx64 " ipi\n", counter->address,
                counter->messages);
    }
    counter->executed = 0;
    counter->messages = 0;
}

static void take_all(void)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct counter *each = plugin.buckets[i]; each != NULL; each = each->next) {
            take_counter(each);
        }
    }
    fprintf(plugin.output, "take\n");
}

/* --- while the guest runs --------------------------------------------------------------------- */

static void on_begin(unsigned processor, void *data)
{
    (void)processor;
    (void)data;
    plugin.is_counting = true;
}

static void on_end(unsigned processor, void *data)
{
    (void)processor;
    (void)data;
    plugin.is_counting = false;
}

static void on_take(unsigned processor, void *data)
{
    (void)processor;
    (void)data;
    take_all();
}

static void on_executed(unsigned processor, void *data)
{
    struct counter *counter = data;

    (void)processor;
    counter->executed += plugin.is_counting;
}

static void on_accessed(unsigned processor, plugin_mem access, uint64_t address, void *data)
{
    struct counter *counter = data;
    const struct qemu_plugin_hwaddr *where;

    (void)processor;
    /* QEMU 7.2 calls for loads too, whatever was asked for. */
    if (!plugin.is_counting || (address & PAGE_MASK) != APIC_COMMAND_LOW ||
        !qemu_plugin_mem_is_store(access)) {
        return;
    }
    where = qemu_plugin_get_hwaddr(access, address);
    if (where != NULL && qemu_plugin_hwaddr_is_io(where) &&
        strcmp(qemu_plugin_hwaddr_device_name(where), APIC_DEVICE) == 0) {
        counter->messages++;
    }
}

/* --- translation ------------------------------------------------------------------------------ */

static bool is_begin(uint64_t address)
{
    for (unsigned i = 0; i < plugin.begin_count; i++) {
        if (plugin.begin[i] == address) {
            return true;
        }
    }
    return false;
}

/* Marks act before the instruction at their address is counted. */
static void instrument_mark(struct qemu_plugin_insn *instruction, uint64_t address)
{
    if (is_begin(address)) {
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_begin, PLUGIN_NO_REGISTERS, NULL);
    } else if (address == plugin.end) {
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_end, PLUGIN_NO_REGISTERS, NULL);
    } else if (address == plugin.take) {
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_take, PLUGIN_NO_REGISTERS, NULL);
    }
}

static void instrument(struct qemu_plugin_insn *instruction)
{
    uint64_t address = qemu_plugin_insn_vaddr(instruction);
    enum x86_kind kind =
        x86_kind_of(qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction));
    struct counter *counter = counter_of(address, kind);

    instrument_mark(instruction, address);
    qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_executed, PLUGIN_NO_REGISTERS, counter);
    qemu_plugin_register_vcpu_mem_cb(instruction, on_accessed, PLUGIN_NO_REGISTERS, PLUGIN_STORES,
                                     counter);
}

static void on_translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        instrument(qemu_plugin_tb_get_insn(block, i));
    }
}

/* --- loading ---------------------------------------------------------------------------------- */

static bool take_option(const char *name, const char *value)
{
    if (strcmp(name, "begin") == 0 && plugin.begin_count < BEGIN_MAX) {
        plugin.begin[plugin.begin_count++] = strtoull(value, NULL, 0);
    } else if (strcmp(name, "end") == 0) {
        plugin.end = strtoull(value, NULL, 0);
    } else if (strcmp(name, "take") == 0) {
        plugin.take = strtoull(value, NULL, 0);
    } else if (strcmp(name, "output") == 0) {
        plugin.output = fopen(value, "w");
    } else {
        return false;
    }
    return true;
}

/* Options of the form NAME=VALUE; the parts are the argument's own bytes. */
static bool take_options(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        if (equals == NULL) {
            return false;
        }
        *equals = '\0';
        if (!take_option(argv[i], equals + 1)) {
            return false;
        }
    }
    return plugin.output != NULL && plugin.begin_count > 0 && plugin.end != 0 && plugin.take != 0;
}

static void on_ended(plugin_id id, void *data)
{
    (void)id;
    (void)data;
    fclose(plugin.output);
}

int qemu_plugin_install(plugin_id id, const struct plugin_machine *machine, int argc, char **argv)
{
    if (!machine->is_system || strcmp(machine->target, "x86_64") != 0 || machine->processors != 1) {
        fprintf(stderr, "cost: only for a whole x86_64 machine of one processor\n");
        return 1;
    }
    if (!take_options(argc, argv)) {
        fprintf(stderr, "cost: wants begin=ADDRESS,end=ADDRESS,take=ADDRESS,output=FILE\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    qemu_plugin_register_atexit_cb(id, on_ended, NULL);
    return 0;
}
