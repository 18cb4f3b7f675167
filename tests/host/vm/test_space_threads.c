/* Threads in one space, and spaces that share an object, at the same time on several CPUs. */
#include <tests/host/random.h>
#include <tests/host/vm/vm_machine.h>

#define THREADS 4U
#define AREA    32U

static _Atomic uint32_t running;
static struct thread *tester;

static uint32_t rounds(void)
{
    return getenv("HELIX_SOAK") != NULL ? 100000 : 2000;
}

struct worker {
    void (*work)(uint32_t number);
    uint32_t number;
};

static void worker_main(void *argument)
{
    const struct worker *worker = argument;

    worker->work(worker->number);
    /* Release pairs with the load in on_threads. */
    if (atomic_fetch_sub_explicit(&running, 1, memory_order_release) == 1) {
        thread_unpark(tester);
    }
}

static void on_threads(void (*work)(uint32_t number))
{
    static struct worker workers[THREADS];

    tester = thread_current();
    atomic_store_explicit(&running, THREADS, memory_order_relaxed);
    for (uint32_t i = 0; i < THREADS; i++) {
        struct thread *thread;

        workers[i] = (struct worker){.work = work, .number = i};
        CHECK(thread_create(&(struct thread_options){.name = "worker",
                                                     .entry = worker_main,
                                                     .argument = &workers[i],
                                                     .priority = THREAD_PRIORITY_NORMAL},
                            &thread) == HX_OK);
        thread_start(thread);
    }
    while (atomic_load_explicit(&running, memory_order_acquire) != 0) {
        CHECK(thread_park(THREAD_NO_DEADLINE) == HX_OK);
    }
    while (thread_reap() || thread_count() > 4) { /* the CPUs' boot threads, reaper, tester */
        thread_yield();
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- one space -------------------------------------------------------------------------------- */

static struct address_space *common;

/*
 * Each thread maps, faults in and unmaps pages of its own between those of the others. Nobody reads
 * or writes the bytes: only the processor's TLBs make that safe, and there are none.
 */
static void use_own_pages(uint32_t number)
{
    uint64_t random = number + 77;

    for (uint32_t i = 0; i < rounds(); i++) {
        size_t page = next_random(&random) % AREA * THREADS + number;

        CHECK(vm_map_at(common, page, 1, RW) == HX_OK);
        CHECK(address_space_fault(common, at(page), MAPPING_WRITE) == HX_OK);
        CHECK(hal_space_lookup(address_space_hal(common), at(page), NULL, NULL));
        if (i % 16 == 0) {
            struct address_space *copy;

            CHECK(address_space_fork(common, vm_owner, &copy) == HX_OK);
            CHECK(address_space_fault(copy, at(page), MAPPING_WRITE) == HX_OK);
            address_space_put(copy);
        }
        CHECK(address_space_protect(common, at(page), PAGE, MAPPING_READ) == HX_OK);
        CHECK(address_space_unmap(common, at(page), PAGE) == HX_OK);
        CHECK(!hal_space_lookup(address_space_hal(common), at(page), NULL, NULL));
    }
}

static void one_space_body(void)
{
    struct vm_balance before;

    vm_start();
    before = vm_balance();
    common = vm_space();
    on_threads(use_own_pages);
    CHECK(vm_mappings(common) == 0);
    address_space_put(common);
    vm_check_balance(before);
}

static void threads_change_one_space_at_the_same_time(void **state)
{
    (void)state;
    vm_passes(one_space_body);
}

/* --- one object ------------------------------------------------------------------------------- */

static struct memory_object *file;

static bool is_fault_result(hx_err error)
{
    return error == HX_OK || error == HX_ENXIO;
}

/* Thread 0 resizes and drops; the others map, fault, fork and end spaces meanwhile. */
static void cut_file(uint64_t *random)
{
    uint64_t pages = next_random(random) % AREA;

    memory_object_resize(file, pages * PAGE);
    memory_object_drop(file, next_random(random) % AREA, 3);
}

static void use_file(uint64_t *random)
{
    struct address_space *space = vm_space();
    struct address_space *copy;

    CHECK(vm_map_object(space, 10, AREA, RW | MAPPING_SHARED, file, 0) == HX_OK);
    CHECK(vm_map_object(space, 100, AREA, RW, file, 0) == HX_OK);
    for (unsigned i = 0; i < 8; i++) {
        size_t page = next_random(random) % AREA;

        CHECK(is_fault_result(address_space_fault(space, at(10 + page), MAPPING_READ)));
        CHECK(is_fault_result(address_space_fault(space, at(100 + page), MAPPING_WRITE)));
    }
    CHECK(address_space_unmap(space, at(104), 2 * PAGE) == HX_OK);
    CHECK(address_space_fork(space, vm_owner, &copy) == HX_OK);
    address_space_put(space);
    CHECK(is_fault_result(address_space_fault(copy, at(100), MAPPING_WRITE)));
    address_space_put(copy);
}

static void use_or_cut_file(uint32_t number)
{
    uint64_t random = number + 99;

    for (uint32_t i = 0; i < rounds() / 4; i++) {
        if (number == 0) {
            cut_file(&random);
        } else {
            use_file(&random);
        }
    }
}

static void one_object_body(void)
{
    struct vm_balance before;

    vm_start();
    before = vm_balance();
    CHECK(memory_object_create(NULL, NULL, AREA * PAGE, vm_owner, &file) == HX_OK);
    on_threads(use_or_cut_file);
    memory_object_put(file);
    vm_check_balance(before);
}

static void an_object_is_cut_while_spaces_come_and_go(void **state)
{
    (void)state;
    vm_passes(one_object_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_one_space_at_the_same_time),
        cmocka_unit_test(an_object_is_cut_while_spaces_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
