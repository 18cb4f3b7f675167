# The core as a Linux library, and the programs that test it, in several variants:
#
#   build/host           clang -O2
#   build/host-gcc       gcc -O2, so that two compilers have read the code
#   build/host-asan      clang with the address and undefined-behaviour sanitizers, debug assertions
#   build/host-tsan      clang with the thread sanitizer, debug assertions
#   build/host-coverage  clang, counting lines
#   build/host-fuzz      clang with the fuzzer's instrumentation and the sanitizers of host-asan: what is fuzzed
#
# In each: libhelix.a, the core; libabove.a, what stands above it; helix, the whole kernel as a process;
# tests/LAYER/test_THING. A test takes from libabove.a what the hosted port calls, if it uses the port.
# Programs are linked at fixed addresses because modules are loaded into the low 2 GiB beside them.

HOST_CFLAGS := -std=gnu17 -g $(WARNINGS) -pthread -fno-pie -fno-omit-frame-pointer $(SAME_ANYWHERE) \
    -I. -Iinclude -Iports/hosted/include
HOST_LIBS   := -no-pie -pthread -fuse-ld=lld -lcmocka

host_COMPILE          := $(CLANG) -O2
host-gcc_COMPILE      := $(GCC) -O2
host-asan_COMPILE     := $(CLANG) -O1 -DHX_DEBUG -fsanitize=address,undefined \
    -fno-sanitize-recover=undefined
host-tsan_COMPILE     := $(CLANG) -O1 -DHX_DEBUG -fsanitize=thread
host-coverage_COMPILE := $(CLANG) -O0 -DHX_DEBUG --coverage
host-fuzz_COMPILE     := $(CLANG) -O1 -DHX_DEBUG -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=undefined

HOST_VARIANTS := host host-gcc host-asan host-tsan host-coverage host-fuzz

HOST_TESTS := $(sort $(wildcard tests/host/*/test_*.c))

# The module ext2 as a part of its test, which plays the kernel for it; the C library has the functions of bytes.c.
HOST_EXT2_SOURCES := $(filter-out modules/ext2/bytes.c,$(wildcard modules/ext2/*.c))
# So is the disk's driver.
HOST_VIRTIO_BLK_SOURCES := $(wildcard modules/virtio_blk/*.c)

# $(call host_objects,VARIANT,SOURCES)
host_objects = $(patsubst %,build/$(1)/obj/%.o,$(2))

# $(call host_archives,VARIANT), $(call host_link,VARIANT): the two need each other
host_archives = build/$(1)/libhelix.a build/$(1)/libabove.a
host_link     = -Wl,--start-group $(call host_archives,$(1)) -Wl,--end-group

# $(call host_rules,VARIANT)
define host_rules
build/$(1)/flags: FORCE
	$$(call keep_text,$$(call not_here,$($(1)_COMPILE) $(HOST_CFLAGS) $(HOST_LIBS)))

build/$(1)/library.objects: FORCE
	$$(call keep_text,$(call host_objects,$(1),$(HOST_LIBRARY_SOURCES)))

build/$(1)/above.objects: FORCE
	$$(call keep_text,$(call host_objects,$(1),$(HOST_ABOVE_SOURCES)))

build/$(1)/obj/%.c.o: %.c build/$(1)/flags
	$$(call say,$(1),$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) $(HOST_CFLAGS) $$(DEPENDENCIES) -c $$< -o $$@

build/$(1)/obj/%.S.o: %.S build/$(1)/flags
	$$(call say,$(1),$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) $(HOST_CFLAGS) $$(DEPENDENCIES) -c $$< -o $$@

build/$(1)/obj/core/hot_reload/signature_text.S.o: $(SDK)/signatures

build/$(1)/libhelix.a: $(call host_objects,$(1),$(HOST_LIBRARY_SOURCES)) build/$(1)/library.objects
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@
	$$(Q)$(AR) rcsD $$@ $(call host_objects,$(1),$(HOST_LIBRARY_SOURCES))

build/$(1)/libabove.a: $(call host_objects,$(1),$(HOST_ABOVE_SOURCES)) build/$(1)/above.objects
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@
	$$(Q)$(AR) rcsD $$@ $(call host_objects,$(1),$(HOST_ABOVE_SOURCES))

build/$(1)/helix: $(call host_objects,$(1),$(HOST_PROGRAM_SOURCES)) $(call host_archives,$(1))
	$$(call say,LD,$$@)
	$$(Q)$($(1)_COMPILE) -o $$@ $(call host_objects,$(1),$(HOST_PROGRAM_SOURCES)) \
	    $(call host_link,$(1)) $(HOST_LIBS)

build/$(1)/tests/%: build/$(1)/obj/tests/host/%.c.o $(call host_archives,$(1))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) -o $$@ $$< $(call host_link,$(1)) $(HOST_LIBS)

build/$(1)/tests/ext2/%: build/$(1)/obj/tests/host/ext2/%.c.o $(call host_objects,$(1),$(HOST_EXT2_SOURCES)) \
    $(call host_archives,$(1))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) -o $$@ $$< $(call host_objects,$(1),$(HOST_EXT2_SOURCES)) $(call host_link,$(1)) $(HOST_LIBS)

build/$(1)/tests/block/test_virtio_blk: build/$(1)/obj/tests/host/block/test_virtio_blk.c.o \
    $(call host_objects,$(1),$(HOST_VIRTIO_BLK_SOURCES)) $(call host_archives,$(1))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$($(1)_COMPILE) -o $$@ $$< $(call host_objects,$(1),$(HOST_VIRTIO_BLK_SOURCES)) $(call host_link,$(1)) $(HOST_LIBS)

build/$(1)/helix-module-check: build/$(1)/obj/sdk/helix_module_check.c.o $(call host_archives,$(1))
	$$(call say,LD,$$@)
	$$(Q)$($(1)_COMPILE) -o $$@ $$< $(call host_link,$(1)) -no-pie -pthread

build/$(1)/tests/hot_reload/test_module_check: $(OUT)/modules/demo.hxm

-include $(patsubst %.o,%.d,$(call host_objects,$(1),sdk/helix_module_check.c $(HOST_LIBRARY_SOURCES) \
    $(HOST_ABOVE_SOURCES) $(HOST_PROGRAM_SOURCES) $(HOST_TESTS) $(HOST_EXT2_SOURCES) \
    $(HOST_VIRTIO_BLK_SOURCES)))
endef

$(foreach variant,$(HOST_VARIANTS),$(eval $(call host_rules,$(variant))))


# What is fuzzed is compiled for it; all else, from host-asan, is the same but for the counting.
FUZZED_SOURCES := $(HOST_READERS) $(FONT_SOURCE) $(call sources_in,base core/config core/hot_reload) subsys/hooks/policy.c

build/host-fuzz/fuzz/%: build/host-fuzz/obj/tests/fuzz/%.c.o $(call host_objects,host-fuzz,$(FUZZED_SOURCES)) \
    $(call host_archives,host-asan)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(host-fuzz_COMPILE) -fsanitize=fuzzer -o $@ $< $(call host_objects,host-fuzz,$(FUZZED_SOURCES)) \
	    $(call host_link,host-asan) -no-pie -pthread

build/host-fuzz/fuzz/fuzz_module_check: $(OUT)/modules/demo.hxm

-include $(patsubst %,build/host-fuzz/obj/%.d,$(wildcard tests/fuzz/*.c))

.SECONDARY:
