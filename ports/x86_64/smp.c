#include <base/assert.h>
#include <base/memory.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <hal/thread.h>
#include <hal/watchdog.h>
#include <ports/x86_64/acpi_tables.h>
#include <ports/x86_64/apic.h>
#include <ports/x86_64/cpu.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/smp.h>
#include <ports/x86_64/start.h>

/*
 * Start-up times. The 10 ms that the SDM (3A 8.4.4.1) puts after INIT are those of the discrete
 * 82489DX; a second start-up message goes only to a CPU that did not hear the first.
 */
#define INIT_NS      (HAL_NS_PER_MS / 10)
#define STARTUP_NS   HAL_NS_PER_MS
#define ARRIVAL_NS   (10 * HAL_NS_PER_S) /* for all that do not come, together; then, for each, */
#define LEAST_NS     (100 * HAL_NS_PER_MS)
#define STOP_NS      (500 * HAL_NS_PER_MS) /* one that answers does so at once, mostly */
#define XAPIC_ID_MAX 254                   /* 255 is the broadcast */

_Static_assert(ACPI_CPU_MAX >= HAL_CPU_MAX, "the summary can hold every CPU the kernel can drive");

/* What ap_start.S is told, at the end of its code; the same layout there. */
struct ap_mailbox {
    uint64_t cr3;
    uint64_t efer;
    uint64_t stack_top;
    uint64_t cpu;
    uint64_t main;
    /*
     * APIC id + 1 of the CPU that shall start. It takes the ticket away before it goes on, so that
     * one that was given up and comes late neither takes another's stack nor its own, freed one.
     */
    _Atomic uint32_t ticket;
};

extern const char ap_start[];
extern const char ap_mailbox[];
extern const char ap_end[];

static uint32_t smp_cpu_count = 1;

_Atomic bool x86_stop_requested;
static _Atomic uint32_t stop_owner;   /* CPU + 1 that goes on */
static _Atomic uint64_t stopped_mask; /* CPUs that have stopped */

/* --- numbering -------------------------------------------------------------------------------- */

static void smp_add(uint32_t id)
{
    struct x86_cpu *cpu = &x86_cpus[smp_cpu_count];

    cpu->id = smp_cpu_count;
    cpu->apic_id = id;
    /* Without its emergency stacks a CPU is left alone. */
    if (x86_cpu_make_stacks(cpu) == HX_OK) {
        cpu->present = true;
        smp_cpu_count++;
    }
}

void smp_init(const struct acpi_summary *summary)
{
    x86_cpus[0].apic_id = apic_id();
    x86_cpus[0].present = true;
    atomic_store_explicit(&x86_cpus[0].arrived, true, memory_order_relaxed);
    if (!x86_range_is_usable(AP_TRAMPOLINE, HAL_PAGE_SIZE)) {
        x86_boot_warn("the memory that CPUs start in is not usable: one CPU only");
        return;
    }
    for (uint32_t i = 0; i < summary->cpu_count && smp_cpu_count < HAL_CPU_MAX; i++) {
        const struct acpi_cpu *found = &summary->cpus[i];

        if (found->is_enabled && found->apic_id <= XAPIC_ID_MAX &&
            found->apic_id != x86_cpus[0].apic_id) {
            smp_add(found->apic_id);
        }
    }
}

uint32_t hal_cpu_count(void)
{
    return smp_cpu_count;
}

/* --- starting --------------------------------------------------------------------------------- */

static bool has_arrived(const struct x86_cpu *cpu)
{
    /* acquire: pairs with the release in x86_ap_main */
    return atomic_load_explicit(&cpu->arrived, memory_order_acquire);
}

/* Wait for the CPU until the time; whether it has come. */
static bool wait_arrival(const struct x86_cpu *cpu, uint64_t deadline_ns)
{
    while (!has_arrived(cpu)) {
        if (hal_clock_now() >= deadline_ns) {
            return false;
        }
        hal_cpu_relax();
    }
    return true;
}

/* The thread that the CPU starts with runs in the kernel's space. */
static void prepare_cpu(struct x86_cpu *cpu, struct thread *current)
{
    struct hal_thread *hal = (struct hal_thread *)current;

    hal->cr3 = x86_kernel_cr3();
    hal->space = hal_space_kernel();
    cpu->current = current;
    /* One for all: a function may begin on one CPU and end on another. */
    cpu->canary = x86_cpus[0].canary;
}

static struct ap_mailbox *prepare_trampoline(struct x86_cpu *cpu, void *stack_top)
{
    struct ap_mailbox *mailbox = hal_direct_map(AP_TRAMPOLINE + (uint64_t)(ap_mailbox - ap_start));

    HX_ASSERT(x86_kernel_cr3() <= UINT32_MAX, "32-bit code can load the top page table");
    memcpy(hal_direct_map(AP_TRAMPOLINE), ap_start, (size_t)(ap_end - ap_start));
    mailbox->cr3 = x86_kernel_cr3();
    mailbox->efer = x86_msr_read(MSR_EFER) & ~EFER_LONG_ACTIVE;
    mailbox->stack_top = (uint64_t)stack_top;
    mailbox->cpu = (uint64_t)cpu;
    mailbox->main = (uint64_t)x86_ap_main;
    /* release: pairs with the locked exchange in ap_start.S */
    atomic_store_explicit(&mailbox->ticket, cpu->apic_id + 1, memory_order_release);
    return mailbox;
}

/* Reset the CPU and send it to the trampoline; whether it has come in time. */
static bool wake_cpu(const struct x86_cpu *cpu)
{
    static uint64_t patience = ARRIVAL_NS; /* left; starts are serialised */
    uint64_t start = hal_clock_now();
    uint64_t waited;

    apic_send_init(cpu->apic_id);
    (void)wait_arrival(cpu, start + INIT_NS);
    apic_send_startup(cpu->apic_id, AP_TRAMPOLINE);
    if (wait_arrival(cpu, start + STARTUP_NS)) {
        return true;
    }
    apic_send_startup(cpu->apic_id, AP_TRAMPOLINE);
    if (wait_arrival(cpu, start + (patience > LEAST_NS ? patience : LEAST_NS))) {
        return true;
    }
    waited = hal_clock_now() - start;
    patience = waited < patience ? patience - waited : 0;
    return false;
}

/*
 * Take the ticket back: a CPU that comes later stops before it uses the page tables or the stack.
 * One that has the ticket already has nothing left to wait for and is let through.
 */
static hx_err give_up(const struct x86_cpu *cpu, struct ap_mailbox *mailbox)
{
    if (atomic_exchange_explicit(&mailbox->ticket, 0, memory_order_relaxed) != 0) {
        return HX_ETIMEDOUT;
    }
    (void)wait_arrival(cpu, UINT64_MAX);
    return HX_OK;
}

hx_err hal_cpu_start(uint32_t cpu_id, void *stack_top, struct thread *current)
{
    struct x86_cpu *cpu = &x86_cpus[cpu_id];
    struct ap_mailbox *mailbox;
    hx_err error;

    if (cpu_id >= smp_cpu_count || has_arrived(cpu)) {
        return HX_EINVAL;
    }
    error = x86_identity_page(AP_TRAMPOLINE, true);
    if (error != HX_OK) {
        return error;
    }
    prepare_cpu(cpu, current);
    mailbox = prepare_trampoline(cpu, stack_top);
    if (!wake_cpu(cpu)) {
        error = give_up(cpu, mailbox);
    }
    (void)x86_identity_page(AP_TRAMPOLINE, false);
    return error;
}

void x86_ap_main(struct x86_cpu *cpu)
{
    x86_cpu_load_tables(cpu);
    x86_cpu_init_features();
    apic_init_this_cpu(cpu->id);
    /* release: pairs with the acquire in has_arrived */
    atomic_store_explicit(&cpu->arrived, true, memory_order_release);
    kernel_secondary_main();
}

/* --- leaving ---------------------------------------------------------------------------------- */

/* INIT, by which it is started again, leaves the caches as they are; but so long a CPU's power may
 * be switched off. Non-maskable interrupts end the wait, not the loop. */
void hal_cpu_leave(void)
{
    struct x86_cpu *cpu = x86_cpu_this();

    apic_leave();
    x86_write_back_caches();
    /* release: pairs with hal_cpu_wait_left */
    atomic_store_explicit(&cpu->arrived, false, memory_order_release);
    hal_cpu_halt();
}

void hal_cpu_wait_left(uint32_t cpu)
{
    while (has_arrived(&x86_cpus[cpu])) {
        hal_cpu_relax();
    }
}

/* --- stopping --------------------------------------------------------------------------------- */

void x86_cpu_stopped(void)
{
    uint32_t cpu = hal_cpu_id();

    if (atomic_load_explicit(&stop_owner, memory_order_relaxed) == cpu + 1) {
        return;
    }
    /* release: what this CPU did is visible to who reads the mask in hal_cpu_stop_others */
    atomic_fetch_or_explicit(&stopped_mask, 1UL << cpu, memory_order_release);
    hal_cpu_halt();
}

/* Send the NMI to all that run; returns them as a mask. */
static uint64_t send_stop(void)
{
    uint64_t asked = 0;

    for (uint32_t cpu = 0; cpu < smp_cpu_count; cpu++) {
        if (cpu != hal_cpu_id() && has_arrived(&x86_cpus[cpu]) &&
            hal_interrupt_send_nmi(cpu) == HX_OK) {
            asked |= 1UL << cpu;
        }
    }
    return asked;
}

/* Of two CPUs that ask at once, the second is stopped itself. */
uint32_t hal_cpu_stop_others(void)
{
    uint32_t self = hal_cpu_id() + 1;
    uint32_t owner = 0;
    uint64_t deadline = hal_clock_now() + STOP_NS;
    uint64_t asked;
    uint64_t stopped;

    if (!atomic_compare_exchange_strong_explicit(&stop_owner, &owner, self, memory_order_relaxed,
                                                 memory_order_relaxed) &&
        owner != self) {
        x86_cpu_stopped();
    }
    hal_watchdog_stop(); /* the report may fault and go on, which lets a second NMI onto the stack
                            of one */
    /* release: pairs with the acquire in the NMI's entry, which then finds the owner set */
    atomic_store_explicit(&x86_stop_requested, true, memory_order_release);
    asked = send_stop();
    do {
        hal_cpu_relax();
        stopped = atomic_load_explicit(&stopped_mask, memory_order_acquire);
    } while ((stopped & asked) != asked && hal_clock_now() < deadline);
    return (uint32_t)__builtin_popcountll(stopped);
}
