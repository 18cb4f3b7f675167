/*
 * A hosted machine with address spaces, for the tests of subsys/vm. There is no user mode: a test
 * does what a program would by looking up what the space maps and going through the direct map, and
 * brings in by address_space_fault what is missing.
 */
#ifndef TESTS_HOST_VM_VM_MACHINE_H
#define TESTS_HOST_VM_VM_MACHINE_H

#include <core/resource/ledger.h>
#include <core/resource/resource.h>
#include <hal/memory.h>
#include <kern/stack.h>
#include <subsys/vm/address_space.h>
#include <subsys/vm/memory_object.h>
#include <subsys/vm/shared_frame.h>
#include <tests/host/core/machine.h>

#define PAGE HAL_PAGE_SIZE
#define RW   ((unsigned)MAPPING_READ | MAPPING_WRITE)

static owner_tag vm_owner;

/* --- the machine ------------------------------------------------------------------------------ */

HX_UNUSED static void vm_start(void)
{
    static const struct resource_provider provider = {.name = "test"};

    resource_init();
    CHECK(resource_register_provider(RESOURCE_MEMORY, &provider) == HX_OK);
    CHECK(resource_owner_open("test", &vm_owner) == HX_OK);
}

static void (*vm_body)(void);

static void vm_child(void)
{
    machine_run(2, vm_body);
}

/* Run a body on a kernel thread of a machine of its own; it has to come to its end. */
HX_UNUSED static void vm_passes(void (*body)(void))
{
    vm_body = body;
    passes_in_child(vm_child);
}

/* Everything that must be as before when a test is over. */
struct vm_balance {
    uint64_t frames;
    uint64_t objects;
    uint64_t charged;
};

static struct vm_balance vm_balance(void)
{
    struct resource_usage usage;
    struct heap_statistics heap;

    (void)stack_free_kept();
    heap_statistics(&heap);
    CHECK(resource_get_usage(vm_owner, RESOURCE_MEMORY, &usage) == HX_OK);
    /* The heap keeps empty slabs: its frames are not of interest. */
    return (struct vm_balance){.frames = frames_owned(OWNER_CORE) - heap.frames,
                               .objects = heap.objects,
                               .charged = usage.used};
}

HX_UNUSED static void vm_check_balance(struct vm_balance before)
{
    struct vm_balance now = vm_balance();

    if (now.frames != before.frames || now.objects != before.objects ||
        now.charged != before.charged) {
        fprintf(stderr, "frames %llu -> %llu, objects %llu -> %llu, charged %llu -> %llu\n",
                (unsigned long long)before.frames, (unsigned long long)now.frames,
                (unsigned long long)before.objects, (unsigned long long)now.objects,
                (unsigned long long)before.charged, (unsigned long long)now.charged);
        _exit(CHILD_FAILED);
    }
}

/* --- what a program does ---------------------------------------------------------------------- */

/* The byte at an address, if the space allows the access as it stands. */
static unsigned char *vm_reach(struct address_space *space, uintptr_t address, unsigned access)
{
    unsigned needed = HAL_READ | (access == MAPPING_WRITE     ? (unsigned)HAL_WRITE
                                  : access == MAPPING_EXECUTE ? (unsigned)HAL_EXECUTE
                                                              : 0U);
    uint64_t physical;
    unsigned protection;

    if (!hal_space_lookup(address_space_hal(space), address, &physical, &protection) ||
        (protection & needed) != needed) {
        return NULL;
    }
    CHECK((protection & HAL_USER) != 0);
    CHECK((protection & (HAL_WRITE | HAL_EXECUTE)) != (HAL_WRITE | HAL_EXECUTE));
    return (unsigned char *)hal_direct_map(physical) + address % PAGE;
}

/* The same, with the page brought in; NULL: *error says why it cannot be. */
static unsigned char *vm_touch(struct address_space *space, uintptr_t address, unsigned access,
                               hx_err *error)
{
    unsigned char *byte = vm_reach(space, address, access);

    *error = HX_OK;
    if (byte == NULL) {
        *error = address_space_fault(space, address, access);
        byte = *error == HX_OK ? vm_reach(space, address, access) : NULL;
        CHECK(*error != HX_OK || byte != NULL);
    }
    return byte;
}

HX_UNUSED static hx_err vm_write(struct address_space *space, uintptr_t address, unsigned value)
{
    hx_err error;
    unsigned char *byte = vm_touch(space, address, MAPPING_WRITE, &error);

    if (byte != NULL) {
        *byte = (unsigned char)value;
    }
    return error;
}

/* The byte, or 256 + the error. */
HX_UNUSED static unsigned vm_read(struct address_space *space, uintptr_t address)
{
    hx_err error;
    const unsigned char *byte = vm_touch(space, address, MAPPING_READ, &error);

    return byte != NULL ? *byte : 256U + (unsigned)error;
}

#define VM_ERROR(error) (256U + (unsigned)(error))

/* --- short forms ------------------------------------------------------------------------------ */

HX_UNUSED static struct address_space *vm_space(void)
{
    struct address_space *space;

    CHECK(address_space_create(vm_owner, &space) == HX_OK);
    return space;
}

/* An address so many pages into the window. */
static uintptr_t at(size_t page)
{
    return hal_user_window().base + page * PAGE;
}

HX_UNUSED static hx_err vm_map_at(struct address_space *space, size_t page, size_t pages,
                                  unsigned flags)
{
    uintptr_t address;

    return address_space_map(
        space,
        &(struct mapping_request){
            .address = at(page), .size = pages * PAGE, .flags = flags, .is_fixed = true},
        &address);
}

HX_UNUSED static hx_err vm_map_object(struct address_space *space, size_t page, size_t pages,
                                      unsigned flags, struct memory_object *object, uint64_t first)
{
    uintptr_t address;

    return address_space_map(space,
                             &(struct mapping_request){.address = at(page),
                                                       .size = pages * PAGE,
                                                       .flags = flags,
                                                       .is_fixed = true,
                                                       .object = object,
                                                       .offset = first * PAGE},
                             &address);
}

static bool vm_count_one(const struct mapping_description *mapping, void *argument)
{
    (void)mapping;
    (*(unsigned *)argument)++;
    return true;
}

HX_UNUSED static unsigned vm_mappings(struct address_space *space)
{
    unsigned count = 0;

    address_space_for_each(space, vm_count_one, &count);
    return count;
}

HX_UNUSED static struct address_space_statistics vm_statistics(struct address_space *space)
{
    struct address_space_statistics statistics;

    address_space_statistics(space, &statistics);
    return statistics;
}

#endif
