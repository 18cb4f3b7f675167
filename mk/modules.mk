# Loadable modules: modules/NAME/*.c becomes build/x86_64/modules/NAME.hxm, NAME.hxm.debug is the same with its debug
# information. So does tests/modules/NAME/*.c, a module that only tests use.
#
# They see the public headers and nothing else, and are built as modules outside of this tree are: with the flags,
# the linker script and the signatures of the SDK. The same file is loaded by the kernel in QEMU and by the hosted port.

HELIX_SDK := sdk
include sdk/flags.mk

MODULE_CFLAGS := $(HELIX_MODULE_TARGET) -DHELIX_MODULE $(OPTIMIZE) -g $(WARNINGS) $(SAME_ANYWHERE) -fdebug-compilation-dir=. -Iinclude
MODULE_LINK   := $(HELIX_MODULE_LINK)

# $(call modules_below,FOLDER)
modules_below = $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard $(1)/*/*.c)))))

MODULE_NAMES      := $(call modules_below,modules)
TEST_MODULE_NAMES := $(call modules_below,tests/modules)

MODULES      := $(MODULE_NAMES:%=$(OUT)/modules/%.hxm)
TEST_MODULES := $(TEST_MODULE_NAMES:%=$(OUT)/modules/%.hxm)

.PHONY: modules
modules: $(MODULES) $(TEST_MODULES) ## build the loadable modules

$(OUT)/modules.flags: FORCE
	$(call keep_text,$(call not_here,$(MODULE_CFLAGS) $(MODULE_LINK)))

MODULE_SIGNATURES := $(OUT)/obj/modules/helix_signatures.c.o

define compile_module
$(call say,CC,$<)
$(Q)mkdir -p $(@D)
$(Q)$(CLANG) $(MODULE_CFLAGS) $(DEPENDENCIES) -c $< -o $@
endef

$(OUT)/obj/modules/%.c.o: modules/%.c $(OUT)/modules.flags
	$(compile_module)

$(OUT)/obj/tests/modules/%.c.o: tests/modules/%.c $(OUT)/modules.flags
	$(compile_module)

$(MODULE_SIGNATURES): $(SDK)/helix_signatures.c $(OUT)/modules.flags
	$(compile_module)

# What a module has of another one's files, besides its own: ext2_hints is ext2 but for the search of free blocks.
MODULE_SHARES_virtio_blk_1_0     := modules/virtio_blk/device.c
MODULE_SHARES_virtio_blk_fragile := modules/virtio_blk/device.c
MODULE_SHARES_virtio_blk_liar    := modules/virtio_blk/device.c
MODULE_SHARES_ext2_hints         := $(filter-out modules/ext2/ext2.c,$(wildcard modules/ext2/*.c))
MODULE_SHARES_ext2_fragile       := $(MODULE_SHARES_ext2_hints)
MODULE_SHARES_ext2_liar          := $(MODULE_SHARES_ext2_hints)

# Who draws text has the console's font.
MODULE_SHARES_screen      := modules/console_font.c
MODULE_SHARES_screen_liar := modules/console_font.c

$(OUT)/obj/modules/console_font.c.o: $(FONT_SOURCE) $(OUT)/modules.flags
	$(compile_module)

# $(call module_objects,NAME)
module_objects = $(patsubst %,$(OUT)/obj/%.o,$(sort $(wildcard modules/$(1)/*.c tests/modules/$(1)/*.c) \
    $(MODULE_SHARES_$(1)))) $(MODULE_SIGNATURES)

define module_rules
$(OUT)/modules/$(1).objects: FORCE
	$$(call keep_text,$(call module_objects,$(1)))

$(OUT)/modules/$(1).hxm: $(call module_objects,$(1)) $(OUT)/modules/$(1).objects sdk/module.lds sdk/strip.lds
	$$(call say,MODULE,$$@)
	$$(Q)$(MODULE_LINK) -o $$@.debug $(call module_objects,$(1))
	$$(Q)$(MODULE_LINK) -T sdk/strip.lds -o $$@ $(call module_objects,$(1))

-include $(patsubst %.o,%.d,$(call module_objects,$(1)))
endef

$(foreach name,$(MODULE_NAMES) $(TEST_MODULE_NAMES),$(eval $(call module_rules,$(name))))
