# What the build and the tests need, by Debian package name.

DEPS := busybox-static make python3 clang lld llvm gcc libc6-dev musl-tools qemu-system-x86 gdb \
    libcmocka-dev python3-pytest python3-pexpect python3-pyelftools graphviz spin \
    clang-format clang-tidy cppcheck gcovr sqlite3 lua5.4 toybox python3-minimal e2fsprogs \
    console-setup-linux

# What only ISO images need: to make them, and firmware to boot them by UEFI.
ISO_DEPS := grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools ovmf

.PHONY: deps iso-deps
deps: ## install missing Debian packages (with sudo unless root)
	@tools/deps $(DEPS)

iso-deps:
	@tools/deps $(ISO_DEPS)
