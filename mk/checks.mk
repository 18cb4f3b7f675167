# Reading the code by machine, and finding what the tests do not reach.

FOLDERS_OF_C := include base hal kern core subsys abi profiles ports modules sdk user tests tools
ALL_C        := $(sort $(shell find $(wildcard $(FOLDERS_OF_C)) -name '*.[ch]'))
# What a module completes by what it defines before is no header of its own.
MODULE_PARTS := modules/scheduler_%.h
ALL_HEADERS  := $(filter-out tests/bench-host/peers/% $(MODULE_PARTS),$(filter %.h,$(ALL_C)))

# What is compiled for the machine alone; the rest is read with the host's flags, but for what needs
# the packages of `make bench-host`.
METAL_ONLY   := ports/x86_64/% modules/% tests/modules/%
HOST_READ    := $(filter-out $(METAL_ONLY) user/% tests/userland/% tests/bench-host/peers/%,$(ALL_C))
METAL_READ   := $(filter $(METAL_ONLY),$(ALL_C))
USER_READ    := $(filter user/% tests/userland/%,$(ALL_C))

TIDY_HOST  := $(filter %.c,$(HOST_READ))
TIDY_METAL := $(filter %.c,$(METAL_READ))

# The compilers find uninitialised variables better; tests do wrong things on purpose.
CPPCHECK := cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppress=missingInclude \
    --suppress=unusedStructMember --suppress=uninitvar --suppress=ctuuninitvar \
    --enable=warning,performance,portability -I. -Iinclude

# The linker's script bounds one object by two symbols; in C they look like two objects.
LINKER_SYMBOLS := --suppress=comparePointers

.PHONY: lint lint-format lint-layers lint-headers lint-tidy lint-cppcheck coverage

lint: lint-format lint-layers lint-headers lint-cppcheck lint-tidy ## check style, layers, headers; static analysis

lint-format:
	$(call say,FORMAT,$(words $(ALL_C)) files)
	$(Q)clang-format --dry-run -Werror $(ALL_C)

lint-layers:
	$(call say,LAYERS,include graph)
	$(Q)tools/layers

lint-headers: $(ALL_HEADERS:%=build/lint/%.alone)

lint-tidy: $(TIDY_HOST:%=build/lint/%.tidy) $(TIDY_METAL:%=build/lint/%.tidy)

lint-cppcheck:
	$(call say,CPPCHECK,$(words $(TIDY_HOST) $(TIDY_METAL)) files)
	$(Q)$(CPPCHECK) -Iports/hosted/include $(filter-out tests/%,$(TIDY_HOST))
	$(Q)$(CPPCHECK) $(LINKER_SYMBOLS) -Iports/x86_64/include $(TIDY_METAL)

# A header is complete when a file that includes nothing else compiles, with either compiler.
alone = printf '\#include <%s>\n' $< | $(1) -fsyntax-only -x c -

$(patsubst %,build/lint/%.alone,$(filter %.h,$(METAL_READ))): build/lint/%.alone: % FORCE
	$(Q)mkdir -p $(@D)
	$(Q)$(call alone,$(CLANG) $(KERNEL_CFLAGS))

$(patsubst %,build/lint/%.alone,$(filter %.h,$(HOST_READ))): build/lint/%.alone: % FORCE
	$(Q)mkdir -p $(@D)
	$(Q)$(call alone,$(CLANG) $(HOST_CFLAGS))
	$(Q)$(call alone,$(GCC) $(HOST_CFLAGS))

$(patsubst %,build/lint/%.alone,$(filter %.h,$(USER_READ))): build/lint/%.alone: % FORCE
	$(Q)mkdir -p $(@D)
	$(Q)$(call alone,$(MUSLGCC) $(USER_CFLAGS) -Wno-unused-function -I.)

$(patsubst %,build/lint/%.tidy,$(TIDY_HOST)): build/lint/%.tidy: % .clang-tidy FORCE
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(HOST_CFLAGS) 2>/dev/null

$(patsubst %,build/lint/%.tidy,$(TIDY_METAL)): build/lint/%.tidy: % .clang-tidy FORCE
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(KERNEL_CFLAGS) 2>/dev/null

coverage: deps $(HOST_TESTS:tests/host/%.c=build/host-coverage/tests/%) ## lines the host tests reach
	$(Q)tools/coverage
