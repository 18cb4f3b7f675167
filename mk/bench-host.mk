# The channel beside other people's queues: `make bench-host` (docs/bench-host.md).
#
# Each peer is a program, built once for each size of items; only these programs contain what the
# packages below bring. What a package lacks is left out and named, and the rest is measured.

BENCH_HOST_DEPS := valgrind libck-dev libdpdk-dev liburcu-dev libconcurrentqueue-dev \
    rustc librust-crossbeam-channel-dev

BENCH_HOST        := build/bench-host
BENCH_HOST_SIZES  := 8 64
BENCH_C_PEERS     := bare ck rte_ring wfcqueue moodycamel mutex pipe
BENCH_RUST_PEERS  := crossbeam std_channel
BENCH_HOST_PEERS  := helix $(BENCH_C_PEERS) $(BENCH_RUST_PEERS)
BENCH_HOST_PROGRAMS := $(BENCH_HOST)/lfht-8 \
    $(foreach size,$(BENCH_HOST_SIZES),$(BENCH_HOST_PEERS:%=$(BENCH_HOST)/%-$(size)))

# Debian's compiler where it is installed: the crates packaged beside it are for it.
RUSTC  ?= $(or $(wildcard /usr/bin/rustc),rustc)
CRATES := /usr/share/cargo/registry

# The same optimisation for all; Rust's own "release" for what is written in it.
BENCH_FLAGS  := -O2 -DNDEBUG -Wall -Wextra -Werror -pthread -fno-pie $(SAME_ANYWHERE) \
    -I. -Iinclude -Iports/hosted/include
# valgrind reads no debug information of clang's; the symbols stay.
BENCH_LINK   := -no-pie -pthread -Wl,--strip-debug
BENCH_RUSTC  := $(RUSTC) -C opt-level=3 -C panic=abort -L dependency=$(BENCH_HOST)

rte_ring_FLAGS  := -isystem /usr/include/dpdk -isystem /usr/include/x86_64-linux-gnu/dpdk \
    -include rte_config.h
rte_ring_LIBS   := -lrte_ring
wfcqueue_LIBS   := -lurcu-common
lfht_LIBS       := -lurcu-cds -lurcu -lurcu-common
moodycamel_LIBS := -lstdc++

.PHONY: bench-host bench-host-deps bench-host-programs

bench-host: bench-host-deps ## compare the channel with other queues on this machine (ARGS='…' goes to tools/bench-host)
	-$(Q)$(MAKE) --no-print-directory --keep-going bench-host-programs
	$(Q)tools/bench-host $(ARGS)

# One by one: a package that this release of Debian lacks does not keep the others away.
bench-host-deps: deps
	$(Q)for package in $(BENCH_HOST_DEPS); do \
	    tools/deps $$package || echo "bench-host: cannot install $$package"; done

bench-host-programs: $(BENCH_HOST_PROGRAMS)

$(BENCH_HOST)/flags: FORCE
	$(call keep_text,$(call not_here,$(CLANG) $(BENCH_FLAGS) $(rte_ring_FLAGS) $(BENCH_RUSTC)))

# --- peers ------------------------------------------------------------------------------------------

# $(call bench_compile,SIZE,FLAGS)
bench_compile = $(Q)$(CLANG) $(BENCH_FLAGS) -DITEM_SIZE=$(1) $(2) $(DEPENDENCIES) -c $< -o $@
bench_link    = $(Q)$(CLANG) $(BENCH_LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(BENCH_HOST)/%.o: tests/bench-host/%.c $(BENCH_HOST)/flags
	$(call say,CC,$<)
	$(call bench_compile,8,-std=gnu17 $(WARNINGS))

# $(call bench_rules,SIZE)
define bench_rules
$(BENCH_HOST)/driver-$(1).o: tests/bench-host/driver.c $(BENCH_HOST)/flags
	$$(call bench_compile,$(1),-std=gnu17 $(WARNINGS))

$(BENCH_HOST)/%-$(1).o: tests/bench-host/peers/%.c $(BENCH_HOST)/flags
	$$(call say,PEER,$$@)
	$$(call bench_compile,$(1),-std=gnu17 $$($$*_FLAGS))

$(BENCH_HOST)/%-$(1).o: tests/bench-host/peers/%.cpp $(BENCH_HOST)/flags
	$$(call say,PEER,$$@)
	$$(call bench_compile,$(1),-std=c++17)

$(BENCH_HOST)/%-$(1).a: tests/bench-host/peers/%.rs tests/bench-host/peers/loops.rs \
    $(BENCH_HOST)/flags
	$$(call say,PEER,$$@)
	$$(Q)$(BENCH_RUSTC) --edition 2018 --crate-type staticlib --crate-name $$*_$(1) \
	    --cfg item_$(1) $$($$*_CRATES) -o $$@ $$<

$(BENCH_HOST)/helix-$(1): $(BENCH_HOST)/helix-$(1).o $(BENCH_HOST)/driver-$(1).o \
    $(BENCH_HOST)/threads_helix.o $(BENCH_HOST)/pin.o $(call host_archives,host)
	$$(Q)$(CLANG) $(BENCH_LINK) -o $$@ $$(filter %.o,$$^) $(call host_link,host)

$(BENCH_C_PEERS:%=$(BENCH_HOST)/%-$(1)): %-$(1): %-$(1).o $(BENCH_HOST)/driver-$(1).o \
    $(BENCH_HOST)/threads_pthread.o $(BENCH_HOST)/pin.o
	$$(bench_link) $$($$(*F)_LIBS)

$(BENCH_RUST_PEERS:%=$(BENCH_HOST)/%-$(1)): %-$(1): %-$(1).a $(BENCH_HOST)/driver-$(1).o \
    $(BENCH_HOST)/threads_pthread.o $(BENCH_HOST)/pin.o
	$$(bench_link) -lm -ldl
endef

$(foreach size,$(BENCH_HOST_SIZES),$(eval $(call bench_rules,$(size))))

$(BENCH_HOST)/lfht-8: $(BENCH_HOST)/lfht-8.o
	$(bench_link) $(lfht_LIBS)

# --- crates -----------------------------------------------------------------------------------------

# From the packages' sources, without a network. $(call bench_crate,NAME,FLAGS): $@ from the newest
bench_crate = $(Q)$(BENCH_RUSTC) --edition 2018 --crate-type rlib --cap-lints allow \
    --crate-name $(1) --cfg 'feature="std"' $(2) -o $@ \
    $(lastword $(sort $(wildcard $(CRATES)/$(subst _,-,$(1))-[0-9]*/src/lib.rs)))

crossbeam_CRATES := --extern crossbeam_channel=$(BENCH_HOST)/libcrossbeam_channel.rlib

$(BENCH_HOST_SIZES:%=$(BENCH_HOST)/crossbeam-%.a): $(BENCH_HOST)/libcrossbeam_channel.rlib

$(BENCH_HOST)/libcfg_if.rlib: $(BENCH_HOST)/flags
	$(call bench_crate,cfg_if)

$(BENCH_HOST)/libcrossbeam_utils.rlib: $(BENCH_HOST)/libcfg_if.rlib
	$(call bench_crate,crossbeam_utils,--extern cfg_if=$<)

$(BENCH_HOST)/libcrossbeam_channel.rlib: $(BENCH_HOST)/libcrossbeam_utils.rlib
	$(call say,CRATE,crossbeam-channel)
	$(call bench_crate,crossbeam_channel,--extern crossbeam_utils=$< \
	    --extern cfg_if=$(BENCH_HOST)/libcfg_if.rlib)

-include $(wildcard $(BENCH_HOST)/*.d)
