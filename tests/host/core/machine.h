/*
 * A hosted machine in a child process, for tests that end it, or that need it fresh: the state of
 * core is static, and a panic does not return. Included by one test program each.
 *
 * - in_child() runs a function in a child and gives its exit status and what it printed.
 * - In the child, CHECK prints what failed on standard error and ends the child with CHILD_FAILED.
 * - machine_boot() is a boot CPU before scheduling; machine_run() runs a function on a kernel
 * thread with all CPUs online, and ends the child with 0 when it returns.
 */
#ifndef TESTS_HOST_CORE_MACHINE_H
#define TESTS_HOST_CORE_MACHINE_H

#include <core/debug/console.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/exceptions.h>
#include <hal/cpu.h>
#include <hal/entry.h>
#include <kern/area.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <ports/hosted/hosted.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef MACHINE_MEMORY_MB
#define MACHINE_MEMORY_MB 64U
#endif
#define CHILD_FAILED  99
#define CHILD_SECONDS 240U

/* How long a child is watched that is to halt after its last words, and what ends it then. */
#define CHILD_HALTS_US   200000U
#define CHILD_END_SIGNAL SIGTERM
#define CHILD_HALTED     (128 + CHILD_END_SIGNAL)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(CHILD_FAILED);                                                                   \
        }                                                                                          \
    } while (0)

/* --- the machine ------------------------------------------------------------------------------ */

HX_UNUSED static void machine_boot(uint32_t cpus)
{
    struct frame_range usable = {HOSTED_MEMORY_FIRST,
                                 ((uint64_t)MACHINE_MEMORY_MB << 20) - HOSTED_MEMORY_FIRST};

    CHECK(hosted_start(cpus, MACHINE_MEMORY_MB));
    thread_init_boot();
    CHECK(frames_init(&usable, 1, NULL, 0) == HX_OK);
    CHECK(heap_init() == HX_OK);
    CHECK(area_init() == HX_OK);
    interrupts_init();
    exceptions_init();
}

void kernel_secondary_main(void)
{
    cpu_set_online();
    thread_idle();
}

static void start_secondary(uint32_t cpu)
{
    struct area *stack;

    CHECK(area_allocate(4, HAL_READ | HAL_WRITE, OWNER_CORE, &stack) == HX_OK);
    CHECK(hal_cpu_start(cpu, (void *)(stack->base + 4 * HAL_PAGE_SIZE), thread_boot(cpu)) == HX_OK);
    while ((cpu_online_mask() >> cpu & 1) == 0) {
        hal_cpu_relax();
    }
}

struct machine_body {
    void (*function)(void);
};

static void machine_main(void *argument)
{
    const struct machine_body *body = argument;

    body->function();
    _exit(0);
}

HX_UNUSED HX_NORETURN static void machine_run(uint32_t cpus, void (*function)(void))
{
    static struct machine_body body;
    const struct thread_options options = {.name = "test",
                                           .entry = machine_main,
                                           .argument = &body,
                                           .priority = THREAD_PRIORITY_NORMAL,
                                           .stack_size = 256 * 1024};
    struct thread *thread;

    body.function = function;
    machine_boot(cpus);
    CHECK(thread_start_scheduling() == HX_OK);
    for (uint32_t cpu = 1; cpu < cpus; cpu++) {
        start_secondary(cpu);
    }
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    thread_idle();
}

/* A child that ends itself frees nothing, and that is no leak. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "detect_leaks=0";
}

/* --- the child -------------------------------------------------------------------------------- */

struct child {
    int status; /* of exit(); 128 + n for a signal */
    size_t length;
    char output[1U << 18]; /* standard output, with a NUL */
};

static struct child child;

/* Until the child's end; and when it has said its last words, if any, that is brought about. */
static void read_output(int from, pid_t pid, const char *last_words)
{
    ssize_t got;

    child.length = 0;
    child.output[0] = '\0';
    while ((got = read(from, child.output + child.length, sizeof child.output - 1 - child.length)) >
           0) {
        child.length += (size_t)got;
        child.output[child.length] = '\0';
        if (last_words != NULL && strstr(child.output, last_words) != NULL) {
            usleep(CHILD_HALTS_US);
            kill(pid, CHILD_END_SIGNAL);
            last_words = NULL;
        }
    }
}

/*
 * Run the function in a child; the result is in `child`. One that is to halt does nothing more
 * after its last words (NULL: it ends by itself), so it is ended from here: CHILD_HALTED.
 */
static void in_child_until(void (*function)(void), const char *last_words)
{
    int ends[2];
    int status;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(CHILD_SECONDS);
        function();
        _exit(0);
    }
    close(ends[1]);
    read_output(ends[0], pid, last_words);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    child.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

HX_UNUSED static void in_child(void (*function)(void))
{
    in_child_until(function, NULL);
}

/* The same, where the child has to come to its end. */
HX_UNUSED static void passes_in_child(void (*function)(void))
{
    in_child(function);
    if (child.status != 0) {
        fail_msg("the child ended with %d after printing:\n%s", child.status, child.output);
    }
}

/* How often text stands in what the child printed. */
HX_UNUSED static unsigned printed(const char *text)
{
    unsigned times = 0;

    for (const char *at = strstr(child.output, text); at != NULL; at = strstr(at + 1, text)) {
        times++;
    }
    return times;
}

#endif
