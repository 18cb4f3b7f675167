/* When memory is missing for a page: who ends. */
#include <core/debug/log.h>
#include <core/resource/resource.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <kern/stack.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process_private.h>

#define PATIENCE_NS (2 * HAL_NS_PER_S) /* for what was chosen to give its memory back */

/* The process chosen last; M = process_mutex. */
static struct {
    uint32_t id;          /* M  0: none yet */
    uint64_t started_ns;  /* M  tells it from a later one of the same id */
    uint64_t deadline_ns; /* M  it has until then */
} chosen;

/* --- past a limit -------------------------------------------------------------------------------
 */

/* Whether the process has as much as it may, whatever the machine has. */
static bool is_at_limit(const struct process *process)
{
    struct resource_usage usage;

    return resource_get_usage(process->owner, RESOURCE_MEMORY, &usage) == HX_OK &&
           usage.used + HAL_PAGE_SIZE > usage.limits.hard;
}

static void end_at_limit(struct process *process)
{
    kwarn("process %u (%s) is ended: its memory limit is reached", process->id, process->name);
    process_end(process);
}

/* --- none left ----------------------------------------------------------------------------------
 */

struct search {
    struct process *largest;
    uint64_t pages;
};

/* Process 1 is not chosen, nor what has given its memory back. */
static bool compare(struct process *process, void *argument)
{
    struct search *search = argument;
    struct address_space_statistics statistics;

    if (process->parent == NULL || process->space == NULL) {
        return true;
    }
    address_space_statistics(process->space, &statistics);
    if (search->largest == NULL || statistics.resident_pages > search->pages) {
        search->largest = process;
        search->pages = statistics.resident_pages;
    }
    return true;
}

/* Whether who was chosen last is still on its way out. */
static bool is_ending_locked(void)
{
    const struct identity *entry = id_find(chosen.id);

    return chosen.id != 0 && entry != NULL && entry->process != NULL &&
           entry->process->started_ns == chosen.started_ns && entry->process->space != NULL &&
           hal_clock_now() < chosen.deadline_ns;
}

static void choose_locked(void)
{
    struct search search = {.largest = NULL};

    process_for_each_locked(compare, &search);
    if (search.largest == NULL) {
        search.largest = process_current(); /* process 1 is alone, and cannot go on */
    }
    chosen.id = search.largest->id;
    chosen.started_ns = search.largest->started_ns;
    chosen.deadline_ns = hal_clock_now() + PATIENCE_NS;
    kwarn("out of memory: process %u (%s) is ended, it has most: %llu pages", chosen.id,
          search.largest->name, (unsigned long long)search.pages);
    process_end(search.largest);
}

bool shortage_handle(void)
{
    struct process *self = process_current();

    if (is_at_limit(self)) {
        end_at_limit(self);
    } else if (!stack_free_kept()) {
        mutex_lock(&process_mutex);
        if (!self->is_ending && !is_ending_locked()) {
            choose_locked();
        }
        mutex_unlock(&process_mutex);
    }
    if (self->is_ending) {
        return false;
    }
    thread_sleep(HAL_NS_PER_MS);
    return true;
}
