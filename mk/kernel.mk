# The bootable image.
#
# It is linked twice: the first link tells where the functions are, and which places hold addresses; the second
# carries both tables. They are the last things in read-only data, so the functions stay where they were, and
# the places where they were or, in data, as far from its start; tools/symbols and tools/relocations make sure
# of it.

OUT := build/x86_64$(if $(filter debug,$(BUILD)),-debug)

# The Linux target, because clang places the stack canary in a segment only there; none of its headers.
TARGET_FLAGS  := --target=x86_64-linux-gnu -nostdlibinc
OPTIMIZE      := $(if $(filter debug,$(BUILD)),-O1 -DHX_DEBUG,-O2)
MACHINE_FLAGS := -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic

# clang's assembler does not map its working directory; it can be told another one.
FREESTANDING_CFLAGS := $(TARGET_FLAGS) -std=gnu17 -ffreestanding $(OPTIMIZE) -g $(MACHINE_FLAGS) \
    -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
    -ffunction-sections -fdata-sections $(WARNINGS) $(SAME_ANYWHERE) \
    -fdebug-compilation-dir=.

# The canary is at gs:40, per CPU and drawn at each boot.
CANARY_FLAGS := -fstack-protector-strong -mstack-protector-guard=tls \
    -mstack-protector-guard-reg=gs -mstack-protector-guard-offset=40

KERNEL_CFLAGS := $(FREESTANDING_CFLAGS) $(CANARY_FLAGS) -I. -Iinclude -Iports/x86_64/include
KERNEL_LDS    := ports/x86_64/kernel.lds
KERNEL_LINK   := $(LD) -T $(KERNEL_LDS) --gc-sections --build-id=none -z noexecstack \
    -z max-page-size=4096

# The first link keeps its relocations; nobody debugs it.
FIRST_LINK    := --emit-relocs --strip-debug

KERNEL_OBJECTS := $(KERNEL_SOURCES:%=$(OUT)/obj/%.o)

# Hot paths that are two leaf functions each; a fault in them shows the caller's caller next.
LEAF_OBJECTS := $(addprefix $(OUT)/obj/,kern/heap.c.o core/resource/resource.c.o core/syscall/dispatch.c.o \
    ports/x86_64/thread.c.o subsys/hooks/audit.c.o subsys/hooks/backlog.c.o subsys/hooks/metrics.c.o subsys/hooks/security.c.o)
LEAF_FLAGS   := -momit-leaf-frame-pointer

# private: else the file of flags would get them too when one of these objects is what is asked for.
$(LEAF_OBJECTS): private KERNEL_CFLAGS += $(LEAF_FLAGS)

$(OUT)/kernel.flags: FORCE
	$(call keep_text,$(call not_here,$(KERNEL_CFLAGS)) leaf: $(LEAF_OBJECTS) $(LEAF_FLAGS))

$(OUT)/kernel.objects: FORCE
	$(call keep_text,$(KERNEL_LINK) $(KERNEL_OBJECTS))

$(OUT)/obj/%.c.o: %.c $(OUT)/kernel.flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(KERNEL_CFLAGS) $(DEPENDENCIES) -c $< -o $@

$(OUT)/obj/%.S.o: %.S $(OUT)/kernel.flags
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(KERNEL_CFLAGS) $(DEPENDENCIES) -c $< -o $@

$(OUT)/symbols%.o: $(OUT)/symbols%.S
	$(Q)$(CLANG) $(TARGET_FLAGS) -c $< -o $@

$(OUT)/relocations%.o: $(OUT)/relocations%.S
	$(Q)$(CLANG) $(TARGET_FLAGS) -c $< -o $@

$(OUT)/symbols-none.S: tools/symbols
	$(Q)mkdir -p $(@D)
	$(Q)tools/symbols < /dev/null > $@

$(OUT)/relocations-none.S: tools/relocations
	$(Q)mkdir -p $(@D)
	$(Q)tools/relocations > $@

NO_TABLES := $(OUT)/symbols-none.o $(OUT)/relocations-none.o

$(OUT)/helix.first.elf: $(KERNEL_OBJECTS) $(NO_TABLES) $(KERNEL_LDS) $(OUT)/kernel.objects
	$(call say,LD,$@)
	$(Q)$(KERNEL_LINK) $(FIRST_LINK) -o $@ $(KERNEL_OBJECTS) $(NO_TABLES)

$(OUT)/symbols-all.S: $(OUT)/helix.first.elf tools/symbols
	$(Q)$(NM) $< | tools/symbols > $@

$(OUT)/relocations-all.S: $(OUT)/helix.first.elf tools/relocations
	$(Q)tools/relocations $< > $@

$(OUT)/helix.elf: $(OUT)/helix.first.elf $(OUT)/symbols-all.o $(OUT)/relocations-all.o
	$(call say,LD,$@)
	$(Q)$(KERNEL_LINK) -Map=$(OUT)/helix.map -o $@ $(KERNEL_OBJECTS) $(OUT)/symbols-all.o \
	    $(OUT)/relocations-all.o
	$(Q)$(NM) $@ | tools/symbols --check $(OUT)/symbols-all.S
	$(Q)tools/relocations $@ --check $(OUT)/relocations-all.S

# The same kernel without its built-in tests and measurements: never run, only weighed (tools/bench).
UNTESTED_OBJECTS := $(filter-out $(OUT)/obj/tests/%,$(KERNEL_OBJECTS))
UNTESTED_LINK    := $(KERNEL_LINK) --unresolved-symbols=ignore-all

$(OUT)/untested.first.elf: $(UNTESTED_OBJECTS) $(NO_TABLES) $(KERNEL_LDS) $(OUT)/kernel.objects
	$(Q)$(UNTESTED_LINK) $(FIRST_LINK) -o $@ $(UNTESTED_OBJECTS) $(NO_TABLES)

$(OUT)/symbols-untested.S: $(OUT)/untested.first.elf tools/symbols
	$(Q)$(NM) $< | tools/symbols > $@

$(OUT)/relocations-untested.S: $(OUT)/untested.first.elf tools/relocations
	$(Q)tools/relocations $< > $@

$(OUT)/untested.elf: $(OUT)/untested.first.elf $(OUT)/symbols-untested.o $(OUT)/relocations-untested.o
	$(call say,LD,$@)
	$(Q)$(UNTESTED_LINK) -o $@ $(UNTESTED_OBJECTS) $(OUT)/symbols-untested.o $(OUT)/relocations-untested.o

-include $(KERNEL_OBJECTS:.o=.d)
