/*
 * The flight recorder: what each CPU did last, in rings of small records.
 *
 * Rules:
 * - A record is 32 bytes. It is written in any context, NMI and panic included, with interrupts
 * off, without locks, and never waits: the newest overwrite the oldest.
 * - A record's place is reserved by its ring's counter. An NMI that comes before it is filled takes
 *   the next place. While it is filled it has the kind 0; a reader copies a record and looks at its
 *   header again, so it gets a whole record or none.
 * - A kind that is off costs one comparison and one jump at each of its points, where it says so
 *   there nothing at all.
 * - Nothing is recorded before recorder_start, whatever kinds are on.
 */
#ifndef KERN_RECORDER_H
#define KERN_RECORDER_H

#include <hal/cpu.h>
#include <hal/flag.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/recorder_list.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDER_ENUM(enumerator, name, group, ring, meaning) RECORDER_##enumerator,
enum recorder_kind { RECORDER_NOTHING, RECORDER_LIST(RECORDER_ENUM) RECORDER_KIND_COUNT };
#undef RECORDER_ENUM
_Static_assert(RECORDER_KIND_COUNT <= 32, "a kind is a bit of a word");

enum recorder_ring { RECORDER_BUSY, RECORDER_RARE, RECORDER_RING_COUNT };

#define RECORDER_BIT(kind) (1U << (kind))
#define RECORDER_ALL       ((RECORDER_BIT(RECORDER_KIND_COUNT - 1) << 1) - RECORDER_BIT(1))

#define RECORDER_NAME_MAX 16U /* bytes of a name in a record, which has no NUL then */

/* Records of a CPU's busy ring, unless it is told otherwise, and of its rare one. */
#define RECORDER_BUSY_DEFAULT 2048U
#define RECORDER_BUSY_MOST    65536U
#define RECORDER_RARE_RECORDS 256U

/* --- writing ---------------------------------------------------------------------------------- */

/* Bit n: kind n is recorded.  recorder.c writes it. */
extern _Atomic uint32_t recorder_kinds;

static HX_ALWAYS_INLINE bool recorder_wants(enum recorder_kind kind)
{
    return HX_UNLIKELY(hal_flag_is_set(&recorder_kinds, kind));
}

/* Write a record, whether its kind is on or not.  Context: any. */
HX_PRESERVE_REGISTERS void recorder_write(enum recorder_kind kind, uint64_t a, uint32_t b,
                                          uint32_t c);
HX_PRESERVE_REGISTERS void recorder_write_name(enum recorder_kind kind, const char *name);

/*
 * A point: write a record if its kind is on. Macros, because only then are the details worked out.
 * Context: any.
 */
#define recorder_note(kind, a, b, c)                                                               \
    do {                                                                                           \
        if (recorder_wants(kind)) {                                                                \
            recorder_write((kind), (a), (b), (c));                                                 \
        }                                                                                          \
    } while (0)

/* The same with the beginning of a text. */
#define recorder_note_name(kind, name)                                                             \
    do {                                                                                           \
        if (recorder_wants(kind)) {                                                                \
            recorder_write_name((kind), (name));                                                   \
        }                                                                                          \
    } while (0)

/* --- reading ---------------------------------------------------------------------------------- */

/* A record read. */
struct recorder_entry {
    uint64_t cycles; /* hal_clock_cycles() */
    uint64_t number; /* in its ring, from 0; one that is missing was overwritten or torn */
    uint32_t cpu;
    uint32_t thread; /* id of the one that was running */
    enum recorder_kind kind;
    uint64_t a;
    uint32_t b;
    uint32_t c;
};

/*
 * The oldest record of a ring, numbered *next or above, that is still there and whole; *next is
 * then the number after it. false: there is none.  Context: any.
 */
bool recorder_read(uint32_t cpu, enum recorder_ring ring, uint64_t *next,
                   struct recorder_entry *entry);

/* The number that the next record of a ring gets: how many there were.  Context: any. */
uint64_t recorder_written(uint32_t cpu, enum recorder_ring ring);

/* The name in the details of a record of such a kind, with a NUL.  Context: any. */
void recorder_entry_name(const struct recorder_entry *entry, char name[RECORDER_NAME_MAX + 1]);

/* --- control ---------------------------------------------------------------------------------- */

/* No rings, and nothing is on.  Called by thread_init_boot. */
void recorder_init(void);

/*
 * Make the rings of all CPUs; records of the busy one are rounded up to a power of two, at most
 * RECORDER_BUSY_MOST, 0: RECORDER_BUSY_DEFAULT.
 * Context: boot, once.  Errors: HX_ENOMEM; nothing is ever recorded then.
 */
HX_MUST_USE hx_err recorder_start(uint32_t busy_records);

/*
 * Record these kinds from now on, and no others. That is all that switches them: who has points
 * that do not look at recorder_kinds is told by core/debug/recorder_control.h.  Context: any.
 */
void recorder_set_kinds(uint32_t kinds);
uint32_t recorder_get_kinds(void);

/* Forget what was recorded until now.  Context: any. */
void recorder_clear(void);

#endif
