/*
 * The four memory functions of <base/memory.h>.
 *
 * Up to 32 bytes go through registers: loads that begin at the first byte and loads that end at the
 * last one, overlapping in the middle, so that every size in a class takes the same few
 * instructions and no byte is stored before all are loaded. Beyond that, `rep movsq`/`rep stosq`
 * does whole words and one overlapping word does the tail. Words and not bytes, because each
 * repetition costs one instruction where the processor has no fast strings (Intel SDM 1, 7.3.9.3).
 *
 * Arguments: rdi, rsi, rdx; result: rax (System V ABI 3.2.3). The direction flag is clear at every
 * entry and stays so: moving backwards is a plain loop, safe against any interrupt.
 */

    .text

/* void *memmove(void *to, const void *from, size_t size) */
    .globl memmove
    .type memmove, @function
    .balign 16
memmove:
    cmpq $32, %rdx
    jbe .Lcopy_small
    movq %rdi, %rax
    subq %rsi, %rax
    cmpq %rdx, %rax             /* unsigned: true when `to` lies inside [from, from + size) */
    jb .Lmove_backward
    jmp .Lcopy_forward
    .size memmove, . - memmove

/* void *memcpy(void *to, const void *from, size_t size) */
    .globl memcpy
    .type memcpy, @function
    .balign 16
memcpy:
    cmpq $32, %rdx
    jbe .Lcopy_small

.Lcopy_forward:                 /* more than 32 bytes; `to` is not behind `from` in one block */
    movq %rdi, %rax
    movq -8(%rsi,%rdx), %r8     /* the tail, before the words can overwrite it */
    leaq -8(%rdi,%rdx), %r9
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    movq %r8, (%r9)
    ret

.Lcopy_small:                   /* at most 32 bytes */
    movq %rdi, %rax
    cmpl $16, %edx
    ja .Lcopy_17_to_32
    cmpl $8, %edx
    jae .Lcopy_8_to_16
    cmpl $4, %edx
    jae .Lcopy_4_to_7
    testl %edx, %edx
    jz .Lcopy_done
    movzbl (%rsi), %ecx         /* 1 to 3: first, middle and last may be the same byte */
    movzbl -1(%rsi,%rdx), %r8d
    movl %edx, %r9d
    shrl $1, %r9d
    movzbl (%rsi,%r9), %r10d
    movb %cl, (%rdi)
    movb %r10b, (%rdi,%r9)
    movb %r8b, -1(%rdi,%rdx)
.Lcopy_done:
    ret

.Lcopy_4_to_7:
    movl (%rsi), %ecx
    movl -4(%rsi,%rdx), %r8d
    movl %ecx, (%rdi)
    movl %r8d, -4(%rdi,%rdx)
    ret

.Lcopy_8_to_16:
    movq (%rsi), %rcx
    movq -8(%rsi,%rdx), %r8
    movq %rcx, (%rdi)
    movq %r8, -8(%rdi,%rdx)
    ret

.Lcopy_17_to_32:
    movq (%rsi), %rcx
    movq 8(%rsi), %r8
    movq -16(%rsi,%rdx), %r9
    movq -8(%rsi,%rdx), %r10
    movq %rcx, (%rdi)
    movq %r8, 8(%rdi)
    movq %r9, -16(%rdi,%rdx)
    movq %r10, -8(%rdi,%rdx)
    ret

/*
 * More than 32 bytes from the end down, 32 at a time. What is left, at most 32 bytes at the low
 * end, has not been overwritten, and is copied as a small block.
 */
.Lmove_backward:
    movq -8(%rsi,%rdx), %rcx
    movq -16(%rsi,%rdx), %r8
    movq -24(%rsi,%rdx), %r9
    movq -32(%rsi,%rdx), %r10
    movq %rcx, -8(%rdi,%rdx)
    movq %r8, -16(%rdi,%rdx)
    movq %r9, -24(%rdi,%rdx)
    movq %r10, -32(%rdi,%rdx)
    subq $32, %rdx
    cmpq $32, %rdx
    ja .Lmove_backward
    jmp .Lcopy_small
    .size memcpy, . - memcpy

/* void *memset(void *to, int byte, size_t size) */
    .globl memset
    .type memset, @function
    .balign 16
memset:
    movq %rdi, %r8
    movzbl %sil, %eax
    movabsq $0x0101010101010101, %rcx
    imulq %rcx, %rax            /* the byte, eight times */
    cmpq $32, %rdx
    ja .Lset_words
    cmpl $16, %edx
    ja .Lset_17_to_32
    cmpl $8, %edx
    jae .Lset_8_to_16
    cmpl $4, %edx
    jae .Lset_4_to_7
    testl %edx, %edx
    jz .Lset_done
    movl %edx, %ecx             /* 1 to 3: first, middle and last may be the same byte */
    shrl $1, %ecx
    movb %al, (%rdi)
    movb %al, (%rdi,%rcx)
    movb %al, -1(%rdi,%rdx)
.Lset_done:
    movq %r8, %rax
    ret

.Lset_4_to_7:
    movl %eax, (%rdi)
    movl %eax, -4(%rdi,%rdx)
    movq %r8, %rax
    ret

.Lset_17_to_32:
    movq %rax, 8(%rdi)
    movq %rax, -16(%rdi,%rdx)
.Lset_8_to_16:
    movq %rax, (%rdi)
    movq %rax, -8(%rdi,%rdx)
    movq %r8, %rax
    ret

.Lset_words:
    movq %rax, -8(%rdi,%rdx)    /* the tail */
    movq %rdx, %rcx
    shrq $3, %rcx
    rep stosq
    movq %r8, %rax
    ret
    .size memset, . - memset

/* int memcmp(const void *a, const void *b, size_t size) */
    .globl memcmp
    .type memcmp, @function
    .balign 16
memcmp:
    subq $8, %rdx
    jb .Lcompare_bytes
    addq %rdx, %rdi             /* the last words; rdx: where the present ones are from there */
    addq %rdx, %rsi
    negq %rdx
.Lcompare_words:
    movq (%rdi,%rdx), %rax
    cmpq (%rsi,%rdx), %rax
    jne .Lwords_differ
    addq $8, %rdx
    jle .Lcompare_words
    cmpq $8, %rdx               /* 8: the last was among them, else it is still to be looked at */
    je .Lequal
    xorl %edx, %edx
    jmp .Lcompare_words

.Lwords_differ:                 /* the first byte in memory decides: make it the highest */
    movq (%rsi,%rdx), %rcx
    bswapq %rax
    bswapq %rcx
    cmpq %rcx, %rax
    sbbl %eax, %eax             /* below: -1, above: 0 */
    orl $1, %eax                /* below: -1, above: 1 */
    ret

.Lcompare_bytes:                /* fewer than 8 */
    addq $8, %rdx
    jz .Lequal
.Lcompare_byte:
    movzbl (%rdi), %eax
    movzbl (%rsi), %ecx
    subl %ecx, %eax
    jne .Lbytes_differ
    incq %rdi
    incq %rsi
    decq %rdx
    jnz .Lcompare_byte
.Lequal:
    xorl %eax, %eax
.Lbytes_differ:
    ret
    .size memcmp, . - memcmp

    .section .note.GNU-stack, "", @progbits
