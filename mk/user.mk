# User programs, static and built with musl: user/NAME.c becomes build/x86_64/user/NAME, and what is in
# user/bench and user/helixctl becomes build/x86_64/user/helix-bench and …/helixctl.
#
# Programs of the tests, tests/userland/NAME.c, are built twice, in build/userland: NAME at a fixed
# address and NAME-pie wherever the kernel puts it.

USER_CFLAGS := -std=gnu17 -static -O2 -Wall -Wextra -Werror $(SAME_ANYWHERE) -Wl,--build-id=none \
    -Iinclude

USER_PROGRAMS := $(patsubst user/%.c,$(OUT)/user/%,$(sort $(wildcard user/*.c))) $(OUT)/user/helix-bench $(OUT)/user/helixctl

$(OUT)/user.flags: FORCE
	$(call keep_text,$(call not_here,$(USER_CFLAGS)))

$(OUT)/user/%: user/%.c $(OUT)/user.flags
	$(call say,USER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USER_CFLAGS) -MMD -MP -MF $@.d $< -o $@

$(OUT)/user/helix-bench: $(sort $(wildcard user/bench/*.c)) $(wildcard user/bench/*.h) $(OUT)/user.flags
	$(call say,USER,user/bench)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USER_CFLAGS) $(filter %.c,$^) -o $@

$(OUT)/user/helixctl: $(sort $(wildcard user/helixctl/*.c)) $(wildcard user/helixctl/*.h) $(OUT)/user.flags
	$(call say,USER,user/helixctl)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USER_CFLAGS) -Wconversion -Wshadow $(filter %.c,$^) -o $@

-include $(USER_PROGRAMS:=.d)

# --- the vDSO: a part of the kernel image ----------------------------------------------------------------

VDSO        := $(OUT)/user/vdso.so
VDSO_CFLAGS := $(TARGET_FLAGS) -std=gnu17 -ffreestanding -O2 -mgeneral-regs-only -fPIC -fvisibility=hidden \
    -fno-stack-protector -fno-asynchronous-unwind-tables -fomit-frame-pointer -g0 $(WARNINGS) \
    $(SAME_ANYWHERE) -Iinclude
VDSO_LDS    := user/vdso/vdso.lds
VDSO_LINK   := $(LD) -shared -T $(VDSO_LDS) -soname linux-vdso.so.1 --hash-style=both --build-id=none \
    -z rodynamic -z text -z noexecstack -z max-page-size=4096 --no-undefined

$(OUT)/vdso.flags: FORCE
	$(call keep_text,$(call not_here,$(VDSO_CFLAGS) $(VDSO_LINK)))

$(OUT)/user/vdso.o: user/vdso/vdso.c $(OUT)/vdso.flags
	$(call say,VDSO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(VDSO_CFLAGS) $(DEPENDENCIES) -c $< -o $@

# What the loader of a program looks at is found through the program headers.
$(VDSO): $(OUT)/user/vdso.o $(VDSO_LDS)
	$(Q)$(VDSO_LINK) -o $@.whole $<
	$(Q)$(OBJCOPY) --strip-sections $@.whole $@

$(OUT)/obj/ports/x86_64/vdso.S.o: private KERNEL_CFLAGS += -I$(OUT)/user
$(OUT)/obj/ports/x86_64/vdso.S.o: $(VDSO)

-include $(OUT)/user/vdso.d

# --- programs of the tests -----------------------------------------------------------------------------

USERLAND_SOURCES  := $(sort $(wildcard tests/userland/*.c))
USERLAND_PROGRAMS := $(USERLAND_SOURCES:tests/userland/%.c=build/userland/%)
# They hand wrong arguments to the kernel on purpose.
USERLAND_CFLAGS   := -std=gnu17 -O1 -Wall -Wextra -Werror -Wno-nonnull -Wno-stringop-overread \
    -Wno-stringop-overflow -Wno-unused-but-set-variable -Wno-infinite-recursion -Wno-use-after-free \
    $(SAME_ANYWHERE) -Wl,--build-id=none

# musl-gcc has no -static-pie of its own: its compiler, and the start files put together here.
MUSL_LIB  ?= /usr/lib/x86_64-linux-musl/
PIE_LINK  := -nostdlib -static-pie -Wl,-z,text $(MUSL_LIB)rcrt1.o $(MUSL_LIB)crti.o
PIE_END   := $(MUSL_LIB)libc.a -lgcc $(MUSL_LIB)crtn.o

.PHONY: userland
userland: $(USERLAND_PROGRAMS) $(USERLAND_PROGRAMS:=-pie) build/userland/load/load build/userland/load/storm build/userland/load/call_fuzzer \
    build/userland/native/native build/userland/core/crash build/userland/helix/helix_events \
    build/userland/chaos/chaos

# For a debugger to look at.
build/userland/core/crash: private USERLAND_CFLAGS += -O0 -g -fno-omit-frame-pointer

build/userland/load/call_fuzzer: $(wildcard tests/userland/load/fuzz_*.h)

build/userland.flags: FORCE
	$(call keep_text,$(call not_here,$(USERLAND_CFLAGS) $(PIE_LINK)))

build/userland/%: tests/userland/%.c tests/userland/userland.h build/userland.flags
	$(call say,USER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USERLAND_CFLAGS) -static $< -o $@

build/userland/%-pie: tests/userland/%.c tests/userland/userland.h build/userland.flags
	$(call say,USER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USERLAND_CFLAGS) -fPIE -c $< -o $@.o
	$(Q)$(GCC) $(PIE_LINK) $@.o $(PIE_END) -Wl,--build-id=none -o $@

# Tests of what only a Helix has: a program of several files each.
build/userland/helix/helix_events: $(sort $(wildcard tests/userland/helix/*.c)) \
    $(wildcard tests/userland/helix/*.h) include/helix/system_calls.h build/userland.flags
	$(call say,USER,tests/userland/helix)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USERLAND_CFLAGS) -Iinclude -static $(filter %.c,$^) -o $@

build/userland/native/native: $(sort $(wildcard tests/userland/native/*.c)) \
    $(wildcard tests/userland/native/*.h) include/helix/system_calls.h build/userland.flags
	$(call say,USER,tests/userland/native)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USERLAND_CFLAGS) -Iinclude -static $(filter %.c,$^) -o $@

build/userland/chaos/chaos: $(sort $(wildcard tests/userland/chaos/*.c)) \
    $(wildcard tests/userland/chaos/*.h) build/userland.flags
	$(call say,USER,tests/userland/chaos)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USERLAND_CFLAGS) -static $(filter %.c,$^) -o $@
