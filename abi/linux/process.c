/* Loading a program, running it, and clearing up after it. */
#include <abi/linux/elf_program.h>
#include <abi/linux/initial_stack.h>
#include <abi/linux/process.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/interrupts/exceptions.h>
#include <hal/memory.h>
#include <hal/relocate.h>
#include <hal/user.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

#define LINE_MAX         128
#define RANGE_MAX        (ELF_PROGRAM_SEGMENT_MAX + 1)
#define DYNAMIC_BASE     0x400000000UL /* where a position-independent program goes */
#define SIGNAL_FOR_FAULT 11            /* SIGSEGV */

/* Pages that the process owns. */
struct user_range {
    uintptr_t base;
    size_t pages;
};

/* Keys: I = immutable once started, T = its own thread, W = under ended.lock */
struct process {
    struct hal_space *space; /* I */
    struct user_range ranges[RANGE_MAX];
    size_t range_count;
    void *registers; /* I  user-mode registers, the port's */
    uintptr_t entry; /* I */
    uintptr_t stack; /* I  initial stack pointer */
    struct wait_queue ended;
    _Atomic bool has_ended;
    int status;          /* valid once has_ended */
    size_t line_length;  /* T */
    char line[LINE_MAX]; /* T  output since the last newline */
    char name[THREAD_NAME_MAX];
};

/* --- memory ----------------------------------------------------------------------------------- */

static unsigned protection_of(unsigned access)
{
    unsigned protection = HAL_READ | HAL_USER;

    protection |= (access & ELF_PROGRAM_WRITE) != 0 ? HAL_WRITE : 0U;
    protection |= (access & ELF_PROGRAM_EXECUTE) != 0 ? HAL_EXECUTE : 0U;
    return protection;
}

/* Map one fresh page that holds the given bytes from offset on and zeros elsewhere. */
static hx_err map_page(struct process *process, uintptr_t page, unsigned protection,
                       const void *bytes, size_t offset, size_t size)
{
    uint64_t physical;
    hx_err error = frames_allocate(0, OWNER_CORE, &physical);

    if (error != HX_OK) {
        return error;
    }
    memset(hal_direct_map(physical), 0, HAL_PAGE_SIZE);
    if (size > 0) {
        memcpy((char *)hal_direct_map(physical) + offset, bytes, size);
    }
    error = hal_space_map(process->space, page, physical, 1, protection);
    if (error != HX_OK) {
        frames_free(physical, 0);
    }
    return error;
}

/* Map [address, address + memory_size) with file_size bytes in front; the range is the process's.
 */
static hx_err map_range(struct process *process, uintptr_t address, const char *bytes,
                        size_t file_size, size_t memory_size, unsigned protection)
{
    uintptr_t first = address & ~(HAL_PAGE_SIZE - 1);
    uintptr_t end = (address + memory_size + HAL_PAGE_SIZE - 1) & ~(HAL_PAGE_SIZE - 1);

    process->ranges[process->range_count++] =
        (struct user_range){first, (end - first) >> HAL_PAGE_SHIFT};
    for (uintptr_t page = first; page < end; page += HAL_PAGE_SIZE) {
        uintptr_t from = page < address ? address : page;
        uintptr_t to =
            page + HAL_PAGE_SIZE < address + file_size ? page + HAL_PAGE_SIZE : address + file_size;
        size_t size = to > from ? to - from : 0;
        hx_err error = map_page(process, page, protection,
                                size > 0 ? bytes + (from - address) : NULL, from - page, size);

        if (error != HX_OK) {
            return error;
        }
    }
    return HX_OK;
}

static void unmap_range(struct process *process, const struct user_range *range)
{
    for (size_t i = 0; i < range->pages; i++) {
        uintptr_t address = range->base + (i << HAL_PAGE_SHIFT);
        uint64_t physical;

        if (hal_space_lookup(process->space, address, &physical, NULL)) {
            hal_space_unmap(process->space, address, 1);
            frames_free(physical, 0);
        }
    }
}

/* Whatever point its making reached. */
static void process_release(struct process *process)
{
    for (size_t i = 0; i < process->range_count; i++) {
        unmap_range(process, &process->ranges[i]);
    }
    if (process->space != NULL) {
        hal_space_destroy(process->space);
    }
    heap_free(process->registers);
    heap_free(process);
}

/* --- starting --------------------------------------------------------------------------------- */

static hx_err map_program(struct process *process, const struct elf_program *program,
                          const char *file)
{
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_program_segment *segment = &program->segments[i];
        hx_err error =
            map_range(process, segment->address, file + segment->offset, segment->file_size,
                      segment->memory_size, protection_of(segment->access));

        if (error != HX_OK) {
            return error;
        }
    }
    process->entry = program->entry;
    return HX_OK;
}

static hx_err map_stack(struct process *process, const struct elf_program *program)
{
    struct hal_range window = hal_user_window();
    uintptr_t top = window.base + window.size - HAL_PAGE_SIZE;
    char *page = heap_allocate_zeroed(HAL_PAGE_SIZE, OWNER_CORE);
    hx_err error = HX_ENOMEM;

    if (page != NULL) {
        size_t used = initial_stack_build(page, top, process->name, program);

        error = map_range(process, top - INITIAL_STACK_SIZE, "", 0,
                          INITIAL_STACK_SIZE - HAL_PAGE_SIZE, HAL_READ | HAL_WRITE | HAL_USER);
        if (error == HX_OK) {
            error = map_range(process, top - HAL_PAGE_SIZE, page, HAL_PAGE_SIZE, HAL_PAGE_SIZE,
                              HAL_READ | HAL_WRITE | HAL_USER);
        }
        process->stack = top - used;
    }
    heap_free(page);
    return error;
}

static void run(void *argument)
{
    const struct process *process = argument;

    hal_user_enter(process->entry, process->stack);
}

static hx_err start_thread(struct process *process)
{
    struct thread *thread;
    hx_err error;

    process->registers = heap_allocate(hal_user_state_size(), OWNER_CORE);
    if (process->registers == NULL) {
        return HX_ENOMEM;
    }
    error = thread_create(&(struct thread_options){.name = process->name,
                                                   .entry = run,
                                                   .argument = process,
                                                   .priority = THREAD_PRIORITY_NORMAL,
                                                   .process = process,
                                                   .space = process->space},
                          &thread);
    if (error == HX_OK) {
        hal_user_attach(&thread->hal, process->registers);
        thread_start(thread);
    }
    return error;
}

static hx_err build(struct process *process, const void *bytes, size_t size, const char **why)
{
    struct hal_range window = hal_user_window();
    const struct elf_program_file file = {
        .head = bytes,
        .head_size = size,
        .file_size = size,
        .machine = hal_relocation_machine(),
        .window_base = window.base,
        .window_size = window.size - INITIAL_STACK_SIZE - 2 * HAL_PAGE_SIZE,
        .dynamic_base = DYNAMIC_BASE,
    };
    struct elf_program program;
    hx_err error = elf_program_read(&file, &program, why);

    if (error == HX_OK) {
        error = hal_space_create(&process->space);
    }
    if (error == HX_OK) {
        error = map_program(process, &program, bytes);
    }
    if (error == HX_OK) {
        error = map_stack(process, &program);
    }
    return error == HX_OK ? start_thread(process) : error;
}

hx_err process_start(const char *name, const void *file, size_t size, struct process **process,
                     const char **why)
{
    struct process *created = heap_allocate_zeroed(sizeof(*created), OWNER_CORE);
    hx_err error;

    *why = NULL;
    if (created == NULL) {
        return HX_ENOMEM;
    }
    (void)string_copy(created->name, sizeof(created->name), name);
    wait_queue_init(&created->ended, "process end");
    error = build(created, file, size, why);
    if (error != HX_OK) {
        process_release(created);
        return error;
    }
    *process = created;
    return HX_OK;
}

/* --- output ----------------------------------------------------------------------------------- */

static void flush_line(struct process *process)
{
    kprintln("%.*s", (int)process->line_length, process->line);
    process->line_length = 0;
}

void process_output(struct process *process, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            flush_line(process);
            continue;
        }
        if (process->line_length == LINE_MAX) {
            flush_line(process);
        }
        process->line[process->line_length++] = bytes[i];
    }
}

/* --- ending ----------------------------------------------------------------------------------- */

void process_exit(int wait_status)
{
    struct process *self = thread_current()->process;

    if (self->line_length > 0) {
        flush_line(self);
    }
    /* Off its tables and registers before the waiter may free them. */
    hal_user_detach();
    hal_space_activate(hal_space_kernel());
    self->status = wait_status;
    preempt_disable();
    atomic_store_explicit(&self->has_ended, true, memory_order_release);
    wait_queue_wake_all(&self->ended);
    preempt_enable();
    thread_exit();
}

int process_wait(struct process *process)
{
    struct waiter waiter;
    int status;

    wait_queue_prepare(&process->ended, &waiter);
    while (!atomic_load_explicit(&process->has_ended, memory_order_acquire)) {
        (void)!wait_queue_wait(&process->ended, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&process->ended, &waiter);
    /* The ending thread does not touch the process after the wake-up that its preemption-off
     * section holds: wait for that section. */
    read_synchronize();
    status = process->status;
    process_release(process);
    return status;
}

static enum exception_action end_faulting_process(struct hal_frame *frame, void *argument)
{
    const struct thread *self = thread_current();

    (void)argument;
    if (self->process == NULL || !hal_frame_is_user(frame)) {
        return EXCEPTION_NOT_MINE;
    }
    kwarn("process %s: %s at %p, address %p", self->name,
          exception_name((unsigned)hal_frame_exception(frame)), (void *)hal_frame_pc(frame),
          (void *)hal_frame_fault_address(frame));
    hal_interrupts_enable();
    process_exit(SIGNAL_FOR_FAULT);
}

hx_err process_init(void)
{
    for (unsigned kind = 0; kind < HAL_EXCEPTION_COUNT; kind++) {
        hx_err error =
            exception_register(kind, "process", EXCEPTION_ORDER_OWNER, end_faulting_process, NULL);

        if (error != HX_OK) {
            return error;
        }
    }
    return HX_OK;
}
