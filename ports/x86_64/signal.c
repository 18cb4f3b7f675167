/*
 * Signal frames (hal/signal.h), laid out as Linux programs of the machine expect them: from the
 * stack pointer up the restorer's address, the context, siginfo, and above them, aligned to 64, the
 * floating point and vector registers as XSAVE stores them. Sources: sigcontext(7), Linux's
 * arch/x86/include/uapi/asm/sigcontext.h and ucontext.h; Intel SDM 1, 13.4 and 13.8.
 */
#include <base/memory.h>
#include <hal/interrupt.h>
#include <hal/signal.h>
#include <hal/thread.h>
#include <hal/user.h>
#include <ports/x86_64/trap.h>
#include <ports/x86_64/xsave.h>

struct signal_registers {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, vector, old_mask, fault_address;
    uint64_t extended; /* where the extended registers are, 0: nowhere */
    uint64_t reserved[8];
};

struct signal_context {
    uint64_t flags; /* CONTEXT_* */
    uint64_t link;
    struct hal_signal_stack stack;
    struct signal_registers registers;
    uint64_t mask;
};

struct signal_frame {
    uint64_t restorer;
    struct signal_context context;
    struct hal_signal_info info;
};

_Static_assert(sizeof(struct signal_registers) == 256, "struct sigcontext");
_Static_assert(sizeof(struct signal_context) == 304, "struct ucontext");
_Static_assert(sizeof(struct signal_frame) == 440, "struct rt_sigframe");

#define CONTEXT_HAS_XSAVE  1U /* UC_FP_XSTATE */
#define CONTEXT_HAS_SS     2U /* UC_SIGCONTEXT_SS */
#define CONTEXT_STRICT_SS  4U /* UC_STRICT_RESTORE_SS */
#define RED_ZONE           128U
#define EXCEPTION_VECTORS  32U
#define USER_ADDRESS_LIMIT (1UL << 47)

#define RFLAGS_TF 0x100UL
#define RFLAGS_DF 0x400UL
#define RFLAGS_RF 0x10000UL
/* What a program may set: CF PF AF ZF SF TF DF OF RF AC. */
#define RFLAGS_OF_PROGRAM 0x50dd5UL

/* What the extended registers' 48 bytes for software say, at offset 464, and the word behind them.
 */
struct extended_note {
    uint32_t magic;
    uint32_t whole_size; /* with the word behind */
    uint64_t states;
    uint32_t size;
    uint32_t padding[7];
};
_Static_assert(sizeof(struct extended_note) == 48, "struct _fpx_sw_bytes");

#define NOTE_OFFSET    464U
#define NOTE_MAGIC     0x46505853U /* FP_XSTATE_MAGIC1 */
#define END_MAGIC      0x46505845U /* FP_XSTATE_MAGIC2 */
#define EXTENDED_ALIGN 64UL

static struct hal_thread *self_half(void)
{
    return (struct hal_thread *)hal_thread_current();
}

/* --- delivery --------------------------------------------------------------------------------- */

/* The note, the word behind the registers, and the states that old readers expect to be there. */
static hx_err put_notes(uintptr_t to, const struct x86_fpu *area)
{
    const uint32_t end = END_MAGIC;
    const struct extended_note note = {
        .magic = NOTE_MAGIC,
        .whole_size = (uint32_t)(x86_fpu_area_size() + sizeof(end)),
        .states = x86_fpu_states(),
        .size = (uint32_t)x86_fpu_area_size(),
    };
    uint64_t present = x86_fpu_present(area) | X86_FPU_STATES_LEGACY;
    hx_err error = hal_user_copy_out(to + NOTE_OFFSET, &note, sizeof(note));

    if (error == HX_OK) {
        error = hal_user_copy_out(to + X86_FPU_LEGACY_SIZE, &present, sizeof(present));
    }
    return error == HX_OK ? hal_user_copy_out(to + x86_fpu_area_size(), &end, sizeof(end)) : error;
}

static hx_err put_extended(uintptr_t to, struct x86_fpu *area)
{
    hal_interrupt_state state = hal_interrupts_save();
    hx_err error;

    x86_fpu_save(area);
    hal_interrupts_restore(state);
    error = hal_user_copy_out(to, area, x86_fpu_area_size());
    return error == HX_OK && x86_fpu_states() != 0 ? put_notes(to, area) : error;
}

static size_t extended_size(void)
{
    return x86_fpu_area_size() + (x86_fpu_states() != 0 ? sizeof(uint32_t) : 0);
}

static struct signal_registers registers_of(const struct hal_frame *frame)
{
    bool is_exception = frame->vector < EXCEPTION_VECTORS;

    return (struct signal_registers){
        .r8 = frame->r8,
        .r9 = frame->r9,
        .r10 = frame->r10,
        .r11 = frame->r11,
        .r12 = frame->r12,
        .r13 = frame->r13,
        .r14 = frame->r14,
        .r15 = frame->r15,
        .rdi = frame->rdi,
        .rsi = frame->rsi,
        .rbp = frame->rbp,
        .rbx = frame->rbx,
        .rdx = frame->rdx,
        .rax = frame->rax,
        .rcx = frame->rcx,
        .rsp = frame->rsp,
        .rip = frame->rip,
        .rflags = frame->rflags,
        .cs = (uint16_t)frame->cs,
        .ss = (uint16_t)frame->ss,
        .error = is_exception ? frame->error : 0,
        .vector = is_exception ? frame->vector : 0,
    };
}

static void call_handler(struct hal_frame *frame, const struct hal_signal_delivery *delivery,
                         uintptr_t at)
{
    frame->rdi = (uint64_t)(int64_t)delivery->info->number;
    frame->rsi = at + offsetof(struct signal_frame, info);
    frame->rdx = at + offsetof(struct signal_frame, context);
    frame->rax = 0; /* of a variadic call: no vector registers are used */
    frame->rip = delivery->handler;
    frame->rsp = at;
    frame->rflags &= ~(RFLAGS_TF | RFLAGS_DF | RFLAGS_RF);
    x86_frame_replaced(frame);
}

hx_err hal_signal_deliver(struct hal_frame *frame, const struct hal_signal_delivery *delivery)
{
    struct x86_fpu *area = self_half()->fpu;
    uintptr_t top = delivery->switch_to != 0 ? delivery->switch_to : frame->rsp - RED_ZONE;
    uintptr_t extended = (top - extended_size()) & ~(EXTENDED_ALIGN - 1);
    /* As behind a call instruction: aligned to 16 but for the return address. */
    uintptr_t at = ((extended - sizeof(struct signal_frame)) & ~15UL) - sizeof(uint64_t);
    struct signal_frame built = {
        .restorer = delivery->restorer,
        .context.flags =
            CONTEXT_HAS_SS | CONTEXT_STRICT_SS | (x86_fpu_states() != 0 ? CONTEXT_HAS_XSAVE : 0U),
        .context.stack = delivery->stack,
        .context.registers = registers_of(frame),
        .context.mask = delivery->old_mask,
        .info = *delivery->info,
    };
    hx_err error;

    built.context.registers.old_mask = delivery->old_mask;
    built.context.registers.fault_address = delivery->fault_address;
    built.context.registers.extended = extended;
    error = put_extended(extended, area);
    if (error == HX_OK) {
        error = hal_user_copy_out(at, &built, sizeof(built));
    }
    if (error == HX_OK) {
        hal_user_state_reset();
        call_handler(frame, delivery, at);
    }
    return error;
}

/* --- return ----------------------------------------------------------------------------------- */

/* Whether a whole XSAVE area is there, as put_notes marks one; else only the first 512 bytes are.
 */
static hx_err find_extended(uintptr_t from, bool *is_whole)
{
    struct extended_note note;
    uint32_t end;
    hx_err error = hal_user_copy_in(&note, from + NOTE_OFFSET, sizeof(note));

    *is_whole = error == HX_OK && x86_fpu_states() != 0 && note.magic == NOTE_MAGIC &&
                note.size == x86_fpu_area_size() && note.whole_size == note.size + sizeof(end);
    if (*is_whole) {
        error = hal_user_copy_in(&end, from + note.size, sizeof(end));
        *is_whole = error == HX_OK && end == END_MAGIC;
    }
    return error;
}

static hx_err read_extended(struct x86_fpu *area, uintptr_t from)
{
    bool is_whole;
    hx_err error = find_extended(from, &is_whole);

    if (error != HX_OK) {
        return error;
    }
    x86_fpu_clear(area);
    error = hal_user_copy_in(area, from, is_whole ? x86_fpu_area_size() : X86_FPU_LEGACY_SIZE);
    if (error == HX_OK && !is_whole) {
        x86_fpu_set_present(area, X86_FPU_STATES_LEGACY);
    }
    return error == HX_OK && !x86_fpu_is_loadable(area) ? HX_EFAULT : error;
}

/*
 * The area has no owner while it is filled, so that a switch does not store the present registers
 * over it; they are given up in any case. from 0: the registers that a program starts with.
 */
static hx_err load_extended(uintptr_t from)
{
    struct hal_thread *self = self_half();
    struct x86_fpu *area = self->fpu;
    hal_interrupt_state state;
    hx_err error = HX_OK;

    self->fpu = NULL;
    if (from != 0) {
        error = read_extended(area, from);
    }
    if (from == 0 || error != HX_OK) {
        x86_fpu_clear(area);
    }
    state = hal_interrupts_save();
    self->fpu = area;
    x86_fpu_restore(area);
    hal_user_set_thread_pointer(self->thread_pointer);
    hal_interrupts_restore(state);
    return error;
}

static void set_registers(struct hal_frame *frame, const struct signal_registers *from)
{
    frame->r8 = from->r8;
    frame->r9 = from->r9;
    frame->r10 = from->r10;
    frame->r11 = from->r11;
    frame->r12 = from->r12;
    frame->r13 = from->r13;
    frame->r14 = from->r14;
    frame->r15 = from->r15;
    frame->rdi = from->rdi;
    frame->rsi = from->rsi;
    frame->rbp = from->rbp;
    frame->rbx = from->rbx;
    frame->rdx = from->rdx;
    frame->rax = from->rax;
    frame->rcx = from->rcx;
    frame->rsp = from->rsp;
    frame->rip = from->rip;
    frame->rflags = (frame->rflags & ~RFLAGS_OF_PROGRAM) | (from->rflags & RFLAGS_OF_PROGRAM);
    x86_frame_replaced(frame);
}

hx_err hal_signal_return(struct hal_frame *frame, uint64_t *mask, struct hal_signal_stack *stack)
{
    struct signal_context context;
    /* The handler's return has taken the restorer's address off: what follows it is on top. */
    hx_err error = hal_user_copy_in(&context, frame->rsp, sizeof(context));

    if (error != HX_OK || context.registers.rip >= USER_ADDRESS_LIMIT) {
        return HX_EFAULT;
    }
    error = load_extended(context.registers.extended);
    if (error == HX_OK) {
        set_registers(frame, &context.registers);
        *mask = context.mask;
        *stack = context.stack;
    }
    return error;
}
