/*
 * Programs of a few instructions, run in user mode: what the ways into the kernel and out of it do
 * to their registers, and signal frames. The system calls they make are registered by the test.
 */
#include <base/memory.h>
#include <core/debug/log.h>
#include <core/interrupts/exceptions.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <hal/signal.h>
#include <hal/user.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define CODE_PAGE    0x400000UL
#define DATA_PAGE    0x500000UL /* the stack grows down from its end */
#define STACK_TOP    (DATA_PAGE + HAL_PAGE_SIZE)
#define HANDLER_AREA 0x100U
#define WILD         0x0000800000000000UL
#define CALL_END     500U /* ends the program */
#define CALL_PROBE   501U
#define CALL_RAISE   502U /* a signal for itself */
#define CALL_BACK    503U /* rt_sigreturn */
#define CALL_NULL    504U /* does as little as getppid */
#define RFLAGS_TF    0x100UL

/* Registers as the programs dump them. */
struct dump {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t xmm0;
};

/* Each program runs at CODE_PAGE, with rsp at STACK_TOP. */
extern const char user_programs[];
extern const char user_programs_end[];
extern const char user_by_syscall[];
extern const char user_by_int80[];
extern const char user_spin[];
extern const char user_signal[];
extern const char user_handler[];
extern const char user_restorer[];
extern const char user_count[];
extern const char user_stepped[];
extern const char user_end[];

__asm__(
    ".pushsection .rodata\n"
    ".macro load_registers\n"
    "movq $0x1101, %rdi\n movq $0x1102, %rsi\n movq $0x1103, %rdx\n movq $0x1104, %r10\n"
    "movq $0x1105, %r8\n movq $0x1106, %r9\n movq $0x1107, %rbx\n movq $0x1108, %rbp\n"
    "movq $0x1109, %r12\n movq $0x110a, %r13\n movq $0x110b, %r14\n movq $0x110c, %r15\n"
    "movq $0x110d, %rcx\n movq $0x110e, %r11\n movq %rcx, %xmm0\n"
    ".endm\n"
    ".macro dump_registers\n"
    "movq %rax, 0x500000\n movq %rbx, 0x500008\n movq %rcx, 0x500010\n movq %rdx, 0x500018\n"
    "movq %rsi, 0x500020\n movq %rdi, 0x500028\n movq %rbp, 0x500030\n movq %rsp, 0x500038\n"
    "movq %r8, 0x500040\n movq %r9, 0x500048\n movq %r10, 0x500050\n movq %r11, 0x500058\n"
    "movq %r12, 0x500060\n movq %r13, 0x500068\n movq %r14, 0x500070\n movq %r15, 0x500078\n"
    "movq %xmm0, 0x500080\n"
    ".endm\n"
    "user_programs:\n"
    "user_by_syscall:\n load_registers\n movl $501, %eax\n syscall\n dump_registers\n"
    "user_end:\n movl $500, %eax\n syscall\n ud2\n"
    "user_by_int80:\n load_registers\n movl $501, %eax\n int $0x80\n dump_registers\n"
    "jmp user_end\n"
    "user_spin:\n incq 0x500000\n cmpl $0, 0x500008\n je user_spin\n jmp user_end\n"
    "user_signal:\n load_registers\n movl $502, %eax\n syscall\n dump_registers\n jmp user_end\n"
    "user_handler:\n movq %rsp, 0x500100\n movq %rdi, 0x500108\n movq %rsi, 0x500110\n"
    "movq %rdx, 0x500118\n movq 0xa0(%rdx), %rax\n movq %rax, 0x500120\n" /* REG_RSP */
    "movq 0x28(%rdx), %rax\n movq %rax, 0x500128\n"                       /* REG_R8 */
    "xorl %ebx, %ebx\n xorl %r12d, %r12d\n xorl %r15d, %r15d\n pxor %xmm0, %xmm0\n ret\n"
    "user_restorer:\n movl $503, %eax\n syscall\n ud2\n"
    "user_count:\n rdtsc\n movl %eax, %r12d\n movl $1000, %ebx\n"
    "1: movl $504, %eax\n syscall\n decl %ebx\n jnz 1b\n"
    "rdtsc\n subl %r12d, %eax\n movq %rax, 0x500000\n jmp user_end\n"
    "user_stepped:\n pushfq\n orq $0x100, (%rsp)\n popfq\n movl $501, %eax\n syscall\n"
    "dump_registers\n jmp user_end\n"
    "user_programs_end:\n"
    ".popsection\n");

static uintptr_t at(const char *program)
{
    return CODE_PAGE + (uintptr_t)(program - user_programs);
}

/* --- running one ------------------------------------------------------------------------------ */

static struct {
    struct hal_space *space;
    uint64_t code, data; /* frames */
    void *registers;
    struct thread *thread;
    int64_t (*probe)(const uint64_t *arguments);
    struct dump dump;
    uint64_t handler_words[6]; /* what the signal handler has seen */
    unsigned exceptions;
    unsigned kind;
    uint64_t pc;
    hx_err deliver, back;
    _Atomic uint32_t ended;
} machine;

static volatile uint64_t *data_word(size_t offset)
{
    return (volatile uint64_t *)(void *)((char *)hal_direct_map(machine.data) + offset);
}

static int64_t end_program(void)
{
    memcpy(&machine.dump, hal_direct_map(machine.data), sizeof(machine.dump));
    memcpy(machine.handler_words, (char *)hal_direct_map(machine.data) + HANDLER_AREA,
           sizeof(machine.handler_words));
    hal_user_detach();
    hal_space_activate(hal_space_kernel());
    atomic_store_explicit(&machine.ended, 1, memory_order_release);
    thread_exit();
}

static int64_t probe(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const uint64_t arguments[] = {a0, a1, a2, a3, a4, a5};

    return machine.probe(arguments);
}

static int64_t raise_signal(void)
{
    const struct hal_signal_info info = {.number = 10};
    struct hal_frame *frame = hal_user_frame();

    hal_syscall_set_result(frame, 77);
    machine.deliver =
        hal_signal_deliver(frame, &(struct hal_signal_delivery){.info = &info,
                                                                .wants_info = true,
                                                                .handler = at(user_handler),
                                                                .restorer = at(user_restorer),
                                                                .old_mask = 0x55});
    return 0;
}

#define CONTEXT_RIP      168U /* in struct ucontext: gregs[REG_RIP], fpregs */
#define CONTEXT_EXTENDED 224U
#define XSAVE_HEADER     512U

/* Words of the frame that a program must not get away with. */
static const struct {
    bool is_extended; /* in the extended registers, else in the context */
    uint32_t offset;
    uint64_t value;
} malformed[] = {
    {false, CONTEXT_RIP, WILD},
    {false, CONTEXT_RIP, UINT64_MAX},
    {false, CONTEXT_EXTENDED, UINT64_MAX - 4096},
    {false, CONTEXT_EXTENDED, WILD},
    {true, 24, UINT64_MAX}, /* MXCSR */
    {true, 512, 1UL << 62}, /* states there are not */
    {true, 520, 1UL << 63}, /* the compacted form */
    {true, 560, 1},         /* a reserved byte of the header */
};

static void expect_refusal(struct hal_frame *frame, uintptr_t address, uint64_t value)
{
    struct hal_signal_stack stack;
    uint64_t mask;
    uint64_t kept;

    EXPECT_EQUAL(hal_user_copy_in(&kept, address, sizeof(kept)), HX_OK);
    EXPECT_EQUAL(hal_user_copy_out(address, &value, sizeof(value)), HX_OK);
    EXPECT_EQUAL(hal_signal_return(frame, &mask, &stack), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_out(address, &kept, sizeof(kept)), HX_OK);
}

static int64_t signal_return(void)
{
    struct hal_frame *frame = hal_user_frame();
    uintptr_t context = hal_frame_sp(frame);
    struct hal_signal_stack stack;
    uint64_t extended;
    uint64_t flags; /* bit 0: UC_FP_XSTATE, there is a header at all */
    uint64_t mask = 0;

    EXPECT_EQUAL(hal_user_copy_in(&extended, context + CONTEXT_EXTENDED, sizeof(extended)), HX_OK);
    EXPECT_EQUAL(hal_user_copy_in(&flags, context, sizeof(flags)), HX_OK);
    for (size_t i = 0;
         i < HX_ARRAY_SIZE(malformed) && (malformed[i].offset < XSAVE_HEADER || (flags & 1) != 0);
         i++) {
        expect_refusal(frame, (malformed[i].is_extended ? extended : context) + malformed[i].offset,
                       malformed[i].value);
    }
    machine.back = hal_signal_return(frame, &mask, &stack);
    EXPECT_EQUAL(mask, 0x55);
    return -1; /* not stored */
}

static int64_t null_call(void)
{
    return thread_current()->id;
}

static const struct {
    uint32_t number;
    struct syscall_entry entry;
} calls[] = {
    {CALL_END, {.name = "test_end", .handler = SYSCALL_HANDLER(end_program), .arguments = 0}},
    {CALL_PROBE, {.name = "test_probe", .handler = probe, .arguments = 6}},
    {CALL_RAISE, {.name = "test_raise", .handler = SYSCALL_HANDLER(raise_signal), .arguments = 0}},
    {CALL_BACK, {.name = "test_back", .handler = SYSCALL_HANDLER(signal_return), .arguments = 0}},
    {CALL_NULL, {.name = "test_null", .handler = SYSCALL_HANDLER(null_call), .arguments = 0}},
};

static const unsigned kinds[] = {HAL_EXCEPTION_DEBUG, HAL_EXCEPTION_PROTECTION, HAL_EXCEPTION_PAGE};

/* An exception of the program: noted; without the trap flag, and at its end when it cannot go on.
 */
static enum exception_action note(struct hal_frame *frame, void *argument)
{
    (void)argument;
    if (!hal_frame_is_user(frame)) {
        return EXCEPTION_NOT_MINE;
    }
    EXPECT_EQUAL((uintptr_t)frame, (uintptr_t)hal_user_frame());
    machine.exceptions++;
    machine.kind = (unsigned)hal_frame_exception(frame);
    machine.pc = hal_frame_pc(frame);
    frame->rflags &= ~RFLAGS_TF;
    if (machine.kind != HAL_EXCEPTION_DEBUG) {
        hal_frame_set_pc(frame, at(user_end));
    }
    return EXCEPTION_RESUME;
}

static void enter(void *argument)
{
    struct hal_frame frame;

    hal_user_frame_init(&frame, (uintptr_t)argument, STACK_TOP);
    hal_user_resume(&frame);
}

static bool prepare(void)
{
    memset(&machine, 0, sizeof(machine));
    if (frames_allocate(0, OWNER_CORE, &machine.code) != HX_OK ||
        frames_allocate(0, OWNER_CORE, &machine.data) != HX_OK ||
        hal_space_create(&machine.space) != HX_OK) {
        return false;
    }
    memset(hal_direct_map(machine.data), 0, HAL_PAGE_SIZE);
    memcpy(hal_direct_map(machine.code), user_programs,
           (size_t)(user_programs_end - user_programs));
    machine.registers = heap_allocate(hal_user_state_size(), OWNER_CORE);
    for (size_t i = 0; i < HX_ARRAY_SIZE(calls); i++) {
        EXPECT_EQUAL(syscall_register(calls[i].number, &calls[i].entry), HX_OK);
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        EXPECT_EQUAL(exception_register(kinds[i], "programs", EXCEPTION_ORDER_DEBUGGER, note, NULL),
                     HX_OK);
    }
    return machine.registers != NULL &&
           hal_space_map(machine.space, CODE_PAGE, machine.code, 1,
                         HAL_READ | HAL_EXECUTE | HAL_USER) == HX_OK &&
           hal_space_map(machine.space, DATA_PAGE, machine.data, 1,
                         HAL_READ | HAL_WRITE | HAL_USER) == HX_OK;
}

static void start(const char *program, uint64_t affinity)
{
    EXPECT_EQUAL(thread_create(&(struct thread_options){.name = "program",
                                                        .entry = enter,
                                                        .argument = (void *)at(program),
                                                        .priority = THREAD_PRIORITY_NORMAL,
                                                        .affinity = affinity,
                                                        .space = machine.space},
                               &machine.thread),
                 HX_OK);
    hal_user_attach(&machine.thread->hal, machine.registers);
    thread_start(machine.thread);
}

static void finish(uint32_t threads_before)
{
    EXPECT(crew_sleep_until(&machine.ended, 1));
    for (unsigned i = 0; i < 1000 && thread_count() > threads_before; i++) {
        (void)thread_reap();
        thread_sleep(1000000);
    }
    EXPECT_EQUAL(hal_space_cpus(machine.space), 0);
    for (size_t i = 0; i < HX_ARRAY_SIZE(calls); i++) {
        EXPECT_EQUAL(syscall_unregister(calls[i].number), HX_OK);
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(kinds); i++) {
        EXPECT_EQUAL(exception_unregister(kinds[i], "programs"), HX_OK);
    }
    hal_space_unmap(machine.space, CODE_PAGE, 1);
    hal_space_unmap(machine.space, DATA_PAGE, 1);
    hal_space_destroy(machine.space);
    frames_free(machine.code, 0);
    frames_free(machine.data, 0);
    heap_free(machine.registers);
}

static void run(const char *program, int64_t (*function)(const uint64_t *arguments))
{
    uint32_t threads = thread_count();

    if (!prepare()) {
        selftest_fail(__FILE__, __LINE__, "there is no memory for a program");
        return;
    }
    machine.probe = function;
    start(program, 0);
    finish(threads);
}

/* --- registers -------------------------------------------------------------------------------- */

static void expect_preserved(void)
{
    const struct dump *dump = &machine.dump;

    EXPECT_EQUAL(dump->rdi, 0x1101);
    EXPECT_EQUAL(dump->rsi, 0x1102);
    EXPECT_EQUAL(dump->rdx, 0x1103);
    EXPECT_EQUAL(dump->r10, 0x1104);
    EXPECT_EQUAL(dump->r8, 0x1105);
    EXPECT_EQUAL(dump->r9, 0x1106);
    EXPECT_EQUAL(dump->rbx, 0x1107);
    EXPECT_EQUAL(dump->rbp, 0x1108);
    EXPECT_EQUAL(dump->r12, 0x1109);
    EXPECT_EQUAL(dump->r13, 0x110a);
    EXPECT_EQUAL(dump->r14, 0x110b);
    EXPECT_EQUAL(dump->r15, 0x110c);
    EXPECT_EQUAL(dump->rsp, STACK_TOP);
    EXPECT_EQUAL(dump->xmm0, 0x110d);
}

static int64_t look_at_arguments(const uint64_t *arguments)
{
    const struct hal_frame *frame = hal_user_frame();
    struct syscall_caller caller = syscall_caller();

    for (unsigned i = 0; i < SYSCALL_ARGUMENTS; i++) {
        EXPECT_EQUAL(arguments[i], 0x1101 + i);
        EXPECT_EQUAL(hal_syscall_argument(frame, i), 0x1101 + i);
    }
    EXPECT_EQUAL(frame->rbx, 0x1107);
    EXPECT_EQUAL(frame->r15, 0x110c);
    EXPECT_EQUAL(frame->rsp, STACK_TOP);
    EXPECT_EQUAL(hal_space_cpus(machine.space), 1ULL << hal_cpu_id());
    EXPECT(caller.is_from_user && caller.thread == machine.thread && caller.process == NULL);
    EXPECT(hal_interrupts_enabled());
    return -4095;
}

/* SPEC: Y1 Y6 */
static void a_syscall_changes_the_result_and_no_other_register(void)
{
    run(user_by_syscall, look_at_arguments);
    expect_preserved();
    EXPECT_EQUAL(machine.dump.rax, (uint64_t)-4095);
}

/* SPEC: Y1 */
static void int_80_is_the_same_call(void)
{
    run(user_by_int80, look_at_arguments);
    expect_preserved();
    EXPECT_EQUAL(machine.dump.rax, (uint64_t)-4095);
    EXPECT_EQUAL(machine.dump.rcx, 0x110d);
    EXPECT_EQUAL(machine.dump.r11, 0x110e);
}

static int64_t go_astray(const uint64_t *arguments)
{
    (void)arguments;
    hal_frame_set_pc(hal_user_frame(), WILD);
    return 0;
}

/* SPEC: Y1 Y3 */
static void a_return_to_no_address_is_the_programs_fault(void)
{
    run(user_by_syscall, go_astray);
    EXPECT_EQUAL(machine.exceptions, 1);
    EXPECT_EQUAL(machine.kind, HAL_EXCEPTION_PROTECTION);
    EXPECT_EQUAL(machine.pc, WILD);
}

static int64_t answer(const uint64_t *arguments)
{
    (void)arguments;
    return 5;
}

static void a_single_step_traps_on_the_threads_own_stack(void)
{
    run(user_stepped, answer);
    EXPECT_EQUAL(machine.exceptions, 1);
    EXPECT_EQUAL(machine.kind, HAL_EXCEPTION_DEBUG);
    EXPECT_EQUAL(machine.dump.rax, 5);
}

static int64_t change_registers(const uint64_t *arguments)
{
    struct hal_frame *frame = hal_user_frame();

    (void)arguments;
    frame->rbx = 0x2201;
    frame->r15 = 0x2202;
    hal_frame_set_pc(frame, hal_frame_pc(frame));
    return 6;
}

/* SPEC: Y1 */
static void a_changed_frame_is_loaded_whole(void)
{
    run(user_by_syscall, change_registers);
    EXPECT_EQUAL(machine.dump.rbx, 0x2201);
    EXPECT_EQUAL(machine.dump.r15, 0x2202);
    EXPECT_EQUAL(machine.dump.r14, 0x110b);
    EXPECT_EQUAL(machine.dump.rax, 6);
}

static int64_t make_it_again(const uint64_t *arguments)
{
    static unsigned times;

    (void)arguments;
    if (times++ % 2 == 0) {
        hal_syscall_restart(hal_user_frame(), CALL_PROBE);
        return -4;
    }
    return look_at_arguments(arguments);
}

static void a_restarted_call_has_its_arguments(void)
{
    run(user_by_syscall, make_it_again);
    expect_preserved();
    EXPECT_EQUAL(machine.dump.rax, (uint64_t)-4095);
}

/* A program that makes no call is reached where it runs. */
static void an_interrupted_thread_enters_the_kernel(void)
{
    uint32_t threads = thread_count();

    if (!prepare()) {
        selftest_fail(__FILE__, __LINE__, "there is no memory for a program");
        return;
    }
    start(user_spin, 0);
    while (*data_word(0) == 0) {
        thread_yield();
    }
    thread_interrupt(machine.thread, THREAD_WORK_SIGNAL);
    while (atomic_load_explicit(&machine.thread->user_work, memory_order_relaxed) != 0) {
        thread_yield();
    }
    *data_word(8) = 1;
    finish(threads);
}

/* --- signals ---------------------------------------------------------------------------------- */

/* SPEC: Y1 */
static void a_handler_gets_the_frame_and_its_return_restores_all(void)
{
    const uint64_t *seen = machine.handler_words;

    run(user_signal, answer);
    EXPECT_EQUAL(machine.deliver, HX_OK);
    EXPECT_EQUAL(machine.back, HX_OK);
    expect_preserved();
    EXPECT_EQUAL(machine.dump.rax, 77);
    EXPECT_EQUAL(seen[0] % 16, 8); /* as behind a call */
    EXPECT_EQUAL(seen[1], 10);
    EXPECT_EQUAL(seen[2], seen[0] + 312); /* siginfo */
    EXPECT_EQUAL(seen[3], seen[0] + 8);   /* ucontext */
    EXPECT_EQUAL(seen[4], STACK_TOP);     /* gregs[REG_RSP] */
    EXPECT_EQUAL(seen[5], 0x1105);        /* gregs[REG_R8] */
}

/* --- user memory ------------------------------------------------------------------------------ */

#define COPY_ROUNDS 20000U

static char kernel_bytes[HAL_PAGE_SIZE * 2];

/* How many of size bytes from address on this program may read, or write. */
static size_t reachable(uintptr_t address, size_t size, bool to_write)
{
    size_t count = 0;

    for (; count < size; count++) {
        uintptr_t page = (address + count) & ~(HAL_PAGE_SIZE - 1);

        if (page != DATA_PAGE && (page != CODE_PAGE || to_write)) {
            break;
        }
    }
    return count;
}

static uintptr_t wild_address(uint64_t *random)
{
    const uintptr_t bases[] = {
        0,
        CODE_PAGE,
        DATA_PAGE,
        STACK_TOP,
        CODE_PAGE + HAL_PAGE_SIZE,
        hal_user_window().base + hal_user_window().size,
        1UL << 47,
        WILD + WILD / 2,
        (uintptr_t)kernel_bytes,
        (uintptr_t)hal_direct_map(machine.data),
        UINTPTR_MAX,
    };

    return bases[crew_random(random) % HX_ARRAY_SIZE(bases)] + crew_random(random) % 32 - 16;
}

static void check_copies(uintptr_t address, size_t size)
{
    size_t readable = reachable(address, size, false);
    size_t writable = reachable(address, size, true);

    EXPECT_EQUAL(hal_user_copy_in_partly(kernel_bytes, address, size), readable);
    EXPECT_EQUAL(hal_user_copy_out_partly(address, kernel_bytes, size), writable);
    if (size > 0) {
        EXPECT_EQUAL(hal_user_copy_in(kernel_bytes, address, size),
                     readable == size ? HX_OK : HX_EFAULT);
        EXPECT_EQUAL(hal_user_copy_out(address, kernel_bytes, size),
                     writable == size ? HX_OK : HX_EFAULT);
        EXPECT_EQUAL(hal_user_clear(address, size), writable == size ? HX_OK : HX_EFAULT);
    }
}

static void check_words(uintptr_t address)
{
    size_t readable = reachable(address, sizeof(uint32_t), false);
    size_t writable = reachable(address, sizeof(uint32_t), true);
    hx_err bad = address % sizeof(uint32_t) != 0 ? HX_EINVAL : HX_EFAULT;
    uint32_t word = 1;

    EXPECT_EQUAL(hal_user_load_u32(address, &word),
                 bad == HX_EFAULT && readable == 4 ? HX_OK : bad);
    EXPECT_EQUAL(hal_user_compare_exchange_u32(address, &word, word),
                 bad == HX_EFAULT && writable == 4 ? HX_OK : bad);
}

static void check_lengths_that_wrap(uintptr_t address)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, 1UL << 63, 1UL << 47};
    size_t size = sizes[address % HX_ARRAY_SIZE(sizes)];

    EXPECT_EQUAL(hal_user_copy_in(kernel_bytes, address, size), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_out(address, kernel_bytes, size), HX_EFAULT);
    EXPECT_EQUAL(hal_user_clear(address, size), HX_EFAULT);
}

static void check_texts(void)
{
    size_t length = 0;

    memset(hal_direct_map(machine.data), 'a', HAL_PAGE_SIZE);
    EXPECT_EQUAL(hal_user_copy_text(kernel_bytes, STACK_TOP - 19, 100, &length), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_text(kernel_bytes, STACK_TOP - 19, 19, &length), HX_ERANGE);
    for (size_t wanted = 0; wanted < 40; wanted++) {
        *((char *)hal_direct_map(machine.data) + HAL_PAGE_SIZE - 1) = '\0';
        EXPECT_EQUAL(hal_user_copy_text(kernel_bytes, STACK_TOP - 1 - wanted, 100, &length), HX_OK);
        EXPECT_EQUAL(length, wanted);
        EXPECT_EQUAL(kernel_bytes[wanted], '\0');
        EXPECT_EQUAL(hal_user_copy_text(kernel_bytes, STACK_TOP - 1 - wanted, wanted, &length),
                     HX_ERANGE);
    }
    EXPECT_EQUAL(hal_user_copy_text(kernel_bytes, WILD, 8, &length), HX_EFAULT);
    EXPECT_EQUAL(hal_user_copy_text(kernel_bytes, (uintptr_t)kernel_bytes, 8, &length), HX_EFAULT);
}

static int64_t copy_wildly(const uint64_t *arguments)
{
    uint64_t random = selftest_seed() | 1;

    (void)arguments;
    for (unsigned round = 0; round < COPY_ROUNDS; round++) {
        uintptr_t address = wild_address(&random);

        check_copies(address, crew_random(&random) % 40);
        check_words(address);
        check_lengths_that_wrap(address);
    }
    check_texts();
    return 0;
}

/* SPEC: Y3 */
static void no_address_or_length_makes_a_copy_fault(void)
{
    run(user_by_syscall, copy_wildly);
    EXPECT_EQUAL(machine.exceptions, 0);
}

/* --- the price -------------------------------------------------------------------------------- */

#define COUNTED_CALLS 1000U /* of user_count */

/* The number is one of instructions where the counter counts those (tools/run --icount). */
static void a_null_call_is_counted(void)
{
    run(user_count, answer);
    EXPECT(machine.dump.rax > COUNTED_CALLS);
    kprintln("# syscall_null: %llu cycles a call, the caller's loop of 4 instructions included",
             (unsigned long long)(machine.dump.rax / COUNTED_CALLS));
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "x86_64_user." #function, .run = function, .flags = SELFTEST_KEEPS_MEMORY          \
    }

const struct selftest x86_64_user_tests[] = {
    TEST(a_syscall_changes_the_result_and_no_other_register),
    TEST(int_80_is_the_same_call),
    TEST(a_changed_frame_is_loaded_whole),
    TEST(a_return_to_no_address_is_the_programs_fault),
    TEST(a_single_step_traps_on_the_threads_own_stack),
    TEST(a_restarted_call_has_its_arguments),
    TEST(an_interrupted_thread_enters_the_kernel),
    TEST(a_handler_gets_the_frame_and_its_return_restores_all),
    TEST(no_address_or_length_makes_a_copy_fault),
    TEST(a_null_call_is_counted),
    {.name = NULL},
};
