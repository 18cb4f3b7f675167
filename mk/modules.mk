# Loadable modules: modules/NAME/*.c becomes build/x86_64/modules/NAME.hxm.
#
# They see the public headers and nothing else. The same file is loaded by the kernel in QEMU and by
# the hosted port.

# No canary: an unprivileged module has no access to where the kernel keeps it.
MODULE_CFLAGS := $(FREESTANDING_CFLAGS) -fno-stack-protector -Iinclude
MODULE_LDS    := $(wildcard modules/module.lds)
MODULE_LINK   := $(LD) -r $(addprefix -T ,$(MODULE_LDS)) --build-id=none -z noexecstack

MODULE_NAMES := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard modules/*/*.c)))))
MODULES      := $(MODULE_NAMES:%=$(OUT)/modules/%.hxm)

.PHONY: modules
modules: $(MODULES) ## build the loadable modules

$(OUT)/modules.flags: FORCE
	$(call keep_text,$(call not_here,$(MODULE_CFLAGS) $(MODULE_LINK)))

$(OUT)/obj/modules/%.c.o: modules/%.c $(OUT)/modules.flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(MODULE_CFLAGS) $(DEPENDENCIES) -c $< -o $@

# $(call module_objects,NAME)
module_objects = $(patsubst %,$(OUT)/obj/%.o,$(sort $(wildcard modules/$(1)/*.c)))

define module_rules
$(OUT)/modules/$(1).objects: FORCE
	$$(call keep_text,$(call module_objects,$(1)))

$(OUT)/modules/$(1).hxm: $(call module_objects,$(1)) $(OUT)/modules/$(1).objects $(MODULE_LDS)
	$$(call say,MODULE,$$@)
	$$(Q)$(MODULE_LINK) -o $$@.debug $(call module_objects,$(1))
	$$(Q)$(OBJCOPY) --strip-debug $$@.debug $$@

-include $(patsubst %.o,%.d,$(call module_objects,$(1)))
endef

$(foreach name,$(MODULE_NAMES),$(eval $(call module_rules,$(name))))
