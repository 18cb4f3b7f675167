/* Reading and building frames. */
#define _GNU_SOURCE
#include <base/memory.h>
#include <hal/frame.h>
#include <ports/hosted/machine.h>
#include <sys/uio.h>
#include <unistd.h>

uint64_t hal_frame_error_code(const struct hal_frame *frame)
{
    return frame->error_code;
}

uintptr_t hal_frame_pc(const struct hal_frame *frame)
{
    return frame->rip;
}

uintptr_t hal_frame_sp(const struct hal_frame *frame)
{
    return frame->rsp;
}

uintptr_t hal_frame_fp(const struct hal_frame *frame)
{
    return frame->rbp;
}

void hal_frame_set_pc(struct hal_frame *frame, uintptr_t pc)
{
    frame->rip = pc;
}

static const struct {
    const char *name;
    size_t offset;
} registers[] = {
    {"RAX", offsetof(struct hal_frame, rax)}, {"RBX", offsetof(struct hal_frame, rbx)},
    {"RCX", offsetof(struct hal_frame, rcx)}, {"RDX", offsetof(struct hal_frame, rdx)},
    {"RSI", offsetof(struct hal_frame, rsi)}, {"RDI", offsetof(struct hal_frame, rdi)},
    {"RBP", offsetof(struct hal_frame, rbp)}, {"RSP", offsetof(struct hal_frame, rsp)},
    {"R8", offsetof(struct hal_frame, r8)},   {"R9", offsetof(struct hal_frame, r9)},
    {"R10", offsetof(struct hal_frame, r10)}, {"R11", offsetof(struct hal_frame, r11)},
    {"R12", offsetof(struct hal_frame, r12)}, {"R13", offsetof(struct hal_frame, r13)},
    {"R14", offsetof(struct hal_frame, r14)}, {"R15", offsetof(struct hal_frame, r15)},
    {"RIP", offsetof(struct hal_frame, rip)}, {"RFLAGS", offsetof(struct hal_frame, rflags)},
};

const char *hal_frame_register(const struct hal_frame *frame, unsigned index, uint64_t *value)
{
    if (index >= HX_ARRAY_SIZE(registers)) {
        return NULL;
    }
    memcpy(value, (const char *)frame + registers[index].offset, sizeof *value);
    return registers[index].name;
}

void hal_frame_set_register(struct hal_frame *frame, unsigned index, uint64_t value)
{
    memcpy((char *)frame + registers[index].offset, &value, sizeof value);
}

/* What the caller has changed itself is what it has now: only callee-saved registers mean much. */
HX_NOINLINE void hal_frame_capture(struct hal_frame *frame)
{
    const uintptr_t *own = __builtin_frame_address(0);

    memset(frame, 0, sizeof *frame);
    __asm__("movq %%rbx, %0\n\tmovq %%r12, %1\n\tmovq %%r13, %2\n\tmovq %%r14, %3\n\t"
            "movq %%r15, %4"
            : "=m"(frame->rbx), "=m"(frame->r12), "=m"(frame->r13), "=m"(frame->r14),
              "=m"(frame->r15));
    frame->exception = HAL_EXCEPTION_OTHER;
    frame->interrupts_enabled = hal_interrupts_enabled() ? 1 : 0;
    frame->rbp = own[0];
    frame->rip = own[1];
    frame->rsp = (uintptr_t)&own[2];
}

/* --- walking ---------------------------------------------------------------------------------- */

bool hosted_peek(uintptr_t address, void *to, size_t size)
{
    struct iovec local = {.iov_base = to, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)address, .iov_len = size};

    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

bool hal_frame_walk(uintptr_t *fp, uintptr_t *return_address)
{
    uintptr_t pair[2]; /* the caller's frame pointer, the return address */

    if (*fp == 0 || *fp % sizeof *pair != 0 || !hosted_peek(*fp, pair, sizeof pair) ||
        pair[1] == 0) {
        return false;
    }
    /* A caller's frame lies above; a chain that turns back is no chain. */
    *fp = pair[0] > *fp ? pair[0] : 0;
    *return_address = pair[1];
    return true;
}

/* Nothing may fault here: the checked copies ask the page table. */
bool hal_frame_fixup(struct hal_frame *frame)
{
    (void)frame;
    return false;
}

bool hal_frame_may_fault(const struct hal_frame *frame)
{
    (void)frame;
    return false;
}
