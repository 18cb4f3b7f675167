# How a module is compiled and linked: for helix-module.mk and for the modules of Helix itself alike. HELIX_SDK is the
# folder of the SDK.
#
# Code of the kernel's own model, because the same file runs in the kernel's mode and unprivileged; no canary, because
# an unprivileged module has no access to where the kernel keeps it; no unwind tables, which nobody would read. Functions
# that call nothing have no frame: a fault in one shows the caller's caller next.

HELIX_MODULE_TARGET := --target=x86_64-linux-gnu -nostdlibinc -std=gnu17 -ffreestanding -mcmodel=kernel -mno-red-zone \
    -mgeneral-regs-only -fno-pic -fno-common -fno-stack-protector -fno-omit-frame-pointer \
    -momit-leaf-frame-pointer -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections

HELIX_MODULE_LINK = ld.lld -r -T $(HELIX_SDK)/module.lds --build-id=none -z noexecstack
