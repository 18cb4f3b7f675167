#include <base/memory.h>
#include <hal/clock.h>
#include <hal/interrupt.h>
#include <kern/recorder_private.h>
#include <kern/thread.h>
#include <stdatomic.h>

#define THREAD_BITS 32
#define KIND_BITS   8
#define KIND_MASK   ((1U << KIND_BITS) - 1)

_Atomic uint32_t recorder_kinds;
struct recorder recorders[HAL_CPU_MAX][RECORDER_RING_COUNT];

#define RING_ROW(enumerator, name, group, ring, meaning) [RECORDER_##enumerator] = RECORDER_##ring,
static const uint8_t ring_of_kind[RECORDER_KIND_COUNT] = {RECORDER_LIST(RING_ROW)};
#undef RING_ROW

static struct recorder_record *record_of(const struct recorder *recorder, uint64_t number)
{
    return &recorder->records[number & ((1ULL << recorder->shift) - 1)];
}

/* The lap, how often the ring has come round, tells a record from others in its place. */
static uint64_t header_of(const struct recorder *recorder, uint64_t number, uint32_t kind,
                          uint32_t thread)
{
    return (number >> recorder->shift) << (THREAD_BITS + KIND_BITS) |
           (uint64_t)kind << THREAD_BITS | thread;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void fill(const struct recorder *recorder, uint64_t number, enum recorder_kind kind,
                 uint64_t a, uint64_t bc)
{
    struct recorder_record *record = record_of(recorder, number);
    uint64_t header = header_of(recorder, number, kind, thread_current()->id);

    atomic_store_explicit(&record->header, header & ~((uint64_t)KIND_MASK << THREAD_BITS),
                          memory_order_relaxed);
    /* Release, here and below: pairs with copy. */
    atomic_store_explicit(&record->cycles, hal_clock_cycles(), memory_order_release);
    atomic_store_explicit(&record->a, a, memory_order_release);
    atomic_store_explicit(&record->bc, bc, memory_order_release);
    atomic_store_explicit(&record->header, header, memory_order_release);
}

/*
 * Interrupts off: so only NMIs come between, and each is done before what it interrupted goes on;
 * no writer is ever a whole ring behind.
 */
static HX_ALWAYS_INLINE void append(enum recorder_kind kind, uint64_t a, uint64_t bc)
{
    hal_interrupt_state state = hal_interrupts_save();
    struct recorder *recorder = &recorders[hal_cpu_id()][ring_of_kind[kind]];

    if (HX_LIKELY(recorder->records != NULL)) {
        /* Relaxed: readers go by the records' headers. */
        fill(recorder, atomic_fetch_add_explicit(&recorder->next, 1, memory_order_relaxed), kind, a,
             bc);
    }
    hal_interrupts_restore(state);
}

HX_PRESERVE_REGISTERS void recorder_write(enum recorder_kind kind, uint64_t a, uint32_t b,
                                          uint32_t c)
{
    append(kind, a, (uint64_t)c << 32 | b);
}

HX_PRESERVE_REGISTERS void recorder_write_name(enum recorder_kind kind, const char *name)
{
    uint64_t words[2] = {0};
    char *bytes = (char *)words;

    for (size_t i = 0; i < RECORDER_NAME_MAX && name[i] != '\0'; i++) {
        bytes[i] = name[i];
    }
    append(kind, words[0], words[1]);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Copy a record. Whether it was whole, and the one with the number, is seen by the header. */
static bool copy(const struct recorder *recorder, uint64_t number, struct recorder_entry *entry)
{
    const struct recorder_record *record = record_of(recorder, number);
    /* Acquire, here and below: pairs with fill. */
    uint64_t header = atomic_load_explicit(&record->header, memory_order_acquire);
    uint64_t bc;

    entry->cycles = atomic_load_explicit(&record->cycles, memory_order_acquire);
    entry->a = atomic_load_explicit(&record->a, memory_order_acquire);
    bc = atomic_load_explicit(&record->bc, memory_order_acquire);
    entry->b = (uint32_t)bc;
    entry->c = (uint32_t)(bc >> 32);
    entry->number = number;
    entry->thread = (uint32_t)header;
    entry->kind = (enum recorder_kind)(header >> THREAD_BITS & KIND_MASK);
    return entry->kind != RECORDER_NOTHING &&
           header == header_of(recorder, number, entry->kind, entry->thread) &&
           atomic_load_explicit(&record->header, memory_order_relaxed) == header;
}

/* The oldest number that can still be there. */
static uint64_t oldest(const struct recorder *recorder, uint64_t end)
{
    uint64_t first = atomic_load_explicit(&recorder->first, memory_order_relaxed);
    uint64_t size = 1ULL << recorder->shift;

    return end > size && first < end - size ? end - size : first;
}

bool recorder_read(uint32_t cpu, enum recorder_ring ring, uint64_t *next,
                   struct recorder_entry *entry)
{
    const struct recorder *recorder = &recorders[cpu % HAL_CPU_MAX][ring];

    if (cpu >= HAL_CPU_MAX || recorder->records == NULL) {
        return false;
    }
    for (;;) {
        uint64_t end = atomic_load_explicit(&recorder->next, memory_order_relaxed);
        uint64_t least = oldest(recorder, end);

        *next = *next > least ? *next : least;
        if (*next >= end) {
            return false;
        }
        if (copy(recorder, (*next)++, entry)) {
            entry->cpu = cpu;
            return true;
        }
    }
}

uint64_t recorder_written(uint32_t cpu, enum recorder_ring ring)
{
    return cpu < HAL_CPU_MAX
               ? atomic_load_explicit(&recorders[cpu][ring].next, memory_order_relaxed)
               : 0;
}

void recorder_entry_name(const struct recorder_entry *entry, char name[RECORDER_NAME_MAX + 1])
{
    uint64_t words[2] = {entry->a, (uint64_t)entry->c << 32 | entry->b};

    memcpy(name, words, sizeof(words));
    name[RECORDER_NAME_MAX] = '\0';
}

/* --- control ---------------------------------------------------------------------------------- */

void recorder_init(void)
{
    atomic_store_explicit(&recorder_kinds, 0, memory_order_relaxed);
    memset(recorders, 0, sizeof(recorders));
}

void recorder_set_kinds(uint32_t kinds)
{
    /* Relaxed: hal/flag.h. */
    atomic_store_explicit(&recorder_kinds, kinds & RECORDER_ALL, memory_order_relaxed);
}

uint32_t recorder_get_kinds(void)
{
    return atomic_load_explicit(&recorder_kinds, memory_order_relaxed);
}

void recorder_clear(void)
{
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        for (unsigned ring = 0; ring < RECORDER_RING_COUNT; ring++) {
            struct recorder *recorder = &recorders[cpu][ring];

            atomic_store_explicit(&recorder->first,
                                  atomic_load_explicit(&recorder->next, memory_order_relaxed),
                                  memory_order_relaxed);
        }
    }
}
