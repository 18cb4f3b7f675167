# An image for a disc or a stick: GRUB, the kernel and its initial file system, for a BIOS and for UEFI.
# Not a part of `all`: it takes packages that nothing else needs.

.PHONY: iso

iso: deps iso-deps ## make build/x86_64/helix.iso, which GRUB boots on a BIOS and on UEFI
	$(Q)$(MAKE) --no-print-directory $(OUT)/helix.iso

$(OUT)/helix.iso: $(OUT)/helix.elf $(OUT)/initrd.cpio tools/iso tools/helixtools/iso.py
	$(call say,ISO,$@)
	$(Q)tools/iso --kernel $(OUT)/helix.elf --initrd $(OUT)/initrd.cpio --output $@
