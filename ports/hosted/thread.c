/* Fibers, and what the sanitizers want to be told about them. */
#define _GNU_SOURCE
#include <base/memory.h>
#include <hal/frame.h>
#include <ports/hosted/machine.h>
#include <ports/hosted/sanitizers.h>

/* --- AddressSanitizer: which stack is in use -------------------------------------------------- */

#if HOSTED_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static void before_switch(struct hal_thread *from, const struct hal_thread *to)
{
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_size);
}

static void after_switch(struct hal_thread *self)
{
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

void hosted_unpoison(uintptr_t from, uintptr_t to)
{
    __asan_unpoison_memory_region((const void *)from, to - from);
}

void hosted_begin_copy(void *page)
{
    (void)page;
}

void hosted_end_copy(void *page)
{
    (void)page;
}

static void *sanitizer_create(void)
{
    return NULL;
}

static void *sanitizer_current(void)
{
    return NULL;
}

static void sanitizer_destroy(void *fiber)
{
    (void)fiber;
}

/* --- ThreadSanitizer: a switch orders what both sides do -------------------------------------- */

#elif HOSTED_TSAN
#include <sanitizer/tsan_interface.h>

static void before_switch(struct hal_thread *from, const struct hal_thread *to)
{
    (void)from;
    __tsan_switch_to_fiber(to->sanitizer, 0);
}

static void after_switch(struct hal_thread *self)
{
    (void)self;
}

void hosted_unpoison(uintptr_t from, uintptr_t to)
{
    (void)from;
    (void)to;
}

void hosted_begin_copy(void *page)
{
    __tsan_acquire(page);
}

void hosted_end_copy(void *page)
{
    __tsan_release(page);
}

static void *sanitizer_create(void)
{
    return __tsan_create_fiber(0);
}

static void *sanitizer_current(void)
{
    return __tsan_get_current_fiber();
}

static void sanitizer_destroy(void *fiber)
{
    __tsan_destroy_fiber(fiber);
}

/* --- neither ---------------------------------------------------------------------------------- */

#else

static void before_switch(struct hal_thread *from, const struct hal_thread *to)
{
    (void)from;
    (void)to;
}

static void after_switch(struct hal_thread *self)
{
    (void)self;
}

void hosted_unpoison(uintptr_t from, uintptr_t to)
{
    (void)from;
    (void)to;
}

void hosted_begin_copy(void *page)
{
    (void)page;
}

void hosted_end_copy(void *page)
{
    (void)page;
}

static void *sanitizer_create(void)
{
    return NULL;
}

static void *sanitizer_current(void)
{
    return NULL;
}

static void sanitizer_destroy(void *fiber)
{
    (void)fiber;
}

#endif

/* What hosted_context_switch pops, lowest address first. */
struct saved_context {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t unused;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void (*return_address)(void);
    uint64_t end_of_chain; /* where a caller's return address would be; keeps the ABI's alignment */
};

/* The values a process starts with (System V AMD64 ABI 1.0, 3.4.1). */
#define MXCSR_INITIAL       0x1f80U
#define X87_CONTROL_INITIAL 0x037fU

void hosted_fiber_main(struct hal_thread *self)
{
    after_switch(self);
    self->entry(self->argument);
    __builtin_trap(); /* entry has returned, which the contract forbids */
}

void hal_thread_init(struct hal_thread *hal, void *stack, size_t stack_size,
                     void (*entry)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)stack + stack_size) & ~(uintptr_t)15;
    struct saved_context *context = (struct saved_context *)(top - sizeof *context);

    hosted_unpoison((uintptr_t)stack, top); /* who used it before may not have returned */
    *context = (struct saved_context){
        .mxcsr = MXCSR_INITIAL,
        .x87_control = X87_CONTROL_INITIAL,
        .r12 = (uint64_t)hal,
        .return_address = hosted_fiber_entry,
    };
    hal->sp = context;
    hal->sanitizer = sanitizer_create();
    hal->fake_stack = NULL;
    hal->stack = stack;
    hal->stack_size = stack_size;
    hal->entry = entry;
    hal->argument = arg;
}

/* hosted_context_switch pushes six registers and two control words, rbp first. */
#define SAVED_RBP_OFFSET 48U

bool hal_thread_saved_place(const struct hal_thread *hal, uintptr_t *pc, uintptr_t *fp)
{
    uintptr_t link = (uintptr_t)hal->sp + SAVED_RBP_OFFSET;

    /* rbp and the return address lie as in a frame: one step of the walk reads both, checked. */
    if (!hal_frame_walk(&link, pc)) {
        return false;
    }
    *fp = link;
    return true;
}

void hal_thread_fini(struct hal_thread *hal)
{
    if (hal->sanitizer != NULL) {
        sanitizer_destroy(hal->sanitizer);
        hal->sanitizer = NULL;
    }
}

void hosted_fiber_adopt(struct hal_thread *fiber)
{
    pthread_attr_t attributes;
    void *stack = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &stack, &size);
        pthread_attr_destroy(&attributes);
    }
    fiber->sanitizer = sanitizer_current();
    fiber->fake_stack = NULL;
    fiber->stack = stack;
    fiber->stack_size = size;
}

HX_NOINLINE void *hosted_fiber_switch(struct hal_thread *from, struct hal_thread *to, void *token)
{
    void *received;

    before_switch(from, to);
    received = hosted_context_switch(&from->sp, to->sp, token);
    after_switch(from);
    return received;
}

struct thread *hal_thread_switch(struct thread *from, struct thread *to)
{
    hosted_cpu()->current = to;
    return hosted_fiber_switch((struct hal_thread *)from, (struct hal_thread *)to, from);
}
