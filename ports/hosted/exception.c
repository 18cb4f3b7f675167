/*
 * Exceptions from signals. The handler turns the host's context into a frame on the interrupted
 * stack and returns into hosted_exception_entry, which calls the kernel and resumes what the frame
 * then says. So the kernel's handler runs as on metal: on the thread's stack, free to switch.
 */
#define _GNU_SOURCE
#include <base/memory.h>
#include <ports/hosted/machine.h>
#include <signal.h>
#include <ucontext.h>

_Static_assert(offsetof(struct hal_frame, r15) == 14 * 8, "switch.S pops fifteen registers");
_Static_assert(offsetof(struct hal_frame, rip) == 160, "switch.S: FRAME_RIP");

/* Below the stack pointer a function may keep data (System V AMD64 ABI 1.0, 3.2.2). */
#define RED_ZONE 128U

/* What a handler needs below the frame at least: saved vector registers and a few calls. */
#define HANDLER_ROOM (2 * HAL_PAGE_SIZE)

/* A fault so far below the stack pointer is still taken for the stack's growth. */
#define OVERFLOW_REACH (16 * HAL_PAGE_SIZE)

/* x86's page fault error code (Intel SDM 3A, 4.7) */
#define PAGE_FAULT_PRESENT 0x01U
#define PAGE_FAULT_WRITE   0x02U
#define PAGE_FAULT_FETCH   0x10U

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
static struct sigaction previous[HX_ARRAY_SIZE(signals)];

/*
 * The sanitizers must leave these signals to the port, and do not know where the stacks of fibers
 * are that may point to memory. Their symbolizer is a child that they fork, and a fork in a fiber
 * hangs or ends the process: addresses only. They call these functions, by these names, when they
 * start.
 */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_sigtrap=0:"
           "detect_leaks=0:symbolize=0";
}

const char *__tsan_default_options(void)
{
    return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_sigtrap=0:"
           "symbolize=0";
}

/* Linux reports the processor's own vector (Intel SDM 3A, table 6-1). */
static enum hal_exception exception_of_vector(greg_t vector)
{
    static const uint8_t names[] = {
        [0] = HAL_EXCEPTION_DIVIDE,         [1] = HAL_EXCEPTION_DEBUG,
        [2] = HAL_EXCEPTION_OTHER,          [3] = HAL_EXCEPTION_BREAKPOINT,
        [4] = HAL_EXCEPTION_OVERFLOW,       [5] = HAL_EXCEPTION_BOUNDS,
        [6] = HAL_EXCEPTION_INVALID_OPCODE, [7] = HAL_EXCEPTION_NO_FPU,
        [8] = HAL_EXCEPTION_DOUBLE_FAULT,   [9] = HAL_EXCEPTION_OTHER,
        [10] = HAL_EXCEPTION_INVALID_TSS,   [11] = HAL_EXCEPTION_SEGMENT,
        [12] = HAL_EXCEPTION_STACK,         [13] = HAL_EXCEPTION_PROTECTION,
        [14] = HAL_EXCEPTION_PAGE,          [15] = HAL_EXCEPTION_OTHER,
        [16] = HAL_EXCEPTION_FPU,           [17] = HAL_EXCEPTION_ALIGNMENT,
        [18] = HAL_EXCEPTION_MACHINE_CHECK, [19] = HAL_EXCEPTION_SIMD,
    };

    if (vector < 0 || vector >= (greg_t)HX_ARRAY_SIZE(names)) {
        return HAL_EXCEPTION_OTHER;
    }
    return (enum hal_exception)names[vector];
}

static bool is_in_area_window(uintptr_t address)
{
    struct hal_range window = hal_area_window();

    return address - window.base < window.size;
}

/* The port's own table knows better than the host what is mapped: the host maps pages lazily. */
static unsigned fault_access(uintptr_t address, uint64_t error_code)
{
    bool is_present = (error_code & PAGE_FAULT_PRESENT) ||
                      hal_space_lookup(hal_space_kernel(), address, NULL, NULL);

    return (is_present ? HAL_FAULT_PRESENT : 0U) |
           (error_code & PAGE_FAULT_WRITE ? HAL_FAULT_WRITE : 0U) |
           (error_code & PAGE_FAULT_FETCH ? HAL_FAULT_EXECUTE : 0U);
}

static bool is_stack_overflow(const struct hal_frame *frame)
{
    return frame->exception == HAL_EXCEPTION_PAGE && is_in_area_window(frame->rsp) &&
           is_in_area_window(frame->fault_address) && !(frame->access & HAL_FAULT_PRESENT) &&
           frame->fault_address - (frame->rsp - OVERFLOW_REACH) < OVERFLOW_REACH + HAL_PAGE_SIZE;
}

static void read_registers(struct hal_frame *frame, const greg_t *registers)
{
    frame->rax = (uint64_t)registers[REG_RAX];
    frame->rbx = (uint64_t)registers[REG_RBX];
    frame->rcx = (uint64_t)registers[REG_RCX];
    frame->rdx = (uint64_t)registers[REG_RDX];
    frame->rsi = (uint64_t)registers[REG_RSI];
    frame->rdi = (uint64_t)registers[REG_RDI];
    frame->rbp = (uint64_t)registers[REG_RBP];
    frame->r8 = (uint64_t)registers[REG_R8];
    frame->r9 = (uint64_t)registers[REG_R9];
    frame->r10 = (uint64_t)registers[REG_R10];
    frame->r11 = (uint64_t)registers[REG_R11];
    frame->r12 = (uint64_t)registers[REG_R12];
    frame->r13 = (uint64_t)registers[REG_R13];
    frame->r14 = (uint64_t)registers[REG_R14];
    frame->r15 = (uint64_t)registers[REG_R15];
    frame->rip = (uint64_t)registers[REG_RIP];
    frame->rflags = (uint64_t)registers[REG_EFL];
    frame->rsp = (uint64_t)registers[REG_RSP];
}

static void build_frame(struct hal_frame *frame, const greg_t *registers, bool interrupts_on)
{
    uint64_t code_segment;
    uint64_t stack_segment;

    memset(frame, 0, sizeof *frame);
    read_registers(frame, registers);
    __asm__("movq %%cs, %0\n\tmovq %%ss, %1" : "=r"(code_segment), "=r"(stack_segment));
    frame->cs = code_segment;
    frame->ss = stack_segment;
    frame->interrupts_enabled = interrupts_on ? 1 : 0;
    frame->exception = exception_of_vector(registers[REG_TRAPNO]);
    frame->error_code = (uint64_t)registers[REG_ERR];
    if (frame->exception == HAL_EXCEPTION_PAGE) {
        frame->fault_address = (uint64_t)registers[REG_CR2];
        frame->access = fault_access(frame->fault_address, frame->error_code);
    }
    if (is_stack_overflow(frame)) {
        frame->exception = HAL_EXCEPTION_STACK_OVERFLOW;
    }
}

static bool has_room_below(uintptr_t sp)
{
    uintptr_t lowest = sp - RED_ZONE - sizeof(struct hal_frame) - HANDLER_ROOM;

    if (!is_in_area_window(sp)) {
        return true; /* a stack of the host's, megabytes large */
    }
    for (uintptr_t page = lowest & ~(HAL_PAGE_SIZE - 1); page < sp; page += HAL_PAGE_SIZE) {
        if (!hal_space_lookup(hal_space_kernel(), page, NULL, NULL)) {
            return false;
        }
    }
    return true;
}

/* Where the frame goes: under the red zone, or at the top of the emergency stack. */
static struct hal_frame *place_frame(const struct hosted_cpu *cpu, uintptr_t sp)
{
    uintptr_t top = has_room_below(sp)
                        ? sp - RED_ZONE
                        : (uintptr_t)cpu->emergency_stack + HOSTED_EMERGENCY_STACK_SIZE;

    return (struct hal_frame *)((top - sizeof(struct hal_frame)) & ~(uintptr_t)15);
}

static void on_signal(int signal_number, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct hosted_cpu *cpu = hosted_cpu();
    struct hal_frame *frame;

    (void)information;
    if (cpu == NULL) {
        signal(signal_number, SIG_DFL); /* a bug of the host program: let it die of it */
        return;
    }
    frame = place_frame(cpu, (uintptr_t)registers[REG_RSP]);
    build_frame(frame, registers, cpu->interrupts_on);
    registers[REG_RDI] = (greg_t)frame;
    registers[REG_RSP] = (greg_t)frame;
    registers[REG_RIP] = (greg_t)hosted_exception_entry;
    registers[REG_EFL] &= ~(greg_t)0x500; /* direction and trap flags clear */
}

/* Called by hosted_exception_entry; it may return on another CPU than it was called on. */
void hosted_exception_dispatch(struct hal_frame *frame);

void hosted_exception_dispatch(struct hal_frame *frame)
{
    hosted_cpu()->interrupts_on = false;
    kernel_exception(frame);
    hosted_cpu()->interrupts_on = frame->interrupts_enabled != 0;
}

void hosted_exceptions_start(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < HX_ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], &action, &previous[i]);
    }
}

void hosted_exceptions_stop(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], &previous[i], NULL);
    }
}
