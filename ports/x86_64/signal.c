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
    uint8_t info[HAL_SIGNAL_INFO_SIZE]; /* struct hal_signal_info, then zeros */
};

/* What is in a signal frame beside registers of struct hal_frame. */
struct signal_words {
    uint64_t restorer;
    struct hal_signal_stack stack;
    uint64_t rip, rflags;
    uint64_t extended;
    uint64_t mask;
    /* Only written, never read back. */
    uint64_t flags;
    uint64_t segments;
    uint64_t error, vector, fault_address;
};

#define OFFSET(field)      offsetof(struct signal_frame, context.field)
#define WORD_OFFSET(field) offsetof(struct signal_words, field)
_Static_assert(sizeof(struct signal_registers) == 256, "struct sigcontext");
_Static_assert(sizeof(struct signal_context) == 304, "struct ucontext");
_Static_assert(sizeof(struct signal_frame) == 440, "struct rt_sigframe");
_Static_assert(OFFSET(flags) == 8 && OFFSET(link) == 16 && OFFSET(stack) == 24 &&
                   OFFSET(registers.r8) == 48 && OFFSET(registers.rsp) == 168 &&
                   OFFSET(registers.rip) == 176 && OFFSET(registers.rflags) == 184 &&
                   OFFSET(registers.cs) == 192 && OFFSET(registers.error) == 200 &&
                   OFFSET(registers.old_mask) == 216 && OFFSET(registers.extended) == 232 &&
                   OFFSET(mask) == 304,
               "entry.S knows struct signal_frame");
_Static_assert(WORD_OFFSET(stack) == 8 && WORD_OFFSET(rip) == 32 && WORD_OFFSET(extended) == 48 &&
                   WORD_OFFSET(mask) == 56 && WORD_OFFSET(flags) == 64 &&
                   WORD_OFFSET(segments) == 72 && WORD_OFFSET(error) == 80 &&
                   WORD_OFFSET(fault_address) == 96,
               "entry.S knows struct signal_words");

/* entry.S: whether the frame could be written, or read: without the restorer, which the handler's
 * return has taken off. */
bool x86_signal_store_checked(uintptr_t to, const struct hal_frame *frame,
                              const struct signal_words *words);
bool x86_signal_words_checked(struct signal_words *words, uintptr_t from);
bool x86_signal_load_checked(struct hal_frame *frame, uintptr_t from);

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

#define EXTENDED_ALIGN 64UL

static struct hal_thread *self_half(void)
{
    return (struct hal_thread *)hal_thread_current();
}

/* --- delivery --------------------------------------------------------------------------------- */

/* The area is the thread's own, to store them in between: who has no XSAVE does not need to be
 * fast.
 */
static HX_NOINLINE hx_err put_legacy(uintptr_t to, struct x86_fpu *area)
{
    hal_interrupt_state state = hal_interrupts_save();

    x86_fpu_save(area);
    hal_interrupts_restore(state);
    return hal_user_copy_out(to, area, x86_fpu_area_size());
}

static hx_err put_extended(uintptr_t to)
{
    if (!hal_user_is_range(to, x86_fpu_user_size())) {
        return HX_EFAULT;
    }
    if (HX_UNLIKELY(x86_fpu_states() == 0)) {
        return put_legacy(to, self_half()->fpu);
    }
    return HX_LIKELY(x86_fpu_save_to_user(to)) ? HX_OK : HX_EFAULT;
}

static hx_err put_info(uintptr_t to, const struct hal_signal_info *info)
{
    hx_err error = hal_user_copy_out(to, info, sizeof(*info));

    return error == HX_OK ? hal_user_clear(to + sizeof(*info), HAL_SIGNAL_INFO_SIZE - sizeof(*info))
                          : error;
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

static hx_err put_frame(uintptr_t at, const struct hal_frame *frame, uintptr_t extended,
                        const struct hal_signal_delivery *delivery)
{
    bool is_exception = frame->vector < EXCEPTION_VECTORS;
    const struct signal_words words = {
        .restorer = delivery->restorer,
        .stack = delivery->stack,
        .rip = frame->rip,
        .rflags = frame->rflags,
        .extended = extended,
        .mask = delivery->old_mask,
        .flags =
            CONTEXT_HAS_SS | CONTEXT_STRICT_SS | (x86_fpu_states() != 0 ? CONTEXT_HAS_XSAVE : 0U),
        .segments = frame->cs | frame->ss << 48,
        .error = is_exception ? frame->error : 0,
        .vector = is_exception ? frame->vector : 0,
        .fault_address = delivery->fault_address,
    };

    return hal_user_is_range(at, sizeof(struct signal_frame)) &&
                   x86_signal_store_checked(at, frame, &words)
               ? HX_OK
               : HX_EFAULT;
}

hx_err hal_signal_deliver(struct hal_frame *frame, const struct hal_signal_delivery *delivery)
{
    uintptr_t top = delivery->switch_to != 0 ? delivery->switch_to : frame->rsp - RED_ZONE;
    uintptr_t extended = (top - x86_fpu_user_size()) & ~(EXTENDED_ALIGN - 1);
    /* As behind a call instruction: aligned to 16 but for the return address. */
    uintptr_t at = ((extended - sizeof(struct signal_frame)) & ~15UL) - sizeof(uint64_t);
    hx_err error = put_extended(extended);

    if (HX_LIKELY(error == HX_OK)) {
        error = put_frame(at, frame, extended, delivery);
    }
    if (HX_LIKELY(error == HX_OK) && delivery->wants_info) {
        error = put_info(at + offsetof(struct signal_frame, info), delivery->info);
    }
    if (HX_LIKELY(error == HX_OK)) {
        x86_fpu_reset();
        call_handler(frame, delivery, at);
    }
    return error;
}

/* --- return ----------------------------------------------------------------------------------- */

/* Whether a whole XSAVE area is there, with note and word; else only the first 512 bytes are. */
static hx_err find_extended(uintptr_t from, bool *is_whole)
{
    struct x86_fpu_note note;
    uint32_t end;
    hx_err error = hal_user_copy_in(&note, from + X86_FPU_NOTE_OFFSET, sizeof(note));

    *is_whole = error == HX_OK && x86_fpu_states() != 0 && note.magic == X86_FPU_NOTE_MAGIC &&
                note.size == x86_fpu_area_size() && note.whole_size == note.size + sizeof(end);
    if (*is_whole) {
        error = hal_user_copy_in(&end, from + note.size, sizeof(end));
        *is_whole = error == HX_OK && end == X86_FPU_END_MAGIC;
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
 * Copied before they are looked at. The area has no owner while it is filled, so that a switch does
 * not store the present registers over it; they are given up in any case. from 0: the registers
 * that a program starts with.
 */
static HX_NOINLINE hx_err load_by_copy(uintptr_t from)
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

/* Most often they are as they were stored, and go where they belong at once. */
static hx_err load_extended(uintptr_t from)
{
    bool is_simple = x86_fpu_states() != 0 && from % EXTENDED_ALIGN == 0 &&
                     hal_user_is_range(from, x86_fpu_user_size());

    return HX_LIKELY(is_simple) && HX_LIKELY(x86_fpu_load_from_user(from)) ? HX_OK
                                                                           : load_by_copy(from);
}

static hx_err load_registers(struct hal_frame *frame, const struct signal_words *words)
{
    x86_frame_replaced(frame);
    if (!x86_signal_load_checked(frame, frame->rsp)) {
        return HX_EFAULT;
    }
    frame->rip = words->rip;
    frame->rflags = (frame->rflags & ~RFLAGS_OF_PROGRAM) | (words->rflags & RFLAGS_OF_PROGRAM);
    return HX_OK;
}

hx_err hal_signal_return(struct hal_frame *frame, uint64_t *mask, struct hal_signal_stack *stack)
{
    struct signal_words words;
    hx_err error;

    if (!hal_user_is_range(frame->rsp, sizeof(struct signal_context)) ||
        !x86_signal_words_checked(&words, frame->rsp) || words.rip >= USER_ADDRESS_LIMIT) {
        return HX_EFAULT;
    }
    error = load_extended(words.extended);
    if (HX_LIKELY(error == HX_OK)) {
        error = load_registers(frame, &words);
    }
    *mask = words.mask;
    *stack = words.stack;
    return error;
}
