/* From the first line of C to kernel_main. */
#include <base/assert.h>
#include <core/config/boot_configuration.h>
#include <hal/clock.h>
#include <hal/console.h>
#include <hal/entry.h>
#include <hal/gate.h>
#include <hal/memory.h>
#include <hal/power.h>
#include <hal/thread.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/apic.h>
#include <ports/x86_64/clock.h>
#include <ports/x86_64/cpu.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/crc32c.h>
#include <ports/x86_64/devices.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/ioapic.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/memory_check.h>
#include <ports/x86_64/multiboot2.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/power.h>
#include <ports/x86_64/pvh.h>
#include <ports/x86_64/retained.h>
#include <ports/x86_64/serial.h>
#include <ports/x86_64/slide.h>
#include <ports/x86_64/smp.h>
#include <ports/x86_64/start.h>
#include <ports/x86_64/user.h>

_Static_assert(offsetof(struct x86_cpu, current) == CPU_CURRENT && CPU_CURRENT == X86_CPU_CURRENT,
               "entry.S and hal_port.h know where the running thread is");
_Static_assert(offsetof(struct x86_cpu, id) == CPU_ID && CPU_ID == X86_CPU_ID, "the CPU's number");
_Static_assert(offsetof(struct x86_cpu, scratch) == CPU_SCRATCH, "entry.S parks the user stack");
_Static_assert(offsetof(struct x86_cpu, user_activation) == CPU_USER_ACTIVATION,
               "entry.S tests it");
_Static_assert(offsetof(struct x86_cpu, canary) == CPU_CANARY && CPU_CANARY == 40,
               "clang's stack protector reads gs:40");
_Static_assert(offsetof(struct x86_cpu, tss.rsp) == CPU_KERNEL_SP, "entry.S writes tss.rsp[0]");
_Static_assert(offsetof(struct x86_cpu, root) == CPU_ROOT &&
                   offsetof(struct x86_cpu, root_next) == CPU_ROOT_NEXT,
               "entry.S writes both");
_Static_assert(offsetof(struct hal_thread, kernel_sp) == THREAD_KERNEL_SP &&
                   offsetof(struct hal_thread, cr3) == THREAD_CR3 &&
                   offsetof(struct hal_thread, user_activation) == THREAD_USER_ACTIVATION &&
                   offsetof(struct hal_thread, fpu) == THREAD_FPU &&
                   offsetof(struct hal_thread, thread_pointer) == THREAD_POINTER,
               "entry.S knows struct hal_thread");
_Static_assert(offsetof(struct hal_thread, gate_top) == THREAD_GATE_TOP, "entry.S pushes records");
_Static_assert(offsetof(struct hal_thread, stack_top) == THREAD_STACK_TOP &&
                   sizeof(struct hal_thread) == THREAD_USER_WORK,
               "entry.S looks at user_work, which follows");
_Static_assert(VECTOR_SYSCALL == HAL_VECTOR_SYSCALL, "one number in two places");
_Static_assert(offsetof(struct hal_gate_instance, backend) == INSTANCE_BACKEND &&
                   offsetof(struct hal_gate_instance, free_stacks) == INSTANCE_FREE_STACKS &&
                   offsetof(struct hal_gate_instance, root) == INSTANCE_ROOT &&
                   offsetof(struct hal_gate_instance, stack_tops) == INSTANCE_STACKS &&
                   offsetof(struct hal_gate_instance, trampoline) == INSTANCE_TRAMPOLINE,
               "entry.S knows struct hal_gate_instance");
_Static_assert(offsetof(struct hal_activation, outcome) == RECORD_OUTCOME &&
                   offsetof(struct hal_activation, machine) == RECORD_RSP &&
                   sizeof(struct hal_activation) == RECORD_SIZE,
               "entry.S knows struct hal_activation");
_Static_assert(offsetof(struct hal_gate_result, value) == 0 &&
                   offsetof(struct hal_gate_result, error) == 8,
               "it returns one in rax and rdx");
_Static_assert(offsetof(struct hal_gate_slot, deadline_ticks) == SLOT_BUDGET, "and the slot");
_Static_assert(HAL_GATE_OPEN == 0 && HAL_GATE_USER == 1 && HAL_GATE_DIVERTED == 3 &&
                   HAL_GATE_STACK_STRIDE == 1 << 14,
               "entry.S has these as numbers");
_Static_assert(HX_ENOENT == 3 && HX_EAGAIN == 6 && HX_ESTATE == 9 && HX_EFAULT == 12 &&
                   HX_ENOSYS == 13,
               "these too");
_Static_assert(sizeof(struct hal_frame) == 22 * 8, "entry.S pushes 22 words");
_Static_assert(offsetof(struct hal_frame, rax) == 0, "kernel_syscall's seventh argument");
_Static_assert(offsetof(struct hal_frame, r15) == 8 && offsetof(struct hal_frame, rbx) == 48 &&
                   offsetof(struct hal_frame, r8) == 80 && offsetof(struct hal_frame, rdi) == 112 &&
                   offsetof(struct hal_frame, rip) == 136 && offsetof(struct hal_frame, rsp) == 160,
               "entry.S knows struct hal_frame");

_Static_assert(ACPI_CPU_MAX == HAL_CPU_MAX, "the reader keeps as many CPUs as the kernel drives");

#define CR4_SMAP (1UL << 21)

#define VGA_BASE 0xa0000UL
#define VGA_END  0xc0000UL
#define BIOS_END 0x100000UL
/*
 * Loader data and tables lie in RAM, and on a PC no RAM below 4 GiB lies above this: devices do.
 * QEMU's board pc has RAM up to here.
 */
#define LOADER_LIMIT 0xe0000000UL

static struct boot_configuration configuration;
static struct acpi_summary acpi;

/* --- reading physical memory while boot.S's direct map of 4 GiB is in place ------------------- */

static const void *map_loader_data(void *context, uint64_t physical, size_t size)
{
    (void)context;
    if (physical + size > LOADER_LIMIT || (physical < VGA_END && physical + size > VGA_BASE)) {
        return NULL;
    }
    return hal_direct_map(physical);
}

/* Firmware tables: in a region the memory map names, or in the BIOS area. */
static const void *map_firmware_data(void *context, uint64_t physical, size_t size)
{
    const struct boot_configuration *config = context;

    if (physical >= VGA_END && physical + size <= BIOS_END) {
        return hal_direct_map(physical);
    }
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (physical >= region->base && physical + size <= region->base + region->size) {
            return map_loader_data(NULL, physical, size);
        }
    }
    return NULL;
}

/* Written by boot.S. */
extern const uint64_t boot_cycles;

uint64_t hal_clock_cycles_at_start(void)
{
    return boot_cycles;
}

/* From tools/symbols, linked in by the second link. */
extern const uint32_t symbol_count;
extern const uint32_t symbol_addresses[];
extern const uint32_t symbol_name_offsets[];
extern const char symbol_names[];
extern const char text_end[];
extern const char kernel_image_end[];

struct hal_symbols hal_kernel_symbols(void)
{
    return (struct hal_symbols){
        .base = (uintptr_t)kernel_image_start,
        .end = (uintptr_t)text_end,
        .count = symbol_count,
        .addresses = symbol_addresses,
        .name_offsets = symbol_name_offsets,
        .names = symbol_names,
    };
}

/* --- early failure ---------------------------------------------------------------------------- */

static void say(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0') {
        length++;
    }
    hal_console_write(text, length);
}

/* Before the log exists: one line on the serial port. */
static HX_NORETURN void refuse(const char *what, const char *why)
{
    say("helix: cannot boot: ");
    say(what);
    say(": ");
    say(why);
    say("\r\n");
    hal_power_exit(1);
}

/* So that no boot module is accepted on top of the image; first, while the table has room. */
static hx_err reserve_image(struct boot_configuration *config)
{
    return boot_configuration_add_memory(
        config, KERNEL_LOAD, (uint64_t)(kernel_image_end - kernel_image_start), MEMORY_IMAGE);
}

void x86_boot_warn(const char *sentence)
{
    boot_configuration_warn(&configuration, sentence);
}

/* By the protocol that the entry of boot.S tells. */
static hx_err read_protocol(uint64_t information, uint32_t magic, const char **why)
{
    const struct physical_reader reader = {.map = map_loader_data};

    switch (magic) {
    case 0:
        return pvh_read(&reader, information, &configuration, why);
    case MULTIBOOT2_LOADER_MAGIC:
        return multiboot2_read(&reader, information, &configuration, why);
    default:
        *why = "the loader is not a Multiboot2 one";
        return HX_EFORMAT;
    }
}

static void read_loader_data(uint64_t information, uint32_t magic)
{
    const char *why = NULL;
    hx_err error;

    boot_configuration_init(&configuration, magic == 0 ? "pvh" : "multiboot2");
    error = reserve_image(&configuration);
    if (error == HX_OK) {
        error = read_protocol(information, magic, &why);
    }
    memory_check_board(&configuration);
    if (error == HX_OK) {
        error = boot_configuration_finish(&configuration);
    }
    if (error != HX_OK) {
        refuse("boot loader data", why != NULL ? why : hx_error_text(error));
    }
    if (why != NULL) {
        boot_configuration_warn(&configuration, why);
    }
}

static void read_firmware_tables(void)
{
    const struct physical_reader reader = {.map = map_firmware_data, .context = &configuration};

    /* Without ACPI the summary is empty: one CPU, no power-off; the boot log shows it. */
    if (acpi_read(&reader, configuration.acpi_rsdp, &acpi) != HX_OK) {
        boot_configuration_warn(&configuration, "there are no ACPI tables");
    }
    for (unsigned issue = 0; issue < ACPI_ISSUE_COUNT; issue++) {
        if (acpi.issues[issue] > 0) {
            boot_configuration_warn(&configuration, acpi_issue_text((enum acpi_issue)issue));
        }
    }
}

static void prepare_cpu(struct x86_cpu *cpu)
{
    cpu->current = thread_boot(cpu->id);
    x86_cpu_load_tables(cpu);
    x86_cpu_init_features();
    x86_user_init((x86_cr4_read() & CR4_SMAP) != 0);
}

static void prepare_boot_thread(struct x86_cpu *cpu)
{
    struct hal_thread *hal = (struct hal_thread *)cpu->current;

    hal->cr3 = x86_kernel_cr3();
    hal->space = hal_space_kernel();
}

/* One value for all CPUs: a function may begin on one and end on another. */
static HX_ALWAYS_INLINE void set_canary(uint64_t canary)
{
    for (size_t i = 0; i < HAL_CPU_MAX; i++) {
        x86_cpus[i].canary = canary;
    }
}

/* The canary changes under this function, which never returns. */
__attribute__((no_stack_protector)) void x86_start(uint64_t information, uint32_t magic)
{
    struct x86_cpu *cpu = &x86_cpus[0];
    hx_err error;

    set_canary(hal_cpu_entropy());
    serial_init();
    read_loader_data(information, magic);
    slide_kernel(&configuration);
    x86_crc32c_init();
    prepare_cpu(cpu);
    read_firmware_tables();
    memory_check_presence(&configuration);
    retained_init(&configuration);
    error = paging_init(&configuration);
    if (error == HX_OK) {
        error = x86_cpu_make_stacks(cpu);
    }
    if (error != HX_OK) {
        refuse("page tables", hx_error_text(error));
    }
    prepare_boot_thread(cpu);
    apic_init(&acpi);
    ioapic_init(&acpi);
    if (!clock_init(&acpi)) {
        boot_configuration_warn(&configuration,
                                "there is no timer of known rate: time may be wrong by any factor");
    }
    power_init(&acpi);
    smp_init(&acpi);
    devices_describe(&acpi);
    kernel_main(&configuration);
}
