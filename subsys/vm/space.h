/*
 * What an address space is made of. Internal to subsys/vm.
 *
 * Rules:
 * - Order of locks: a space (a parent before its child), then a memory object. An object's
 * `cutting` comes before both. No other two spaces are locked at once.
 * - A page in the tables has a reference to its frame. HAL_MARK says that the page is the space's
 *   own (private, charged to its owner); without it, it is the object's.
 * - A frame that leaves the tables is put only after the flush (page_gather).
 * - Whatever may call out or free a lot (an object's or a name's last reference) goes to a list of
 *   mappings that are gone, which mappings_dispose works off without any lock.
 */
#ifndef SUBSYS_VM_SPACE_H
#define SUBSYS_VM_SPACE_H

#include <base/list.h>
#include <base/tree.h>
#include <hal/memory.h>
#include <kern/mutex.h>
#include <stdatomic.h>
#include <subsys/vm/address_space.h>
#include <subsys/vm/memory_object.h>
#include <subsys/vm/page_charge.h>

/* As many mappings a space may have, and what stays free below a stack. */
#define MAPPINGS_MAX     65530U
#define STACK_GUARD_GAP  (256UL * HAL_PAGE_SIZE)
#define STACK_LIMIT_INIT (8UL << 20)

/* Pages of an object that one fault brings in at most; a power of two. */
#define AROUND_MAX 16U

/* Keys: S = the space's lock, O = the object's lock (its list is, too), I = immutable */
struct mapping {
    struct tree_node node;        /* S  key: the first address; value: what is free before it */
    uintptr_t end;                /* S */
    unsigned flags;               /* S  enum mapping_flags, without MAPPING_POPULATE */
    struct memory_object *object; /* I  NULL: anonymous and private */
    uint64_t offset;              /* S  of the first address, in the object */
    struct mapping_name *name;    /* I  may be NULL */
    struct address_space *space;  /* I */
    struct list link;             /* O  in the object's list; or in a list of those that are gone */
    uint64_t cut;                 /* O  the object's last cut that this mapping has seen */
};

/* Keys: I = immutable after create, A = atomic, L = lock */
struct address_space {
    _Atomic uint32_t references; /* A */
    owner_tag owner;             /* I */
    struct hal_space *hal;       /* I */
    struct mutex lock;
    struct tree mappings;   /* L */
    struct mapping *recent; /* L  where the last fault was; may be NULL */
    uint32_t mapping_count; /* L */
    uint64_t mapped_bytes;  /* L */
    struct page_charge own; /* L  pages with HAL_MARK */
    uint64_t object_pages;  /* L  pages without */
    uint64_t faults;        /* L */
    uint32_t around;        /* L  pages of an object that a fault brings in, if they are there */
    uintptr_t break_start;  /* L */
    uintptr_t break_end;    /* L */
    uint64_t stack_limit;   /* L */
    uint64_t total_limit;   /* L */
};

static inline uintptr_t mapping_start(const struct mapping *mapping)
{
    return mapping->node.key;
}

static inline struct mapping *mapping_of_node(struct tree_node *node)
{
    return node == NULL ? NULL : HX_CONTAINER_OF(node, struct mapping, node);
}

static inline bool mapping_is_shared(const struct mapping *mapping)
{
    return (mapping->flags & MAPPING_SHARED) != 0;
}

/* The object's page behind an address of a mapping that has an object. */
static inline uint64_t mapping_index(const struct mapping *mapping, uintptr_t address)
{
    return (mapping->offset + (address - mapping_start(mapping))) >> HAL_PAGE_SHIFT;
}

/* --- mappings (mapping.c); the space is locked ------------------------------------------------ */

/* The mapping of an address; the first that ends above an address; NULL: none. */
struct mapping *mapping_at(const struct address_space *space, uintptr_t address);
struct mapping *mapping_from(const struct address_space *space, uintptr_t address);
struct mapping *mapping_next(const struct mapping *mapping);

/* The last mapping that begins at or before an address, and the next one; NULL: there is none. */
struct neighbours {
    struct mapping *previous;
    struct mapping *next;
};
struct neighbours neighbours_of(const struct address_space *space, uintptr_t address);

/* The end of what is mapped from a mapping on without a gap; *mapping is the next behind it, or
 * NULL. */
uintptr_t mapping_run_end(struct mapping **mapping);

/* What a new mapping shows. */
struct mapping_source {
    struct memory_object *object; /* NULL: anonymous */
    uint64_t offset;
    struct mapping_name *name;
};

/* A mapping with references of its own, in no space yet.  NULL: out of memory. */
struct mapping *mapping_make(struct address_space *space, uintptr_t start, uintptr_t end,
                             unsigned flags, struct mapping_source source);
struct mapping_source mapping_source_at(const struct mapping *mapping, uintptr_t address);

/* Put it in where nothing is mapped; and take it out, onto a list of those that are gone. */
void mapping_insert(struct mapping *mapping);
/* The same between its neighbours, and make one of it and those that fit. */
void mapping_insert_joined(struct mapping *mapping, struct neighbours beside, struct list *gone);
void mapping_remove(struct mapping *mapping, struct list *gone);

/* For spaces as a whole: put in the copy of another space's mapping, in the order of
 * tree_insert_copy; and take out all. */
void mapping_insert_copy(struct mapping *mapping, const struct mapping *original);
void mappings_remove_all(struct address_space *space, struct list *gone);

/* Free mappings that are gone, with their references.  Locks: none are held. */
void mappings_dispose(struct list *gone);

/* Move its ends, where nothing is mapped in between. */
void mapping_set_start(struct mapping *mapping, uintptr_t start);
void mapping_set_end(struct mapping *mapping, uintptr_t end);

/* Have a mapping begin at an address, if one goes across it.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err mapping_split_at(struct address_space *space, uintptr_t address);

/* Have mappings begin and end at the ends of a range.  Errors: HX_ENOMEM; nothing has changed. */
HX_MUST_USE hx_err range_split_around(struct address_space *space, uintptr_t start, uintptr_t end,
                                      struct list *gone);

/* Remove the mappings of a range, and their pages.  Errors: HX_ENOMEM; nothing has changed. */
HX_MUST_USE hx_err range_unmap(struct address_space *space, uintptr_t start, uintptr_t end,
                               struct list *gone);

/* Make one of neighbours that fit together, from the one at `start` to the one at `end`. */
void mapping_join_around(struct address_space *space, uintptr_t start, uintptr_t end,
                         struct list *gone);

/* Whether nothing is mapped in a range (or, below a stack, too near to it). */
bool range_is_free(const struct address_space *space, uintptr_t start, uintptr_t end);

/* The highest free place of so many bytes; 0: there is none. */
uintptr_t range_find(const struct address_space *space, size_t size);

/* Whether [address, address + size) is whole pages of the user window, and not empty. */
bool range_is_valid(uintptr_t address, size_t size);

/* --- pages (pages.c); the space is locked ----------------------------------------------------- */

/* A mapping's access as the machine's protection, with HAL_USER. */
static inline unsigned pages_protection(unsigned flags)
{
    return HAL_READ | HAL_USER | ((flags & MAPPING_WRITE) != 0 ? (unsigned)HAL_WRITE : 0U) |
           ((flags & MAPPING_EXECUTE) != 0 ? (unsigned)HAL_EXECUTE : 0U);
}

/* Flush a range on the CPUs that run the space. */
void pages_flush(const struct address_space *space, uintptr_t address, size_t pages);

/* Which pages of a range are to be removed. */
enum pages_which { PAGES_ALL, PAGES_OF_OBJECT };

void pages_remove(struct address_space *space, uintptr_t start, uintptr_t end,
                  enum pages_which which);

/* The same where no CPU runs the space and none will. */
void pages_remove_unflushed(struct address_space *space, uintptr_t start, uintptr_t end);

/* Make the pages of a mapping's part as its flags say now. */
void pages_protect(struct mapping *mapping, uintptr_t start, uintptr_t end);

/* Move pages to where nothing is mapped.  Errors: HX_ENOMEM; then nothing has moved. */
HX_MUST_USE hx_err pages_move(struct address_space *space, uintptr_t from, uintptr_t to,
                              size_t size);

/* Let a child have the own pages of a range, read-only for both.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err pages_share(struct address_space *from, uintptr_t start, uintptr_t end,
                               struct address_space *to);

uint64_t pages_count(struct address_space *space, uintptr_t start, uintptr_t end);

/* Bring in a page; address_space_fault with the space locked. */
HX_MUST_USE hx_err page_fault_locked(struct address_space *space, uintptr_t address,
                                     unsigned access);

/* --- objects and their mappings (memory_object.c) --------------------------------------------- */

/* Enter a mapping in its object's list, or take it out.  The space is locked. */
void memory_object_attach(struct mapping *mapping);
void memory_object_detach(struct mapping *mapping);

/* --- spaces (address_space.c) ----------------------------------------------------------------- */

/* A reference, unless the last one is gone already. */
bool address_space_try_get(struct address_space *space);

#endif
