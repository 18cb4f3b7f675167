# Running and testing. tools/test builds what it needs through the goals at the end of this file.

# Host tests with several threads: run under the thread sanitizer too.
TSAN_TESTS := $(addprefix tests/host/,core/test_capability_load.c core/test_component.c core/test_console.c \
    core/test_interrupts.c core/test_lifecycle.c core/test_log_ring.c core/test_orchestrator.c core/test_panic.c core/test_recorder.c \
    core/test_resource.c core/test_resource_load.c core/test_syscall.c ipc/test_channel.c ipc/test_channel_example.c ipc/test_event_ring.c ipc/test_oneshot.c kern/test_frames.c kern/test_heap.c kern/test_threads.c self_heal/test_checkpoint.c socket/test_socket_load.c vfs/test_event_set.c vfs/test_path.c vfs/test_pipe.c vm/test_space_threads.c)
export TSAN_TESTS PYTEST

.PHONY: tsan-tests
tsan-tests:
	@echo $(TSAN_TESTS)

# make run ARGS='--smp 4', make bench ARGS='--profile log_line'
ARGS ?=
# make fuzz T=60
T ?= 60

.PHONY: run tour gdb test test-host test-metal soak fuzz chaos bench bench-linux plugins spec spec-mutants

run: deps all ## boot in QEMU (ARGS='…' goes to tools/run)
	$(Q)tools/run --kernel $(OUT)/helix.elf $(ARGS)

tour: deps all ## walk through the running system, in ten minutes (ARGS=--fast does not wait for Enter)
	$(Q)$(PYTHON) tools/tour $(ARGS)

gdb: deps all ## debug what `make run ARGS=--gdb` started in another terminal (docs/building.md)
	$(Q)gdb -q $(OUT)/helix.elf -x tools/gdb/helix.py -ex 'target remote :1234' -ex helix-slide

test: deps iso-deps ## run all tests, short campaigns
	$(Q)tools/test

test-host: deps ## run the tests that run as Linux processes
	$(Q)tools/test host-asan host-gcc host-tsan hosted

test-metal: deps iso-deps ## run the tests that boot the kernel
	$(Q)tools/test metal scenario

soak: deps iso-deps ## run all tests with their full counts (long)
	$(Q)HELIX_SOAK=1 tools/test --fuzz-seconds 600

fuzz: deps ## run every fuzzer for T seconds
	$(Q)tools/test fuzz --fuzz-seconds $(T)

bench: deps all $(OUT)/untested.elf plugins ## measure in counted instructions, and the size of the image (ARGS='…' goes to tools/bench)
	$(Q)tools/bench --kernel $(OUT)/helix.elf $(ARGS)

chaos: deps all userland ## put faults into modules that serve and count what becomes of them (SEED=n N=n MODULE=name)
	$(Q)tools/chaos $(if $(SEED),--seed $(SEED)) $(if $(N),--count $(N)) $(if $(MODULE),--module $(MODULE))

bench-linux: deps ## the same, with Debian's own kernel beside it (installs linux-image-cloud-amd64)
	$(Q)tools/deps linux-image-cloud-amd64
	$(Q)$(MAKE) --no-print-directory bench ARGS='--linux $(ARGS)'

spec: deps ## every required behaviour with its tests and their results
	$(Q)tools/spec

spec-mutants: deps ## break every behaviour on purpose and see its tests fail
	$(Q)tools/spec-mutants

# --- plug-ins of the emulator -----------------------------------------------------------------------

PLUGINS       := $(patsubst tools/plugins/%.c,build/tools/%.so,$(wildcard tools/plugins/*.c))
PLUGIN_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -fPIC -fvisibility=hidden -I.

plugins: $(PLUGINS)

build/tools/%.so: tools/plugins/%.c $(wildcard tools/plugins/*.h) mk/test.mk
	$(call say,PLUGIN,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(GCC) $(PLUGIN_CFLAGS) -shared -o $@ $<

# --- what tools/test builds --------------------------------------------------------------------------

.PHONY: tests-asan tests-gcc tests-tsan kernels-hosted images fuzzers

tests-asan: $(HOST_TESTS:tests/host/%.c=build/host-asan/tests/%)
tests-gcc:  $(HOST_TESTS:tests/host/%.c=build/host-gcc/tests/%)
tests-tsan: $(TSAN_TESTS:tests/host/%.c=build/host-tsan/tests/%)

kernels-hosted: build/host-asan/helix build/host-gcc/helix build/host-tsan/helix

images:
	$(Q)$(MAKE) --no-print-directory all BUILD=release
	$(Q)$(MAKE) --no-print-directory all BUILD=debug

FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzzers: $(FUZZ_SOURCES:tests/fuzz/%.c=build/host-fuzz/fuzz/%)
