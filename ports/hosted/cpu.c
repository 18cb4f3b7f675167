/* CPUs as pthreads: which one is calling, starting, idling, halting. */
#define _GNU_SOURCE
#include <base/assert.h>
#include <base/memory.h>
#include <hal/clock.h>
#include <ports/hosted/machine.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>

#define START_TIMEOUT_NS (10 * HAL_NS_PER_S)
#define STOP_TIMEOUT_NS  HAL_NS_PER_S /* a busy host lets a CPU wait */

/* hal_cpu_start is not told the size of the stack; only the sanitizers want to know. */
#define SECONDARY_STACK_SIZE (16U * 1024U)

/* A spinning CPU lets others of the host run every so many rounds: it may wait for one of them. */
#define SPINS_PER_YIELD 32U

static struct hosted_cpu cpus[HAL_CPU_MAX];
static uint32_t cpu_count;
static __thread struct hosted_cpu *calling_cpu;

HX_NOINLINE struct hosted_cpu *hosted_cpu(void)
{
    __asm__ volatile("" ::: "memory");
    return calling_cpu;
}

struct hosted_cpu *hosted_cpu_at(uint32_t cpu)
{
    HX_ASSERT(cpu < cpu_count, "a CPU number is below hal_cpu_count()");
    return &cpus[cpu];
}

HX_NOINLINE uint32_t hosted_cpu_id(void)
{
    return hosted_cpu()->number;
}

HX_NOINLINE struct thread *hosted_thread_current(void)
{
    return hosted_cpu()->current;
}

uint32_t hal_cpu_count(void)
{
    return cpu_count;
}

bool hal_cpu_id_is_readable(void)
{
    return false;
}

const char *hal_cpu_name(void)
{
    return "x86-64 thread of a Linux process";
}

const char *hal_cpu_features(void)
{
    return "nx";
}

uint64_t hal_cpu_entropy(void)
{
    uint64_t value = 0;

    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value) {
        value = hal_clock_cycles() * 0x9e3779b97f4a7c15ULL; /* the golden ratio spreads the bits */
    }
    return value;
}

/* --- waiting ---------------------------------------------------------------------------------- */

HX_NOINLINE void hosted_cpu_relax(void)
{
    struct hosted_cpu *cpu = hosted_cpu();

    __builtin_ia32_pause();
    if (++cpu->spins % SPINS_PER_YIELD == 0) {
        sched_yield();
    }
    hosted_deliver();
}

void hal_cpu_idle(void)
{
    struct hosted_cpu *cpu = hosted_cpu();

    hosted_sleep(cpu, 0);
    cpu->interrupts_on = true;
    hosted_deliver();
}

void hal_cpu_halt(void)
{
    struct hosted_cpu *cpu = hosted_cpu();

    cpu->interrupts_on = false;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&cpu->attention, memory_order_seq_cst);

        if (seen & HOSTED_LEAVE) {
            hosted_cpu_leave(cpu);
        }
        atomic_store_explicit(&cpu->stopped, true, memory_order_release);
        hosted_sleep(cpu, seen);
    }
}

static uint32_t count_stopped(const struct hosted_cpu *self)
{
    uint32_t stopped = 0;

    for (uint32_t i = 0; i < cpu_count; i++) {
        if (&cpus[i] != self && cpus[i].is_started) {
            stopped += atomic_load_explicit(&cpus[i].stopped, memory_order_acquire) ? 1U : 0U;
        }
    }
    return stopped;
}

uint32_t hal_cpu_stop_others(void)
{
    const struct hosted_cpu *self = hosted_cpu();
    uint64_t deadline = hal_clock_now() + STOP_TIMEOUT_NS;
    uint32_t others = 0;

    for (uint32_t i = 0; i < cpu_count; i++) {
        if (&cpus[i] != self && cpus[i].is_started) {
            hosted_attend(&cpus[i], HOSTED_STOP);
            others++;
        }
    }
    while (count_stopped(self) < others && hal_clock_now() < deadline) {
        sched_yield();
    }
    return count_stopped(self);
}

/* --- starting and stopping -------------------------------------------------------------------- */

static void use_signal_stack(const struct hosted_cpu *cpu)
{
    const stack_t stack = {.ss_sp = cpu->signal_stack, .ss_size = HOSTED_SIGNAL_STACK_SIZE};
    const stack_t none = {.ss_flags = SS_DISABLE};

    sigaltstack(cpu->signal_stack != NULL ? &stack : &none, NULL);
}

/* The first thing on a secondary CPU's kernel stack. */
static void secondary_entry(void *argument)
{
    struct hosted_cpu *cpu = argument;

    atomic_store_explicit(&cpu->arrived, true, memory_order_release);
    kernel_secondary_main();
}

/* The pthread of a secondary CPU: go to the kernel's stack, come back only when the machine ends.
 */
static void *secondary_thread(void *argument)
{
    struct hosted_cpu *cpu = argument;

    calling_cpu = cpu;
    use_signal_stack(cpu);
    hosted_fiber_adopt(&cpu->native);
    hosted_fiber_switch(&cpu->native, (struct hal_thread *)cpu->current, NULL);
    use_signal_stack(&(struct hosted_cpu){.signal_stack = NULL});
    return NULL;
}

HX_NORETURN void hosted_cpu_leave(struct hosted_cpu *cpu)
{
    hosted_fiber_switch((struct hal_thread *)cpu->current, &cpu->native, NULL);
    __builtin_unreachable();
}

void hal_cpu_leave(void)
{
    struct hosted_cpu *cpu = hosted_cpu();

    /* release: pairs with hal_cpu_wait_left */
    atomic_store_explicit(&cpu->arrived, false, memory_order_release);
    hosted_cpu_leave(cpu);
}

void hal_cpu_wait_left(uint32_t number)
{
    struct hosted_cpu *cpu = hosted_cpu_at(number);

    while (atomic_load_explicit(&cpu->arrived, memory_order_acquire)) {
        sched_yield();
    }
    pthread_join(cpu->thread, NULL);
    hal_thread_fini((struct hal_thread *)cpu->current);
    cpu->is_started = false;
}

static hx_err await_arrival(struct hosted_cpu *cpu)
{
    uint64_t deadline = hal_clock_now() + START_TIMEOUT_NS;

    while (!atomic_load_explicit(&cpu->arrived, memory_order_acquire)) {
        if (hal_clock_now() > deadline) {
            return HX_ETIMEDOUT;
        }
        sched_yield();
    }
    return HX_OK;
}

/* What was sent to a CPU that has left. */
static void forget_interrupts(struct hosted_cpu *cpu)
{
    atomic_store_explicit(&cpu->attention, 0, memory_order_relaxed);
    atomic_store_explicit(&cpu->deadline, HOSTED_NO_DEADLINE, memory_order_relaxed);
    for (size_t word = 0; word < HOSTED_PENDING_WORDS; word++) {
        atomic_store_explicit(&cpu->pending[word], 0, memory_order_relaxed);
    }
    cpu->interrupts_on = false;
}

hx_err hal_cpu_start(uint32_t number, void *stack_top, struct thread *current)
{
    struct hosted_cpu *cpu;

    if (number == 0 || number >= cpu_count || cpus[number].is_started) {
        return HX_EINVAL;
    }
    cpu = &cpus[number];
    forget_interrupts(cpu);
    hal_thread_init((struct hal_thread *)current, (char *)stack_top - SECONDARY_STACK_SIZE,
                    SECONDARY_STACK_SIZE, secondary_entry, cpu);
    cpu->current = current;
    if (pthread_create(&cpu->thread, NULL, secondary_thread, cpu) != 0) {
        hal_thread_fini((struct hal_thread *)current);
        return HX_ENOMEM;
    }
    cpu->is_started = true;
    return await_arrival(cpu);
}

static bool prepare_cpu(uint32_t number)
{
    struct hosted_cpu *cpu = &cpus[number];

    memset(cpu, 0, sizeof *cpu);
    cpu->number = number;
    atomic_store_explicit(&cpu->deadline, HOSTED_NO_DEADLINE, memory_order_relaxed);
    cpu->emergency_stack = hosted_reserve(HOSTED_EMERGENCY_STACK_SIZE);
    cpu->signal_stack = hosted_reserve(HOSTED_SIGNAL_STACK_SIZE);
    return cpu->emergency_stack != NULL && cpu->signal_stack != NULL;
}

bool hosted_cpus_start(uint32_t count, struct thread *boot)
{
    cpu_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!prepare_cpu(i)) {
            return false;
        }
    }
    calling_cpu = &cpus[0];
    cpus[0].is_started = true;
    cpus[0].current = boot;
    hosted_fiber_adopt((struct hal_thread *)boot);
    use_signal_stack(&cpus[0]);
    return true;
}

static void stop_cpu(struct hosted_cpu *cpu)
{
    if (cpu->number != 0 && cpu->is_started) {
        hosted_attend(cpu, HOSTED_LEAVE);
        pthread_join(cpu->thread, NULL);
    }
    hosted_unreserve(cpu->emergency_stack, HOSTED_EMERGENCY_STACK_SIZE);
    hosted_unreserve(cpu->signal_stack, HOSTED_SIGNAL_STACK_SIZE);
}

void hosted_cpus_stop(void)
{
    use_signal_stack(&(struct hosted_cpu){.signal_stack = NULL});
    for (uint32_t i = cpu_count; i-- > 0;) {
        stop_cpu(&cpus[i]);
    }
    calling_cpu = NULL;
    cpu_count = 0;
}
