/*
 * Address space of a process: mappings, brought in page by page.
 *
 * Rules:
 * - Mappings lie in hal_user_window() (the first 64 KiB of addresses are never mapped), are whole
 *   pages and do not overlap. Neighbours that fit together are joined.
 * - A mapping shows an object's pages (shared: the same frames; private: copied at the first write)
 *   or zeros of its own (anonymous and private).
 * - After a fork, private pages are shared between parent and child until one of them writes.
 * - Locks: one mutex per space (spaces of different processes do not wait for each other). A fault
 *   of a thread in the space takes it; callers copy from and to user memory without holding it.
 * - Context: thread, may block, unless said otherwise. Counts of pages are charged to the space's
 *   owner at the ResourceBroker (RESOURCE_MEMORY, bytes): past the limit HX_ENOMEM.
 */
#ifndef SUBSYS_VM_ADDRESS_SPACE_H
#define SUBSYS_VM_ADDRESS_SPACE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_space;
struct hal_space;
struct memory_object;

enum mapping_flags {
    MAPPING_READ = 1U << 0,
    MAPPING_WRITE = 1U << 1,
    MAPPING_EXECUTE =
        1U << 2, /* never together with write: HX_EACCES (W^X holds for programs too) */
    MAPPING_SHARED = 1U << 3,
    MAPPING_GROWS_DOWN = 1U << 4, /* the stack: grows on faults below it, down to its limit */
    MAPPING_POPULATE = 1U << 5,   /* bring all pages in now */
    MAPPING_MAY_WRITE = 1U << 6,  /* a shared file mapping whose file was opened for writing */
};
#define MAPPING_ACCESS (MAPPING_READ | MAPPING_WRITE | MAPPING_EXECUTE)

/* One user, one reference: the maker.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err address_space_create(owner_tag owner, struct address_space **space);
void address_space_get(struct address_space *space);
/* The last put unmaps everything. The space is current nowhere then. */
void address_space_put(struct address_space *space);

struct hal_space *address_space_hal(const struct address_space *space);

/*
 * A copy for a child process with an owner of its own: private pages are shared for reading.
 * Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err address_space_fork(struct address_space *from, owner_tag owner,
                                      struct address_space **to);

struct mapping_request {
    uintptr_t address;            /* page aligned; a hint unless is_fixed; 0: anywhere */
    size_t size;                  /* bytes, rounded up to pages */
    unsigned flags;               /* enum mapping_flags */
    bool is_fixed;                /* exactly there, replacing what is mapped */
    bool is_exclusive;            /* with is_fixed: HX_EEXIST instead of replacing */
    struct memory_object *object; /* NULL: anonymous. A reference is taken. */
    uint64_t offset;              /* in the object, page aligned */
    /* The file behind the object, for /proc/PID/maps: a reference the mapping takes and gives back
     * through these; may be NULL. */
    struct mapping_name *name;
};

/* What a mapping is called; reference counted by its maker's functions. */
struct mapping_name {
    void (*get)(struct mapping_name *name);
    void (*put)(struct mapping_name *name);
    /* Write the name, cut to size. */
    void (*text)(const struct mapping_name *name, char *buffer, size_t size);
};

/*
 * Map; *address is where.
 * Errors: HX_EINVAL alignment, size 0; HX_ENOMEM no room in the window, memory, limit; HX_EEXIST;
 * HX_EACCES write and execute.
 */
HX_MUST_USE hx_err address_space_map(struct address_space *space,
                                     const struct mapping_request *request, uintptr_t *address);

/* Unmap what there is in a range.  Errors: HX_EINVAL alignment, size 0, outside; HX_ENOMEM. */
HX_MUST_USE hx_err address_space_unmap(struct address_space *space, uintptr_t address, size_t size);

/*
 * Change the access of a range that is mapped throughout.
 * Errors: HX_EINVAL alignment, HX_ENOMEM a hole or no memory, HX_EACCES write and execute, or write
 * to a shared mapping that may not.
 */
HX_MUST_USE hx_err address_space_protect(struct address_space *space, uintptr_t address,
                                         size_t size, unsigned access);

/*
 * mremap: change the size of a mapping, in place or (may_move) elsewhere, or (fixed != 0) there.
 * Errors: HX_EFAULT not one mapping, HX_EINVAL, HX_ENOMEM.
 */
HX_MUST_USE hx_err address_space_remap(struct address_space *space, uintptr_t address,
                                       size_t old_size, size_t new_size, bool may_move,
                                       uintptr_t fixed, uintptr_t *moved);

/* madvise(MADV_DONTNEED): private anonymous pages read as zeros again. Errors: HX_ENOMEM a hole. */
HX_MUST_USE hx_err address_space_discard(struct address_space *space, uintptr_t address,
                                         size_t size);

/*
 * The program break. set_start is for exec; set answers the break there is afterwards (unchanged
 * when it cannot be moved).
 */
void address_space_set_break_start(struct address_space *space, uintptr_t start);
uintptr_t address_space_set_break(struct address_space *space, uintptr_t address);

/* Most bytes a MAPPING_GROWS_DOWN mapping may have (RLIMIT_STACK), and the space in all
 * (RLIMIT_AS). */
void address_space_set_limits(struct address_space *space, uint64_t stack, uint64_t total);

/*
 * Bring in the page at an address for an access (one of MAPPING_READ, _WRITE, _EXECUTE).
 * Errors: HX_EFAULT nothing is mapped there, HX_EACCES the mapping forbids it, HX_ENXIO beyond the
 * end of the object (SIGBUS), HX_ENOMEM.
 */
HX_MUST_USE hx_err address_space_fault(struct address_space *space, uintptr_t address,
                                       unsigned access);

/*
 * For who loads a program: bring in the page of an address as the space's own, with the object's
 * bytes before the address and zeros from it on. The mapping is private and writable, and nobody
 * has touched the page.  Errors: as address_space_fault; HX_EEXIST the page is there.
 */
HX_MUST_USE hx_err address_space_load_tail(struct address_space *space, uintptr_t address);

/* Whether all pages of a range are mapped with that access (for checks that must not fault). */
bool address_space_allows(struct address_space *space, uintptr_t address, size_t size,
                          unsigned access);

/*
 * Copy from the memory of a space, which need not be the current one, into the kernel's. Pages that
 * are missing are brought in, a stack does not grow. The space is locked for one page at a time, so
 * what is copied may change in between. *done bytes were copied, also on error.
 * Errors: HX_EFAULT nothing is mapped there, the mapping forbids reading, or the object has ended;
 * HX_ENOMEM.
 */
HX_MUST_USE hx_err address_space_read(struct address_space *space, uintptr_t address, void *buffer,
                                      size_t size, size_t *done);

/*
 * The bytes of a whole page if it is there, at a page's address; nothing is brought in.
 * Errors: HX_ENOENT it is not.
 */
HX_MUST_USE hx_err address_space_peek(struct address_space *space, uintptr_t address, void *page);

/* Whether a range has pages that are the space's own: of private mappings, written to. */
bool address_space_has_own_pages(struct address_space *space, uintptr_t start, uintptr_t end);

/*
 * A number that names a place in memory for everybody who shares it, for futexes: (object, offset)
 * of a shared mapping, (space, address) of a private one.
 * Errors: HX_EFAULT.
 */
struct memory_place {
    const void *object;
    uint64_t offset;
};
HX_MUST_USE hx_err address_space_place(struct address_space *space, uintptr_t address,
                                       struct memory_place *place);

struct mapping_description {
    uintptr_t start;
    uintptr_t end;
    unsigned flags;
    uint64_t offset;
    struct mapping_name *name; /* valid during the call */
    uint64_t resident_pages;
};
/* Call back for each mapping in rising order; stops when it answers false. The callback does not
 * block. */
void address_space_for_each(struct address_space *space,
                            bool (*callback)(const struct mapping_description *mapping,
                                             void *argument),
                            void *argument);

struct address_space_statistics {
    uint64_t mapped_bytes;
    uint64_t resident_pages;
    uint64_t shared_pages; /* of those, of objects */
    uint64_t faults;
    uintptr_t break_start;
    uintptr_t break_end;
};
void address_space_statistics(struct address_space *space,
                              struct address_space_statistics *statistics);

/* Answers the space of the calling thread's process, NULL: none. */
typedef struct address_space *(*address_space_source)(void);

/*
 * Register the page-fault handler (EXCEPTION_ORDER_MEMORY): faults in the user window, from user
 * mode or from a checked copy, of a thread that has a space, are brought in. What cannot be is left
 * to the next handlers, and so is what happens with interrupts or preemption off.
 * Context: boot, once.  Errors: those of exception_register.
 */
HX_MUST_USE hx_err address_space_init(address_space_source current_space);

/*
 * Ask another function from now on; returns the one before, NULL: none. For tests, whose threads
 * have no process.  Context: thread.
 */
address_space_source address_space_set_source(address_space_source current_space);

#endif
