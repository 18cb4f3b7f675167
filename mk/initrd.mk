# The initial file system: what is in it, in plain sight.

# Debian's, unmodified; it has to be the static one.
BUSYBOX ?= /bin/busybox

INITRD_FOLDERS := bin/ dev/ etc/ etc/helix/ etc/init.d/ helix/ home/ home/guest/>0755 lib/ lib/modules/ proc/ \
    root/>0700 run/ sbin/ sys/ tmp/>1777 usr/ usr/bin/ usr/sbin/

# Process 1 is busybox under the name of init.
INITRD_LINKS := init=sbin/init

# The scripts of init.d are executable, all else is not.
INITRD_SETTINGS := $(wildcard user/etc/* user/etc/helix/* user/etc/init.d/*)

# SOURCE>PATH>MODE, one file each
INITRD_FILES := \
    $(BUSYBOX)>bin/busybox>0755 \
    user/receive.sh>bin/receive>0755 \
    $(foreach module,$(filter-out $(MODULES_LOADED_LATER),$(MODULES) $(TEST_MODULES)),$(module)>lib/modules/$(notdir $(module))>0644) \
    $(foreach program,$(USER_PROGRAMS),$(program)>bin/$(notdir $(program))>0755) \
    $(foreach file,$(filter-out %/helix %/init.d,$(INITRD_SETTINGS)),$(file)>$(file:user/%=%)>$(if $(findstring /init.d/,$(file)),0755,0644))

$(OUT)/initrd.list: FORCE
	$(call keep_text,$(INITRD_FOLDERS) $(INITRD_LINKS) $(INITRD_FILES))

# A link for every applet but busybox itself.
$(OUT)/busybox.list: $(BUSYBOX) mk/initrd.mk
	$(Q)mkdir -p $(@D)
	$(Q)if readelf -lW $< | grep -q INTERP; then \
	    echo '$<: not static; install busybox-static' >&2; exit 1; fi
	$(Q)$< --list-full | sed -e '/^bin\/busybox$$/d' -e 's|$$|=/bin/busybox|' > $@

$(BUSYBOX):
	@echo '$@: not there; make deps installs it' >&2; exit 1

$(OUT)/initrd.cpio: $(OUT)/initrd.list $(OUT)/busybox.list $(BUSYBOX) user/receive.sh $(MODULES) $(TEST_MODULES) $(USER_PROGRAMS) \
    $(filter-out %/helix %/init.d,$(INITRD_SETTINGS)) tools/cpio tools/helixtools/cpio.py
	$(call say,CPIO,$@)
	$(Q)tools/cpio --list $(OUT)/initrd.list --list $(OUT)/busybox.list --output $@
