# What modules are built with, in this tree and outside of it: build/sdk. Signatures of what the kernel exports come from
# the debug information of sdk/exports.c, which is compiled as the kernel is.

SDK         := build/sdk
SDK_HEADERS := $(sort $(wildcard include/helix/*.h))

$(SDK)/exports.flags: FORCE
	$(call keep_text,$(call not_here,$(FREESTANDING_CFLAGS)) $(SDK_HEADERS))

$(SDK)/exports.o: sdk/exports.c $(SDK)/exports.flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FREESTANDING_CFLAGS) -gdwarf-5 -fstandalone-debug -I. -Iinclude $(addprefix -include ,$(SDK_HEADERS)) \
	    $(DEPENDENCIES) -c $< -o $@

# Rewritten only when what they say changes, so that a comment in a header builds no module again.
$(SDK)/signatures $(SDK)/helix_signatures.c &: $(SDK)/exports.o tools/signatures $(wildcard tools/helixtools/signature*.py) \
    tools/helixtools/dwarf_types.py
	$(call say,SIGN,$(SDK)/signatures)
	$(Q)tools/signatures $< --text $(SDK)/signatures --source $(SDK)/helix_signatures.c \
	    --headers $(SDK_HEADERS:include/%=%)

# The kernel's own copy of them; .incbin is no dependency that the compiler tells. So in mk/host.mk.
$(OUT)/obj/core/hot_reload/signature_text.S.o: $(SDK)/signatures

-include $(SDK)/exports.d

# --- the folder -------------------------------------------------------------------------------------

SDK_COPIED    := helix-module.mk flags.mk module.lds strip.lds new-module
SDK_TEMPLATES := $(patsubst sdk/%,%,$(sort $(wildcard sdk/templates/*.in)))
SDK_FILES     := $(SDK_COPIED:%=$(SDK)/%) $(SDK_HEADERS:%=$(SDK)/%) $(SDK)/signatures $(SDK)/helix_signatures.c \
    $(SDK_TEMPLATES:%=$(SDK)/%) $(SDK)/helix-module-check

.PHONY: sdk
sdk: $(SDK_FILES) ## build what modules are written with, in build/sdk (docs/modules.md)

$(SDK)/include/helix/%.h: include/helix/%.h
	$(Q)mkdir -p $(@D)
	$(Q)cp -p $< $@

$(SDK_COPIED:%=$(SDK)/%) $(SDK_TEMPLATES:%=$(SDK)/%): $(SDK)/%: sdk/%
	$(Q)mkdir -p $(@D)
	$(Q)cp -p $< $@

# Of the variant that the tests have too.
$(SDK)/helix-module-check: build/host-gcc/helix-module-check
	$(Q)cp -p $< $@
