# The schedule explorer's programs, build/VARIANT/tests/explore/test_THING: the kernel's own sources, built
# once more with a point before each atomic operation (tests/explore/atomics.h), on virtual threads instead
# of a machine. They come before the library, which then gives only what they do not have.

EXPLORED_SOURCES := $(wildcard core/capability/*.c) core/ipc/channel.c core/ipc/channel_table.c \
    core/ipc/oneshot.c kern/inheritance.c kern/mutex.c kern/read_section.c kern/wait_queue.c tests/explore/kernel.c
# For test_gate alone: these have more of the kernel behind them.
EXPLORED_GATE    := core/gate/gate.c core/gate/slot.c ports/hosted/gate.c
EXPLORER_SOURCES := tests/explore/explore.c tests/explore/history.c tests/explore/threads.c
EXPLORE_TESTS    := $(wildcard tests/host/explore/test_*.c)

# $(call explore_objects,VARIANT,SOURCES)
explore_objects = $(patsubst %,build/$(1)/explore/%.o,$(2))

# $(call explore_rules,VARIANT)
define explore_rules
build/$(1)/explore/%.c.o: %.c build/$(1)/flags mk/explore.mk
	$$(call say,$(1),$$< (explored))
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) $(HOST_CFLAGS) -include tests/explore/atomics.h $$(DEPENDENCIES) -c $$< -o $$@

build/$(1)/tests/explore/%: build/$(1)/explore/tests/host/explore/%.c.o \
    $(call explore_objects,$(1),$(EXPLORED_SOURCES)) \
    $(call host_objects,$(1),$(EXPLORER_SOURCES)) build/$(1)/libhelix.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $(HOST_LIBS)

build/$(1)/tests/explore/test_gate: $(call explore_objects,$(1),$(EXPLORED_GATE))

-include $(patsubst %.o,%.d,$(call explore_objects,$(1),$(EXPLORED_SOURCES) $(EXPLORED_GATE) $(EXPLORE_TESTS)) \
    $(call host_objects,$(1),$(EXPLORER_SOURCES)))
endef

$(foreach variant,$(HOST_VARIANTS),$(eval $(call explore_rules,$(variant))))
