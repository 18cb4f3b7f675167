/* A CPU follows one offer from look to look. */
#include <core/scheduling/lost_thread.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <helix/scheduler.h>
#include <kern/thread.h>
#include <kern/thread_table.h>

/* Touched by its CPU alone. */
struct suspicion {
    uint64_t handle; /* 0: of nobody */
    uint64_t offers; /* the place's, when it was first seen */
    uint64_t next_look_ns;
    uint32_t looks; /* that found it */
    uint32_t index; /* where the search goes on for the next one */
};

static struct suspicion suspicions[HAL_CPU_MAX];      /* of an idle CPU */
static struct suspicion busy_suspicions[HAL_CPU_MAX]; /* and of a busy one */

/* --- what both share -------------------------------------------------------------------------- */

static bool may_run(const struct thread_place *place, uint32_t cpu)
{
    return (atomic_load_explicit(&place->terms, memory_order_relaxed) >> cpu & 1) != 0;
}

/* The first offer behind the last one for this CPU. */
static void suspect_next(struct suspicion *suspicion, uint32_t cpu)
{
    struct thread_table_walk walk = thread_table_walk_from(suspicion->index);
    struct thread_place *place;
    uint64_t handle;

    suspicion->handle = 0;
    suspicion->looks = 1;
    while ((place = thread_table_next_offered(&walk, &handle)) != NULL) {
        if (may_run(place, cpu)) {
            suspicion->handle = handle;
            suspicion->offers = atomic_load_explicit(&place->offers, memory_order_relaxed);
            suspicion->index = thread_table_walk_index(&walk);
            return;
        }
    }
    suspicion->index = 0;
}

/* Offers are counted before they are made, so an offer that is there and has the same count is the
 * same. */
static bool is_still_there(const struct suspicion *suspicion, uint32_t cpu)
{
    const struct thread_place *place = thread_table_place(suspicion->handle);

    return suspicion->handle != 0 &&
           atomic_load_explicit(&place->word, memory_order_acquire) ==
               (suspicion->handle | THREAD_PLACE_OFFERED) &&
           atomic_load_explicit(&place->offers, memory_order_relaxed) == suspicion->offers &&
           may_run(place, cpu);
}

/* --- lost ------------------------------------------------------------------------------------- */

bool lost_thread_look(uint32_t cpu)
{
    struct suspicion *suspicion = &suspicions[cpu];
    uint64_t now = hal_clock_now();

    if (now < suspicion->next_look_ns) {
        return false;
    }
    suspicion->next_look_ns = now + LOST_THREAD_LOOK_NS;
    if (!is_still_there(suspicion, cpu)) {
        suspect_next(suspicion, cpu);
        return false;
    }
    if (++suspicion->looks < LOST_THREAD_LOOKS) {
        return false;
    }
    suspicion->handle = 0;
    return true;
}

/* --- passed over ------------------------------------------------------------------------------ */

/* Whether the offer is at least as urgent as what runs, whichever of its two parts a policy goes
 * by. */
static bool is_as_urgent(const struct suspicion *suspicion, uint16_t running)
{
    const struct thread_place *place = thread_table_place(suspicion->handle);
    uint64_t priority =
        atomic_load_explicit(&place->terms, memory_order_relaxed) >> THREAD_PLACE_PRIORITY_SHIFT;

    return HX_PRIORITY_LEVEL(priority) >= HX_PRIORITY_LEVEL(running) &&
           HX_PRIORITY_NICE(priority) <= HX_PRIORITY_NICE(running);
}

bool passed_over_look(uint32_t cpu, uint16_t priority)
{
    struct suspicion *suspicion = &busy_suspicions[cpu];
    uint64_t now = hal_clock_now();

    if (now < suspicion->next_look_ns) {
        return false;
    }
    suspicion->next_look_ns = now + LOST_THREAD_LOOK_NS;
    if (!is_still_there(suspicion, cpu) || !is_as_urgent(suspicion, priority)) {
        suspect_next(suspicion, cpu);
        return false;
    }
    if (++suspicion->looks < LOST_THREAD_LOOKS_BUSY + thread_count()) {
        return false;
    }
    suspicion->handle = 0;
    return true;
}
