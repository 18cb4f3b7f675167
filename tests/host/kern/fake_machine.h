/*
 * A machine of a few arrays for tests of kern's memory: the functions of hal and kern that frames,
 * heap and areas call, so that a test can be on any CPU and in any context it likes, and can see
 * every translation. Included by one test program each, which is linked with the library.
 *
 * - Physical memory is one reservation of zeroes, touched on demand: memory maps may be wide.
 * - A pthread is the CPU that its fake_cpu says, and has a thread structure of its own.
 * - A failed assertion that the test expects ends the EXPECT_ASSERTION block; any other aborts.
 * - Translations are a table; nothing can be reached through them, only through the direct map.
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
static uint64_t fake_online = 1;
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

uint64_t cpu_online_mask(void)
{
    return fake_online;
}

uint32_t cpu_online_count(void)
{
    return (uint32_t)__builtin_popcountll(fake_online);
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
    fake_online = 1;
    fake_interrupts_off = false;
    memset(&fake_thread, 0, sizeof(fake_thread));
}

HX_UNUSED static uint64_t fake_free_frames(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.free;
}

#endif
