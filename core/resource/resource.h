/*
 * Resource broker: who may have how much of what.
 *
 * Rules:
 * - A resource is an amount of one class, charged to one owner, held by one handle. The broker
 *   counts; the things themselves stay with whoever provides them.
 * - At every moment in which no call is under way, an owner's usage of a class is the sum of the
 *   amounts of its handles of that class.
 * - Past the soft limit: allowed, with one warning for each crossing. Past the hard limit: refused,
 *   and nothing has changed.
 * - A handle names its place, the place's generation, and is good with its owner alone: a second
 *   release, a release by another, and one after the owner's end are refused.
 * - Allocating and releasing take no lock and do not block, except that a full table of handles
 *   grows and that a provider is asked before a refusal.
 */
#ifndef CORE_RESOURCE_RESOURCE_H
#define CORE_RESOURCE_RESOURCE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, name, unit of an amount) */
#define RESOURCE_CLASS_LIST(X)                                                                     \
    X(RESOURCE_MEMORY, "memory", "bytes")                                                          \
    X(RESOURCE_CPU_TIME, "cpu-time", "microseconds")                                               \
    X(RESOURCE_FILE_HANDLES, "file-handles", "handles")                                            \
    X(RESOURCE_THREADS, "threads", "threads")                                                      \
    X(RESOURCE_NETWORK_PORTS, "network-ports", "ports")                                            \
    X(RESOURCE_MODULES, "modules", "instances")                                                    \
    X(RESOURCE_LOCKS, "locks", "locks")

#define RESOURCE_CLASS_ENUM(name, text, unit) name,
enum resource_class { RESOURCE_CLASS_LIST(RESOURCE_CLASS_ENUM) RESOURCE_CLASS_COUNT };
#undef RESOURCE_CLASS_ENUM

/* "memory" for one, and what an amount of it counts; "unknown" for a number that is no class. */
const char *resource_class_name(enum resource_class class);
const char *resource_class_unit(enum resource_class class);

/* Largest amount and largest limit; as a limit it means none. */
#define RESOURCE_UNLIMITED (UINT64_MAX >> 2)

/* Index and generation of a place in the table of handles. */
typedef uint64_t resource_handle;

#define RESOURCE_HANDLE_NONE 0U
#define RESOURCE_HANDLES_MAX (1U << 17)

/*
 * Make the broker usable: no handles, no providers, and the kernel as the only owner.
 * Context: boot, once, before any other call.
 */
void resource_init(void);

/* --- providers -------------------------------------------------------------------------------- */

/*
 * Who has a class's real things. The record is constant and valid while registered. Both functions
 * are called inside a read section: they neither block nor wait, but may release resources.
 */
struct resource_provider {
    const char *name;
    /*
     * The owner is about to be refused for want of so much: release what it can do without (caches,
     * say). Returns whether something was released; the broker then tries once more. NULL: there is
     * never anything.
     */
    bool (*reclaim)(owner_tag owner, uint64_t amount);
    /* What the owner really has now, by the provider's own count. NULL: it keeps none. */
    uint64_t (*usage)(owner_tag owner);
};

/*
 * Allocations of the class are possible from now on.
 * Context: any but nmi.  Errors: HX_EINVAL no such class, or no name; HX_EEXIST it has a provider.
 */
HX_MUST_USE hx_err resource_register_provider(enum resource_class class,
                                              const struct resource_provider *provider);

/*
 * New allocations of the class are refused; what is held stays and can be released. The provider is
 * not called any more when this returns.
 * Context: thread, may block.  Errors: HX_EINVAL no such class, HX_ENOENT it is not the class's.
 */
HX_MUST_USE hx_err resource_unregister_provider(enum resource_class class,
                                                const struct resource_provider *provider);

/* Its provider's name, NULL: there is none.  Context: any. */
const char *resource_provider_name(enum resource_class class);

/* --- allocating ------------------------------------------------------------------------------- */

/*
 * Charge an amount to an owner. *handle is RESOURCE_HANDLE_NONE on failure.
 * Context: thread.  Blocks: no.
 * Errors: HX_EINVAL no such class, an amount of 0 or above RESOURCE_UNLIMITED; HX_ENOSYS the class
 * has no provider; HX_ESTALE there is no such owner (any more); HX_ELIMIT past the hard limit;
 * HX_ENOMEM, HX_ENOSPC no place for a handle: there are RESOURCE_HANDLES_MAX - 1, of which each
 * other CPU may keep some (PLACE_CACHE_MAX) for itself.
 */
HX_MUST_USE hx_err resource_allocate(owner_tag owner, enum resource_class class, uint64_t amount,
                                     resource_handle *handle);

/*
 * Give back what a handle holds.
 * Context: thread.  Blocks: no.
 * Errors: HX_EINVAL never was a handle, HX_ESTALE released already, or taken back at its owner's
 * end, HX_EPERM another owner's.
 */
HX_MUST_USE hx_err resource_release(resource_handle handle, owner_tag owner);

/*
 * Change the amount that a handle holds. Only the difference is charged or given back, and only an
 * increase can be refused; nothing has changed then. The caller sees to it that the handle is
 * neither released nor adjusted by another at the same time; its owner may come to its end.
 * Context: thread.  Blocks: no.
 * Errors: HX_EINVAL never was a handle, or an amount of 0 or above RESOURCE_UNLIMITED; HX_ENOSYS
 * more of a class without provider; HX_ESTALE and HX_EPERM as resource_release; HX_ELIMIT.
 */
HX_MUST_USE hx_err resource_adjust(resource_handle handle, owner_tag owner, uint64_t amount);

/* --- limits and usage ------------------------------------------------------------------------- */

struct resource_limits {
    uint64_t soft; /* warned about when the usage is above it */
    uint64_t hard; /* the usage never rises above it */
};

/*
 * Set both limits; the usage stays as it is. A hard limit below the usage refuses everything until
 * enough was released. A soft limit below the usage is a crossing if it was not past the old one.
 * Every allocation that begins after the return obeys the new limits.
 * Context: thread, may block.
 * Errors: HX_EINVAL no such class, soft above hard, a limit above RESOURCE_UNLIMITED; HX_ESTALE.
 */
HX_MUST_USE hx_err resource_set_limit(owner_tag owner, enum resource_class class,
                                      struct resource_limits limits);

/* What is known of one owner and class. */
struct resource_usage {
    uint64_t used;
    uint64_t refused; /* allocations that ended with HX_ELIMIT */
    struct resource_limits limits;
};

/* Context: any but nmi.  Errors: HX_EINVAL no such class, HX_ESTALE; *usage is zero then. */
HX_MUST_USE hx_err resource_get_usage(owner_tag owner, enum resource_class class,
                                      struct resource_usage *usage);

/*
 * What the owner really has by the provider's own count; that the provider keeps none is an error.
 * Context: thread.  Errors: HX_EINVAL no such class, HX_ENOSYS; *amount is 0 then.
 */
HX_MUST_USE hx_err resource_measure(owner_tag owner, enum resource_class class, uint64_t *amount);

/* --- warnings --------------------------------------------------------------------------------- */

struct resource_warning {
    owner_tag owner;
    enum resource_class class;
    uint64_t used; /* at the crossing */
    struct resource_limits limits;
};

/*
 * Have a function called for every crossing of a soft limit, by the thread that crossed it, after
 * its allocation is done. NULL: nobody. One hook; the last one set counts.
 * Context: any.
 */
void resource_set_warning_hook(void (*hook)(const struct resource_warning *warning));

/* --- numbers ---------------------------------------------------------------------------------- */

struct resource_statistics {
    uint64_t allocations; /* that succeeded */
    uint64_t refusals;    /* that ended with HX_ELIMIT */
    uint64_t warnings;
    uint64_t reclaims;     /* times a provider was asked */
    uint64_t memory_bytes; /* for handles and accounts */
};
/* Exact while nobody allocates.  Context: any but nmi. */
void resource_statistics(struct resource_statistics *statistics);

#endif
