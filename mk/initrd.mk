# The initial file system: what is in it, in plain sight. initrd.cpio is what ships; initrd-tests.cpio is the same with
# modules that built-in tests and scenarios put into slots.

# Debian's, unmodified; it has to be the static one.
BUSYBOX ?= /bin/busybox

INITRD_FOLDERS := bin/ dev/ etc/ etc/helix/ etc/init.d/ helix/ home/ home/guest/>0755 lib/ lib/modules/ proc/ \
    root/>0700 run/ sbin/ sys/ tmp/>1777 usr/ usr/bin/ usr/sbin/

# Process 1 is busybox under the name of init.
INITRD_LINKS := init=sbin/init

# The scripts of init.d are executable, all else is not.
INITRD_SETTINGS := $(wildcard user/etc/* user/etc/helix/* user/etc/init.d/*)

# The other modules of the tests are loaded from a file.
INITRD_TEST_MODULES := audit_liar demo_departing demo_locks demo_state entropy_liar memory_liar sched_liar screen_liar serial_liar

# $(call initrd_modules,NAMES)
initrd_modules = $(foreach name,$(1),$(OUT)/modules/$(name).hxm>lib/modules/$(name).hxm>0644)

# SOURCE>PATH>MODE, one file each
INITRD_FILES := \
    $(BUSYBOX)>bin/busybox>0755 \
    user/receive.sh>bin/receive>0755 \
    $(call initrd_modules,$(MODULE_NAMES)) \
    $(foreach program,$(USER_PROGRAMS),$(program)>bin/$(notdir $(program))>0755) \
    $(foreach file,$(filter-out %/helix %/init.d,$(INITRD_SETTINGS)),$(file)>$(file:user/%=%)>$(if $(findstring /init.d/,$(file)),0755,0644))

$(OUT)/initrd.list: FORCE
	$(call keep_text,$(INITRD_FOLDERS) $(INITRD_LINKS) $(INITRD_FILES))

$(OUT)/initrd-tests.list: FORCE
	$(call keep_text,$(call initrd_modules,$(INITRD_TEST_MODULES)))

# A link for every applet but busybox itself.
$(OUT)/busybox.list: $(BUSYBOX) mk/initrd.mk
	$(Q)mkdir -p $(@D)
	$(Q)if readelf -lW $< | grep -q INTERP; then \
	    echo '$<: not static; install busybox-static' >&2; exit 1; fi
	$(Q)$< --list-full | sed -e '/^bin\/busybox$$/d' -e 's|$$|=/bin/busybox|' > $@

$(BUSYBOX):
	@echo '$@: not there; make deps installs it' >&2; exit 1

# $(call make_initrd,LISTS)
define make_initrd
$(call say,CPIO,$@)
$(Q)tools/cpio $(patsubst %,--list $(OUT)/%.list,$(1) busybox) --output $@
endef

$(OUT)/initrd.cpio $(OUT)/initrd-tests.cpio: $(OUT)/initrd.list $(OUT)/busybox.list $(BUSYBOX) user/receive.sh $(MODULES) \
    $(USER_PROGRAMS) $(filter-out %/helix %/init.d,$(INITRD_SETTINGS)) tools/cpio tools/helixtools/cpio.py

$(OUT)/initrd.cpio:
	$(call make_initrd,initrd)

$(OUT)/initrd-tests.cpio: $(OUT)/initrd-tests.list $(TEST_MODULES)
	$(call make_initrd,initrd initrd-tests)
