/*
 * The processor's exceptions, provoked one by one: each arrives under its name, with its error
 * code, on the stack it should arrive on, and the thread goes on behind the instruction that caused
 * it.
 */
#include <core/interrupts/exceptions.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <kern/area.h>
#include <kern/thread.h>
#include <tests/self/suites.h>

#define NON_CANONICAL 0x8000000000000000UL
#define NULL_GUARD    0x18UL
#define BAD_SELECTOR  0xfff8UL /* beyond the descriptor table */

#define TRAP_FLAG   0x100UL /* of RFLAGS: a debug exception after the next instruction */
#define SINGLE_STEP "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop"

/* What the handler saw. */
static struct {
    unsigned calls;
    unsigned kind;
    uint64_t error;
    uintptr_t address;
    uintptr_t stack; /* of the handler itself */
    uintptr_t resume;
    uintptr_t resume_stack; /* 0: as it was */
} seen;

static enum exception_action note(struct hal_frame *frame, void *argument)
{
    char here;

    (void)argument;
    seen.calls++;
    seen.kind = (unsigned)hal_frame_exception(frame);
    seen.error = hal_frame_error_code(frame);
    seen.address = hal_frame_fault_address(frame);
    seen.stack = (uintptr_t)&here;
    if (seen.resume_stack != 0) {
        frame->rsp = seen.resume_stack;
    }
    frame->rflags &= ~TRAP_FLAG;
    hal_frame_set_pc(frame, seen.resume);
    return EXCEPTION_RESUME;
}

static const unsigned kinds[] = {
    HAL_EXCEPTION_DIVIDE, HAL_EXCEPTION_DEBUG,        HAL_EXCEPTION_BREAKPOINT,
    HAL_EXCEPTION_STACK,  HAL_EXCEPTION_PROTECTION,   HAL_EXCEPTION_INVALID_OPCODE,
    HAL_EXCEPTION_PAGE,   HAL_EXCEPTION_DOUBLE_FAULT, HAL_EXCEPTION_STACK_OVERFLOW,
};

static void open_notes(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        EXPECT_EQUAL(
            exception_register(kinds[i], "exceptions", EXCEPTION_ORDER_DEBUGGER, note, NULL),
            HX_OK);
    }
}

static void close_notes(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        EXPECT_EQUAL(exception_unregister(kinds[i], "exceptions"), HX_OK);
    }
}

/* Run one instruction that faults, and go on at the label behind it. */
#define PROVOKE(instruction, ...)                                                                  \
    do {                                                                                           \
        seen.calls = 0;                                                                            \
        seen.resume_stack = 0;                                                                     \
        hal_interrupts_disable(); /* it is this thread's, and nobody else's */                     \
        __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"                                               \
                         "movq %%rax, %0\n\t" instruction "\n"                                     \
                         "1:\n\t"                                                                  \
                         : "=m"(seen.resume)                                                       \
                         : __VA_ARGS__                                                             \
                         : "rax", "rcx", "rdx", "memory", "cc");                                   \
        hal_interrupts_enable();                                                                   \
    } while (0)

static void expect_seen(int line, unsigned kind, uint64_t error)
{
    if (seen.calls != 1 || seen.kind != kind || seen.error != error) {
        selftest_fail(__FILE__, line, "%u exceptions, %s with error 0x%llx; wanted %s with 0x%llx",
                      seen.calls, exception_name(seen.kind), (unsigned long long)seen.error,
                      exception_name(kind), (unsigned long long)error);
    }
}

#define EXPECT_SEEN(kind, error) expect_seen(__LINE__, kind, error)

static bool is_on_own_stack(uintptr_t address)
{
    uintptr_t base = (uintptr_t)thread_current()->stack->base;

    return address >= base && address < base + THREAD_STACK_SIZE;
}

/* SPEC: I3 */
static void each_exception_has_its_name_and_error_code(void)
{
    open_notes();
    PROVOKE("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx", "m"(seen));
    EXPECT_SEEN(HAL_EXCEPTION_DIVIDE, 0);
    PROVOKE("ud2", "m"(seen));
    EXPECT_SEEN(HAL_EXCEPTION_INVALID_OPCODE, 0);
    PROVOKE("int3", "m"(seen));
    EXPECT_SEEN(HAL_EXCEPTION_BREAKPOINT, 0);
    PROVOKE(SINGLE_STEP, "m"(seen));
    EXPECT_SEEN(HAL_EXCEPTION_DEBUG, 0);
    PROVOKE("movq %1, %%rcx\n\tmovq (%%rcx), %%rcx", "r"(NON_CANONICAL));
    EXPECT_SEEN(HAL_EXCEPTION_PROTECTION, 0);
    PROVOKE("movq %1, %%rcx\n\tmovw %%cx, %%es", "r"(BAD_SELECTOR));
    EXPECT_SEEN(HAL_EXCEPTION_PROTECTION, BAD_SELECTOR);
    close_notes();
}

/* SPEC: I3 */
static void a_page_fault_tells_where_and_how(void)
{
    open_notes();
    PROVOKE("movq %1, %%rcx\n\tmovq (%%rcx), %%rcx", "r"(NULL_GUARD));
    EXPECT_SEEN(HAL_EXCEPTION_PAGE, 0);
    EXPECT_EQUAL(seen.address, NULL_GUARD);
    EXPECT(is_on_own_stack(seen.stack));
    PROVOKE("movq %1, %%rcx\n\tmovb $1, (%%rcx)", "r"(NULL_GUARD));
    EXPECT_SEEN(HAL_EXCEPTION_PAGE, 2); /* a write (SDM 3A 4.7) */
    PROVOKE("movq %1, %%rcx\n\tmovb $1, (%%rcx)", "r"((uintptr_t)expect_seen));
    EXPECT_SEEN(HAL_EXCEPTION_PAGE, 3); /* a write to what is there */
    EXPECT_EQUAL(seen.address, (uintptr_t)expect_seen);
    close_notes();
}

/* SPEC: I3 */
static void the_debug_exception_has_a_stack_of_its_own(void)
{
    open_notes();
    PROVOKE(SINGLE_STEP, "m"(seen));
    EXPECT_SEEN(HAL_EXCEPTION_DEBUG, 0);
    EXPECT(!is_on_own_stack(seen.stack));
    close_notes();
}

/* A push onto the guard page: the processor cannot deliver the page fault there. */
static HX_NOINLINE void overflow(void)
{
    uintptr_t guard = (uintptr_t)thread_current()->stack->base;

    seen.calls = 0;
    hal_interrupts_disable();
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movq %%rsp, %1\n\t"
                     "movq %2, %%rsp\n\t"
                     "pushq %%rax\n"
                     "1:\n\t"
                     : "=m"(seen.resume), "=m"(seen.resume_stack)
                     : "r"(guard)
                     : "rax", "memory", "cc");
    hal_interrupts_enable();
    seen.resume_stack = 0;
}

/* SPEC: I3 */
static void a_stack_overflow_is_survived_on_another_stack(void)
{
    open_notes();
    overflow();
    EXPECT_SEEN(HAL_EXCEPTION_STACK_OVERFLOW, 0);
    EXPECT(!is_on_own_stack(seen.stack));
    overflow(); /* that stack serves again */
    EXPECT_SEEN(HAL_EXCEPTION_STACK_OVERFLOW, 0);
    close_notes();
}

static enum exception_action note_nmi(struct hal_frame *frame, void *argument)
{
    char here;

    (void)frame;
    (void)argument;
    seen.calls++;
    seen.stack = (uintptr_t)&here;
    return EXCEPTION_RESUME;
}

/* SPEC: I3 */
static void a_non_maskable_interrupt_has_a_stack_of_its_own(void)
{
    seen.calls = 0;
    EXPECT_EQUAL(
        exception_register(EXCEPTION_NMI, "exceptions", EXCEPTION_ORDER_DEBUGGER, note_nmi, NULL),
        HX_OK);
    hal_interrupts_disable();
    EXPECT_EQUAL(hal_interrupt_send_nmi(hal_cpu_id()), HX_OK);
    for (unsigned i = 0; i < 1000 && ((volatile unsigned *)&seen.calls)[0] == 0; i++) {
        hal_cpu_relax();
    }
    EXPECT_EQUAL(seen.calls, 1);
    EXPECT(!is_on_own_stack(seen.stack));
    hal_interrupts_enable();
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "exceptions"), HX_OK);
}

/* A stack at an address that there cannot be: not even the stack fault can be told there. */
static void by_a_double_fault(void)
{
    __asm__ volatile("movq %0, %%rsp\n\tpushq %%rax" : : "r"(NON_CANONICAL) : "memory");
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "x86_64_exceptions." #function, .run = function                                    \
    }

const struct selftest x86_64_exceptions_tests[] = {
    TEST(each_exception_has_its_name_and_error_code),
    TEST(a_page_fault_tells_where_and_how),
    TEST(the_debug_exception_has_a_stack_of_its_own),
    TEST(a_stack_overflow_is_survived_on_another_stack),
    TEST(a_non_maskable_interrupt_has_a_stack_of_its_own),
    {.name = "x86_64_exceptions.by_a_double_fault",
     .run = by_a_double_fault,
     .flags = SELFTEST_ENDS_KERNEL},
    {.name = NULL},
};
