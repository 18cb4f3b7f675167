/* The machine as a whole: it is switched off when its process ends. */
#define _GNU_SOURCE
#include <hal/power.h>
#include <ports/hosted/machine.h>
#include <stdint.h>
#include <stdlib.h>

const char *hal_machine_devices(void)
{
    return "imitated interrupt lines, host timers, standard input and output";
}

static void end_process(void *status)
{
    exit((int)(uintptr_t)status);
}

/*
 * exit() runs what others registered with atexit: it gets a stack larger than a kernel thread's.
 * When the caller is on the emergency stack already, what lies there is not returned to.
 */
void hal_power_exit(unsigned status)
{
    struct hosted_cpu *cpu = hosted_cpu();
    struct hal_thread *self = (struct hal_thread *)cpu->current;
    struct hal_thread last;

    (void)hosted_interrupts_save();
    (void)hal_cpu_stop_others();
    hal_thread_init(&last, cpu->emergency_stack, HOSTED_EMERGENCY_STACK_SIZE, end_process,
                    (void *)(uintptr_t)status);
    cpu->current = (struct thread *)&last; /* where a new fiber finds its entry */
    hosted_fiber_switch(self, &last, NULL);
    __builtin_unreachable();
}

void hal_power_off(void)
{
    hal_power_exit(0);
}

/* Ends the process as QEMU does with -no-reboot; who wants another boot starts it again. */
void hal_power_reset(void)
{
    hal_power_exit(0);
}

void hal_debug_break(void)
{
    __asm__ volatile("int3");
}
