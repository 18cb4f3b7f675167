/* Limits of processes: how many there may be, and how long they may run. */
#include <core/debug/log.h>
#include <core/resource/resource.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <kern/frames.h>
#include <subsys/process/interval.h>
#include <subsys/process/process_private.h>

#define UNLIMITED       UINT64_MAX
#define STACK_LIMIT     (8ULL << 20)
#define FILES_SOFT      1024U
#define FILES_HARD      4096U
#define CHECK_PERIOD_NS (10 * HAL_NS_PER_MS)

/* Memory that each may take of the machine's, so that a crowd of them leaves some for the others.
 */
#define BYTES_PER_PROCESS (128UL << 10)
#define BYTES_PER_THREAD  (32UL << 10)
#define PROCESSES_LEAST   64U
#define PROCESSES_MOST    (OWNER_INDEX_MAX - 127U) /* each has an owner; modules have some too */

static uint32_t most_processes; /* set once, at start */
static uint32_t most_threads;

/* --- how many -----------------------------------------------------------------------------------
 */

static uint32_t share(uint64_t bytes, uint64_t each, uint32_t most)
{
    uint64_t count = bytes / each;

    if (count < PROCESSES_LEAST) {
        return PROCESSES_LEAST;
    }
    return count < most ? (uint32_t)count : most;
}

static void on_tick(struct thread *thread);
static const struct file_size_limit file_size_limit;

void limits_init(void)
{
    struct frame_statistics frames;
    uint64_t bytes;

    frames_statistics(&frames);
    bytes = frames.total << HAL_PAGE_SHIFT;
    most_processes = share(bytes, BYTES_PER_PROCESS, PROCESSES_MOST);
    most_threads = share(bytes, BYTES_PER_THREAD, PROCESS_ID_MAX / 2);
    thread_set_tick_hook(on_tick);
    file_set_size_limit(&file_size_limit);
}

void limits_set_standard(struct process *process)
{
    for (unsigned i = 0; i < PROCESS_LIMITS; i++) {
        process->limits[i] = (struct process_limit){UNLIMITED, UNLIMITED};
    }
    process->limits[LIMIT_STACK].soft = STACK_LIMIT;
    process->limits[LIMIT_CORE].soft = 0;
    process->limits[LIMIT_NICE] = (struct process_limit){0, 0};
    process->limits[LIMIT_REAL_TIME_PRIORITY] = (struct process_limit){0, 0};
    process->limits[LIMIT_FILES] = (struct process_limit){FILES_SOFT, FILES_HARD};
    process->limits[LIMIT_PROCESSES] = (struct process_limit){most_threads, most_threads};
    atomic_store_explicit(&process->cpu_check_ns, CHECK_PERIOD_NS, memory_order_relaxed);
}

struct crowd {
    uint32_t user;
    uint64_t threads;
};

/* A dead process that nobody has waited for counts as a thread. */
static bool add_to_crowd(struct process *process, void *argument)
{
    struct crowd *crowd = argument;
    uint32_t threads = atomic_load_explicit(&process->thread_count, memory_order_relaxed);

    if (process->credentials.user == crowd->user) {
        crowd->threads += threads > 0 ? threads : 1;
    }
    return true;
}

hx_err limits_may_add_locked(bool is_process)
{
    const struct process *self = process_current();
    uint64_t most = self->limits[LIMIT_PROCESSES].soft;
    struct crowd crowd = {.user = self->credentials.user};

    if (is_process && process_count() >= most_processes) {
        return HX_EAGAIN;
    }
    /* No walk while there are fewer of all users together: thread_count() has them and more. */
    if ((uint64_t)thread_count() + process_count() < most) {
        return HX_OK;
    }
    process_for_each_locked(add_to_crowd, &crowd);
    return crowd.threads < most ? HX_OK : HX_EAGAIN;
}

/* --- how large ----------------------------------------------------------------------------------
 */

static uint64_t most_of_a_file(void)
{
    const struct process *self = process_current();

    return self != NULL ? self->limits[LIMIT_FILE_SIZE].soft : UNLIMITED;
}

static void tell_of_a_large_file(void)
{
    const struct hal_signal_info info = signal_info_kernel(SIGNAL_FILE_LIMIT);

    (void)!signal_send_thread(user_thread_current(), &info);
}

static const struct file_size_limit file_size_limit = {most_of_a_file, tell_of_a_large_file};

/* --- how long -----------------------------------------------------------------------------------
 */

void limits_count_time(struct user_thread *thread)
{
    uint64_t now = thread_run_time(thread->thread);

    atomic_fetch_add_explicit(&thread->process->cpu_ns, now - thread->counted_ns,
                              memory_order_relaxed);
    thread->counted_ns = now;
}

/* Context: irq, of the CPU that runs the thread. */
static void on_tick(struct thread *thread)
{
    struct user_thread *user = thread->user;

    if (!user->is_counted) {
        return;
    }
    limits_count_time(user);
    if (atomic_load_explicit(&user->process->cpu_ns, memory_order_relaxed) >=
        atomic_load_explicit(&user->process->cpu_check_ns, memory_order_relaxed)) {
        atomic_fetch_or_explicit(&thread->user_work, THREAD_WORK_CPU_TIME, memory_order_relaxed);
    }
}

static uint64_t ns_of_seconds(uint64_t seconds)
{
    return seconds < UINT64_MAX / HAL_NS_PER_S ? seconds * HAL_NS_PER_S : UINT64_MAX;
}

/* To the broker, which may refuse.  Errors: HX_ELIMIT. */
static hx_err charge_locked(struct process *process, uint64_t microseconds)
{
    hx_err error;

    if (microseconds == 0) {
        return HX_OK;
    }
    error = process->cpu_charge == RESOURCE_HANDLE_NONE
                ? resource_allocate(process->owner, RESOURCE_CPU_TIME, microseconds,
                                    &process->cpu_charge)
                : resource_adjust(process->cpu_charge, process->owner, microseconds);
    return error == HX_ELIMIT ? error : HX_OK; /* without a handle's place it is counted later */
}

/* SIGXCPU at the soft limit and at each second after it. */
static void tell_of_soft_limit_locked(struct process *process, uint64_t used_ns)
{
    const struct hal_signal_info info = signal_info_kernel(SIGNAL_CPU_LIMIT);

    if (used_ns >= ns_of_seconds(process->limits[LIMIT_CPU].soft) &&
        used_ns >= process->cpu_tell_ns) {
        process->cpu_tell_ns = used_ns + HAL_NS_PER_S;
        (void)!signal_send(process, &info);
    }
}

static bool is_spent_locked(struct process *process, uint64_t used_ns)
{
    return charge_locked(process, used_ns / 1000) != HX_OK ||
           used_ns >= ns_of_seconds(process->limits[LIMIT_CPU].hard);
}

void limits_check_cpu_time(void)
{
    struct process *process = process_current();
    uint64_t used_ns = atomic_load_explicit(&process->cpu_ns, memory_order_relaxed);
    bool is_spent;

    atomic_store_explicit(&process->cpu_check_ns, used_ns + CHECK_PERIOD_NS, memory_order_relaxed);
    mutex_lock(&process_mutex);
    is_spent = is_spent_locked(process, used_ns);
    if (!is_spent) {
        interval_check_locked(process, used_ns);
        tell_of_soft_limit_locked(process, used_ns);
    }
    mutex_unlock(&process_mutex);
    if (is_spent) {
        kwarn("process %u (%s) is ended: its CPU time is used up", process->id, process->name);
        process_end(process);
    }
}
