/* The code for programs that the image carries; built from user/vdso. */
    .section .rodata.vdso, "a", @progbits
    .globl vdso_image
    .globl vdso_image_end
    .balign 8
vdso_image:
    .incbin "vdso.so"
vdso_image_end:
