/* What the kernel's exports are, as tools/signatures wrote it down: no code, for any machine. */
    .section .rodata.signatures, "a"
    .globl signature_kernel_text
    .globl signature_kernel_text_end
signature_kernel_text:
    .incbin "build/sdk/signatures"
signature_kernel_text_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
