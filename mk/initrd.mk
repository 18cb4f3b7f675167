# The initial file system: what is in it, in plain sight.

INITRD_FOLDERS := bin dev etc helix lib lib/modules proc root sys tmp

# init is /init, every other program is a command
user_place = $(if $(filter init,$(1)),init,bin/$(1))

# SOURCE>PATH>MODE, one file each
INITRD_FILES := \
    $(foreach module,$(MODULES),$(module)>lib/modules/$(notdir $(module))>0644) \
    $(foreach program,$(USER_PROGRAMS),$(program)>$(call user_place,$(notdir $(program)))>0755)

$(OUT)/initrd.list: FORCE
	$(call keep_text,$(INITRD_FOLDERS:%=%/) $(INITRD_FILES))

$(OUT)/initrd.cpio: $(OUT)/initrd.list $(MODULES) $(USER_PROGRAMS) tools/cpio tools/helixtools/cpio.py
	$(call say,CPIO,$@)
	$(Q)tools/cpio --list $(OUT)/initrd.list --output $@
