/*
 * A machine of a few arrays for tests of kern's memory: the functions of hal and kern that frames,
 * heap and areas call, so that a test can be on any CPU and in any context it likes, and can see
 * every translation. Included by one test program each, which is linked with the library.
 *
 * - Physical memory is one reservation of zeroes, touched on demand: memory maps may be wide.
 * - A pthread is the CPU that its fake_cpu says, and has a thread structure of its own.
 * - A failed assertion that the test expects ends the EXPECT_ASSERTION block; any other aborts.
 * - Translations are a table; nothing can be reached through them, only through the direct map.
 * What was unmapped stays in the imagined TLBs until it is flushed: a frame freed or an address
 * used again before that fails the test.
 */
#ifndef TESTS_HOST_KERN_FAKE_MACHINE_H
#define TESTS_HOST_KERN_FAKE_MACHINE_H

#include <base/assert.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/thread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/* --- assertions ------------------------------------------------------------------------------- */

static _Thread_local jmp_buf fake_assertion;
static _Thread_local bool fake_assertion_expected;
static _Thread_local const char *fake_assertion_sentence;

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    fake_assertion_sentence = sentence;
    if (fake_assertion_expected) {
        longjmp(fake_assertion, 1);
    }
    fprintf(stderr, "%s:%d: %s (%s)\n", file, line, sentence, expression);
    abort();
}

/* The statement must fail an assertion, with no lock held. */
#define EXPECT_ASSERTION(statement)                                                                \
    do {                                                                                           \
        fake_assertion_expected = true;                                                            \
        if (setjmp(fake_assertion) == 0) {                                                         \
            statement;                                                                             \
            fake_assertion_expected = false;                                                       \
            fail_msg("no assertion failed in: %s", #statement);                                    \
        }                                                                                          \
        fake_assertion_expected = false;                                                           \
    } while (0)

/* --- processors ------------------------------------------------------------------------------- */

uintptr_t hosted_direct_base;
static _Thread_local uint32_t fake_cpu;
static _Thread_local bool fake_interrupts_off;
static _Thread_local struct thread fake_thread;
_Atomic uint64_t cpu_online_bits = 1;
_Atomic uint64_t cpu_open_bits = 1;
static uint32_t fake_cpu_calls;
static uint32_t fake_preemptions;

uint32_t hosted_cpu_id(void)
{
    return fake_cpu;
}

struct thread *hosted_thread_current(void)
{
    return &fake_thread;
}

hal_interrupt_state hosted_interrupts_save(void)
{
    hal_interrupt_state was_on = !fake_interrupts_off;

    fake_interrupts_off = true;
    return was_on;
}

void hosted_interrupts_restore(hal_interrupt_state state)
{
    fake_interrupts_off = state == 0;
}

bool hosted_interrupts_enabled(void)
{
    return !fake_interrupts_off;
}

void hosted_cpu_relax(void)
{
}

uint32_t hal_cpu_count(void)
{
    return 4;
}

void thread_preempt(void)
{
    fake_preemptions++;
}

uint32_t cpu_online_count(void)
{
    return (uint32_t)__builtin_popcountll(cpu_online_mask());
}

void cpu_call(uint64_t mask, void (*function)(void *argument), void *argument)
{
    uint32_t caller = fake_cpu;

    fake_cpu_calls++;
    assert_true(hal_interrupts_enabled());
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        if ((mask >> cpu & 1) != 0) {
            fake_cpu = cpu;
            fake_interrupts_off = true;
            function(argument);
            fake_interrupts_off = false;
        }
    }
    fake_cpu = caller;
}

/* --- physical memory -------------------------------------------------------------------------- */

static size_t fake_memory_size;

/* Have size bytes of zeroes from address 0 on. */
HX_UNUSED static void fake_memory_start(size_t size)
{
    void *memory;

    if (fake_memory_size != 0) {
        munmap((void *)hosted_direct_base, fake_memory_size);
    }
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (memory == MAP_FAILED) {
        abort();
    }
    fake_memory_size = size;
    hosted_direct_base = (uintptr_t)memory;
    fake_cpu = 0;
    cpu_online_bits = 1;
    fake_interrupts_off = false;
    memset(&fake_thread, 0, sizeof(fake_thread));
}

HX_UNUSED static uint64_t fake_free_frames(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.free;
}

/* --- translations ----------------------------------------------------------------------------- */

#define FAKE_WINDOW_BASE  0x4000000000UL
#define FAKE_WINDOW_PAGES (18 * 16384UL) /* 18 sub-windows of 64 MiB */
#define FAKE_TABLE_PAGES  512UL

struct fake_entry {
    uint64_t physical;
    unsigned protection; /* 0: not mapped */
    bool is_stale;       /* in some TLB still */
};

static struct fake_entry fake_entries[FAKE_WINDOW_PAGES];
static uint64_t fake_tables[FAKE_WINDOW_PAGES / FAKE_TABLE_PAGES];
static struct hal_table_source fake_source;

/* Forget all translations and tables. */
HX_UNUSED static void fake_space_start(void)
{
    memset(fake_entries, 0, sizeof(fake_entries));
    memset(fake_tables, 0, sizeof(fake_tables));
}

static struct fake_entry *fake_entry_at(uintptr_t address)
{
    size_t page = (address - FAKE_WINDOW_BASE) / HAL_PAGE_SIZE;

    return page < FAKE_WINDOW_PAGES ? &fake_entries[page] : NULL;
}

struct hal_range hal_area_window(void)
{
    return (struct hal_range){FAKE_WINDOW_BASE, FAKE_WINDOW_PAGES * HAL_PAGE_SIZE};
}

struct hal_space *hal_space_kernel(void)
{
    return NULL;
}

void hal_memory_set_table_source(const struct hal_table_source *source)
{
    fake_source = *source;
}

static bool fake_table_ready(const struct fake_entry *entry)
{
    uint64_t *table = &fake_tables[(size_t)(entry - fake_entries) / FAKE_TABLE_PAGES];

    if (*table == 0) {
        *table = fake_source.allocate();
    }
    return *table != 0;
}

static hx_err fake_map_page(uintptr_t address, uint64_t physical, unsigned protection)
{
    struct fake_entry *entry = fake_entry_at(address);

    if (entry == NULL) {
        return HX_EINVAL;
    }
    if (entry->protection != 0) {
        return HX_EEXIST;
    }
    if (!fake_table_ready(entry)) {
        return HX_ENOMEM;
    }
    assert_false(entry->is_stale);
    *entry = (struct fake_entry){.physical = physical, .protection = protection};
    return HX_OK;
}

hx_err hal_space_map(struct hal_space *space, uintptr_t address, uint64_t physical, size_t pages,
                     unsigned protection)
{
    if ((protection & HAL_WRITE) != 0 && (protection & HAL_EXECUTE) != 0) {
        return HX_EINVAL;
    }
    for (size_t i = 0; i < pages; i++) {
        hx_err error =
            fake_map_page(address + i * HAL_PAGE_SIZE, physical + i * HAL_PAGE_SIZE, protection);

        if (error != HX_OK) {
            hal_space_unmap(space, address, i);
            return error;
        }
    }
    return HX_OK;
}

void hal_space_unmap(struct hal_space *space, uintptr_t address, size_t pages)
{
    (void)space;
    for (size_t i = 0; i < pages; i++) {
        struct fake_entry *entry = fake_entry_at(address + i * HAL_PAGE_SIZE);

        assert_non_null(entry);
        entry->is_stale = entry->protection != 0;
        entry->protection = 0;
    }
}

hx_err hal_space_protect(struct hal_space *space, uintptr_t address, size_t pages,
                         unsigned protection)
{
    (void)space;
    for (size_t i = 0; i < pages; i++) {
        fake_entry_at(address + i * HAL_PAGE_SIZE)->protection = protection;
    }
    return HX_OK;
}

bool hal_space_lookup(const struct hal_space *space, uintptr_t address, uint64_t *physical,
                      unsigned *protection)
{
    const struct fake_entry *entry = fake_entry_at(address);

    (void)space;
    if (entry == NULL || entry->protection == 0) {
        return false;
    }
    if (physical != NULL) {
        *physical = entry->physical + address % HAL_PAGE_SIZE;
    }
    if (protection != NULL) {
        *protection = entry->protection;
    }
    return true;
}

void cpu_tlb_shootdown(uintptr_t address, size_t pages)
{
    assert_true(hal_interrupts_enabled());
    for (size_t i = 0; i < pages; i++) {
        struct fake_entry *entry = fake_entry_at(address + i * HAL_PAGE_SIZE);

        assert_non_null(entry);
        assert_int_equal(entry->protection, 0);
        assert_int_not_equal(frames_owner(entry->physical), OWNER_NONE);
        entry->is_stale = false;
    }
}

#endif
