/*
 * The resource broker, one caller at a time: every rule of its contract, bad input, failing
 * allocations, and random sequences against a plain list. Many callers: test_resource_load.c.
 */
#include <tests/host/core/resource_machine.h>

#define BODY(name) BODY_ON(1, name)

static unsigned warnings;
static struct resource_warning last_warning;

static void note_warning(const struct resource_warning *warning)
{
    warnings++;
    last_warning = *warning;
}

/* --- charging --------------------------------------------------------------------------------- */

/* SPEC: Q1 */
BODY(what_is_allocated_is_used_until_it_is_released)
{
    owner_tag owner = open_owner("one");
    owner_tag other = open_owner("other");

    for (unsigned i = 0; i < UNPROVIDED; i++) {
        enum resource_class class = (enum resource_class)i;
        resource_handle three = take(owner, class, 3);
        resource_handle four = take(owner, class, 4);
        resource_handle five = take(other, class, 5);

        CHECK(used(owner, class) == 7 && used(other, class) == 5);
        CHECK(resource_release(three, owner) == HX_OK);
        CHECK(used(owner, class) == 4 && used(other, class) == 5);
        CHECK(resource_release(four, owner) == HX_OK);
        CHECK(resource_release(five, other) == HX_OK);
        CHECK(used(owner, class) == 0 && used(other, class) == 0);
    }
}

/* SPEC: Q1 */
BODY(a_limit_that_is_set_keeps_the_usage)
{
    owner_tag owner = open_owner("one");
    resource_handle handle = take(owner, RESOURCE_MEMORY, 100);
    struct resource_usage usage;

    limit(owner, RESOURCE_MEMORY, 10, 20);
    CHECK(resource_get_usage(owner, RESOURCE_MEMORY, &usage) == HX_OK);
    CHECK(usage.used == 100 && usage.limits.soft == 10 && usage.limits.hard == 20);
    CHECK(try_take(owner, RESOURCE_MEMORY, 1) == HX_ELIMIT);
    CHECK(resource_release(handle, owner) == HX_OK);
    handle = take(owner, RESOURCE_MEMORY, 20);
    CHECK(try_take(owner, RESOURCE_MEMORY, 1) == HX_ELIMIT);
    limit(owner, RESOURCE_MEMORY, 21, 21);
    CHECK(resource_release(take(owner, RESOURCE_MEMORY, 1), owner) == HX_OK);
    CHECK(used(owner, RESOURCE_MEMORY) == 20);
}

/* Everything that can be known of the broker; two of them compare equal when nothing changed. */
struct snapshot {
    struct resource_totals held;
    uint64_t used[RESOURCE_CLASS_COUNT];
    uint64_t allocations;
    uint64_t heap;
};

static struct snapshot look(owner_tag owner)
{
    struct resource_statistics statistics;
    struct heap_statistics heap;
    struct snapshot snapshot;

    memset(&snapshot, 0, sizeof snapshot);
    resource_owner_held(owner, &snapshot.held);
    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        snapshot.used[i] = used(owner, (enum resource_class)i);
    }
    resource_statistics(&statistics);
    heap_statistics(&heap);
    snapshot.allocations = statistics.allocations;
    snapshot.heap = heap.bytes_in_use;
    return snapshot;
}

/* SPEC: Q2 */
BODY(a_refusal_at_the_hard_limit_changes_nothing)
{
    owner_tag owner = open_owner("one");
    struct resource_usage usage;

    resource_set_warning_hook(note_warning);
    limit(owner, RESOURCE_THREADS, 5, 10);
    take(owner, RESOURCE_THREADS, 4);

    struct snapshot before = look(owner);
    const uint64_t too_much[] = {7, 11, UINT32_MAX, RESOURCE_UNLIMITED - 4, RESOURCE_UNLIMITED};

    for (size_t i = 0; i < HX_ARRAY_SIZE(too_much); i++) {
        CHECK(try_take(owner, RESOURCE_THREADS, too_much[i]) == HX_ELIMIT);

        struct snapshot after = look(owner);

        CHECK(memcmp(&before, &after, sizeof before) == 0);
    }
    CHECK(warnings == 0);
    CHECK(resource_get_usage(owner, RESOURCE_THREADS, &usage) == HX_OK);
    CHECK(usage.refused == HX_ARRAY_SIZE(too_much));
    take(owner, RESOURCE_THREADS, 6); /* just what is left */
    CHECK(warnings == 1);
}

/* SPEC: Q2 */
BODY(a_sum_never_wraps)
{
    owner_tag owner = open_owner("one");
    resource_handle all = take(owner, RESOURCE_CPU_TIME, RESOURCE_UNLIMITED);
    const uint64_t amounts[] = {1, 2, RESOURCE_UNLIMITED - 1, RESOURCE_UNLIMITED};

    for (size_t i = 0; i < HX_ARRAY_SIZE(amounts); i++) {
        CHECK(try_take(owner, RESOURCE_CPU_TIME, amounts[i]) == HX_ELIMIT);
    }
    limit(owner, RESOURCE_CPU_TIME, 1, RESOURCE_UNLIMITED); /* past the soft limit now */
    for (size_t i = 0; i < HX_ARRAY_SIZE(amounts); i++) {
        CHECK(try_take(owner, RESOURCE_CPU_TIME, amounts[i]) == HX_ELIMIT);
    }
    CHECK(try_take(owner, RESOURCE_CPU_TIME, UINT64_MAX) == HX_EINVAL);
    CHECK(try_take(owner, RESOURCE_CPU_TIME, 1ULL << 63) == HX_EINVAL);
    CHECK(used(owner, RESOURCE_CPU_TIME) == RESOURCE_UNLIMITED);
    CHECK(resource_release(all, owner) == HX_OK);
    CHECK(used(owner, RESOURCE_CPU_TIME) == 0);
}

/* SPEC: Q1 */
BODY(what_makes_no_sense_is_refused)
{
    const struct resource_limits upside_down = {.soft = 2, .hard = 1};
    const struct resource_limits too_large = {.soft = 1, .hard = RESOURCE_UNLIMITED + 1};
    const struct resource_limits fine = {.soft = 1, .hard = 2};
    owner_tag owner = open_owner("one");
    struct resource_usage usage;
    uint64_t amount;
    owner_tag none;

    for (unsigned i = 0; i < 3; i++) {
        enum resource_class class =
            (enum resource_class)((unsigned[]){RESOURCE_CLASS_COUNT, 1U << 31, UINT32_MAX}[i]);

        CHECK(try_take(owner, class, 1) == HX_EINVAL);
        CHECK(resource_set_limit(owner, class, fine) == HX_EINVAL);
        CHECK(resource_get_usage(owner, class, &usage) == HX_EINVAL);
        CHECK(resource_measure(owner, class, &amount) == HX_EINVAL);
        CHECK(resource_register_provider(class, &plain_provider) == HX_EINVAL);
        CHECK(resource_unregister_provider(class, &plain_provider) == HX_EINVAL);
        CHECK(resource_provider_name(class) == NULL);
        CHECK(strcmp(resource_class_name(class), "unknown") == 0);
    }
    CHECK(try_take(owner, RESOURCE_MEMORY, 0) == HX_EINVAL);
    CHECK(try_take(owner, RESOURCE_MEMORY, RESOURCE_UNLIMITED + 1) == HX_EINVAL);
    CHECK(resource_set_limit(owner, RESOURCE_MEMORY, upside_down) == HX_EINVAL);
    CHECK(resource_set_limit(owner, RESOURCE_MEMORY, too_large) == HX_EINVAL);
    CHECK(try_take(OWNER_NONE, RESOURCE_MEMORY, 1) == HX_ESTALE);
    CHECK(try_take(owner_make(owner_index(owner), 1), RESOURCE_MEMORY, 1) == HX_ESTALE);
    CHECK(try_take(UINT32_MAX, RESOURCE_MEMORY, 1) == HX_ESTALE);
    CHECK(resource_set_limit(UINT32_MAX, RESOURCE_MEMORY, fine) == HX_ESTALE);
    CHECK(resource_get_usage(OWNER_NONE, RESOURCE_MEMORY, &usage) == HX_ESTALE && usage.used == 0);
    CHECK(resource_owner_open(NULL, &none) == HX_EINVAL && none == OWNER_NONE);
    CHECK(resource_owner_open("", &none) == HX_EINVAL && none == OWNER_NONE);
    CHECK(used(owner, RESOURCE_MEMORY) == 0);
}

/* --- warnings --------------------------------------------------------------------------------- */

/* SPEC: Q2 */
BODY(each_crossing_of_the_soft_limit_warns_once)
{
    owner_tag owner = open_owner("one");
    resource_handle handles[8];

    resource_set_warning_hook(note_warning);
    limit(owner, RESOURCE_FILE_HANDLES, 3, 8);
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned i = 0; i < 8; i++) {
            handles[i] = take(owner, RESOURCE_FILE_HANDLES, 1);
            CHECK(warnings == (i < 3 ? round - 1 : round));
        }
        CHECK(last_warning.owner == owner && last_warning.class == RESOURCE_FILE_HANDLES);
        CHECK(last_warning.used == 4 && last_warning.limits.soft == 3);
        CHECK(last_warning.limits.hard == 8);
        for (unsigned i = 0; i < 8; i++) {
            CHECK(resource_release(handles[i], owner) == HX_OK);
            CHECK(warnings == round);
        }
    }
}

/* SPEC: Q2 */
BODY(to_stay_past_the_soft_limit_is_no_new_crossing)
{
    owner_tag owner = open_owner("one");

    resource_set_warning_hook(note_warning);
    limit(owner, RESOURCE_MEMORY, 10, 1000);
    take(owner, RESOURCE_MEMORY, 10);
    CHECK(warnings == 0); /* at the limit is not past it */

    resource_handle more = take(owner, RESOURCE_MEMORY, 90);

    CHECK(warnings == 1 && last_warning.used == 100);
    CHECK(resource_release(take(owner, RESOURCE_MEMORY, 5), owner) == HX_OK);
    limit(owner, RESOURCE_MEMORY, 50, 1000); /* past both */
    CHECK(warnings == 1);
    limit(owner, RESOURCE_MEMORY, 200, 1000); /* below */
    limit(owner, RESOURCE_MEMORY, 99, 1000);  /* past by the limit's fall */
    CHECK(warnings == 2 && last_warning.used == 100);
    CHECK(resource_release(more, owner) == HX_OK);
    CHECK(warnings == 2 && used(owner, RESOURCE_MEMORY) == 10);
}

/* --- handles ---------------------------------------------------------------------------------- */

/* SPEC: Q2 */
BODY(a_double_or_foreign_release_is_refused)
{
    owner_tag owner = open_owner("one");
    owner_tag other = open_owner("other");
    resource_handle handle = take(owner, RESOURCE_MEMORY, 7);

    CHECK(resource_release(handle, other) == HX_EPERM);
    CHECK(resource_release(handle, OWNER_CORE) == HX_EPERM);
    CHECK(resource_release(handle, OWNER_NONE) == HX_EPERM);
    CHECK(used(owner, RESOURCE_MEMORY) == 7);
    CHECK(resource_release(handle, owner) == HX_OK);
    CHECK(resource_release(handle, owner) == HX_ESTALE);

    resource_handle next = take(owner, RESOURCE_MEMORY, 9); /* in the same place */

    CHECK(next != handle && (next & 0x1ffff) == (handle & 0x1ffff));
    CHECK(resource_release(handle, owner) == HX_ESTALE);
    CHECK(used(owner, RESOURCE_MEMORY) == 9);
    CHECK(resource_release(next, owner) == HX_OK);
}

/* SPEC: Q2 */
BODY(no_handle_but_the_one_given_releases_anything)
{
    owner_tag owner = open_owner("one");
    resource_handle handle = take(owner, RESOURCE_MEMORY, 7);
    hx_err error;

    for (unsigned bit = 0; bit < 64; bit++) {
        error = resource_release(handle ^ 1ULL << bit, owner);
        CHECK(error == HX_EINVAL || error == HX_ESTALE);
    }
    for (uint64_t value = 0; value < 300000; value++) {
        CHECK(value == handle || resource_release(value, owner) == HX_EINVAL);
    }
    CHECK(resource_release(UINT64_MAX, owner) == HX_EINVAL);
    CHECK(used(owner, RESOURCE_MEMORY) == 7);
    CHECK(resource_release(handle, owner) == HX_OK);
}

static resource_handle all_handles[RESOURCE_HANDLES_MAX];

/* SPEC: Q2 Q3 */
BODY(the_table_of_handles_fills_up_and_empties)
{
    owner_tag owner = open_owner("one");
    struct resource_totals totals;
    uint32_t count = 0;

    /* Number 0 is none. */
    for (; count < RESOURCE_HANDLES_MAX - 1; count++) {
        all_handles[count] = take(owner, RESOURCE_THREADS, 1);
    }
    CHECK(try_take(owner, RESOURCE_THREADS, 1) == HX_ENOSPC);
    CHECK(used(owner, RESOURCE_THREADS) == count);
    resource_owner_held(owner, &totals);
    CHECK(totals.handles[RESOURCE_THREADS] == count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(resource_release(all_handles[i], owner) == HX_OK);
    }
    CHECK(used(owner, RESOURCE_THREADS) == 0);
    take(owner, RESOURCE_THREADS, 1);
}

/* --- providers -------------------------------------------------------------------------------- */

static unsigned reclaims;
static resource_handle spare;
static owner_tag spare_owner;

static bool give_spare(owner_tag owner, uint64_t amount)
{
    reclaims++;
    CHECK(owner == spare_owner && amount == 4);
    return spare != RESOURCE_HANDLE_NONE && resource_release(spare, owner) == HX_OK;
}

static uint64_t say_owner(owner_tag owner)
{
    return (uint64_t)owner * 2;
}

static const struct resource_provider asked_provider = {
    .name = "asked", .reclaim = give_spare, .usage = say_owner};

/* SPEC: Q1 */
BODY(the_provider_is_asked_before_a_refusal)
{
    owner_tag owner = open_owner("one");
    struct resource_statistics statistics;

    CHECK(resource_register_provider(UNPROVIDED, &asked_provider) == HX_OK);
    limit(owner, UNPROVIDED, 10, 10);
    spare_owner = owner;
    spare = take(owner, UNPROVIDED, 3);
    take(owner, UNPROVIDED, 6);
    CHECK(reclaims == 0);
    take(owner, UNPROVIDED, 4); /* the cache's 3 make room */
    CHECK(reclaims == 1 && used(owner, UNPROVIDED) == 10);
    spare = RESOURCE_HANDLE_NONE;
    CHECK(try_take(owner, UNPROVIDED, 4) == HX_ELIMIT);
    CHECK(reclaims == 2 && used(owner, UNPROVIDED) == 10);
    resource_statistics(&statistics);
    CHECK(statistics.reclaims == 2 && statistics.refusals == 1);
}

/* SPEC: Q1 */
BODY(a_provider_that_gives_too_little_is_asked_once)
{
    owner_tag owner = open_owner("one");

    CHECK(resource_register_provider(UNPROVIDED, &asked_provider) == HX_OK);
    limit(owner, UNPROVIDED, 10, 10);
    spare_owner = owner;
    spare = take(owner, UNPROVIDED, 1);
    take(owner, UNPROVIDED, 9);
    CHECK(try_take(owner, UNPROVIDED, 4) == HX_ELIMIT);
    CHECK(reclaims == 1 && used(owner, UNPROVIDED) == 9);
}

/* SPEC: Q1 */
BODY(a_class_has_one_provider_or_none)
{
    owner_tag owner = open_owner("one");
    const struct resource_provider nameless = {.name = ""};
    resource_handle handle;
    uint64_t amount;

    CHECK(try_take(owner, UNPROVIDED, 1) == HX_ENOSYS);
    CHECK(resource_measure(owner, UNPROVIDED, &amount) == HX_ENOSYS && amount == 0);
    CHECK(resource_provider_name(UNPROVIDED) == NULL);
    CHECK(resource_register_provider(UNPROVIDED, NULL) == HX_EINVAL);
    CHECK(resource_register_provider(UNPROVIDED, &nameless) == HX_EINVAL);
    CHECK(resource_register_provider(UNPROVIDED, &asked_provider) == HX_OK);
    CHECK(resource_register_provider(UNPROVIDED, &plain_provider) == HX_EEXIST);
    CHECK(strcmp(resource_provider_name(UNPROVIDED), "asked") == 0);
    CHECK(resource_measure(owner, UNPROVIDED, &amount) == HX_OK && amount == 2ULL * owner);
    CHECK(resource_measure(owner, RESOURCE_MEMORY, &amount) == HX_ENOSYS);
    handle = take(owner, UNPROVIDED, 1);
    CHECK(resource_unregister_provider(UNPROVIDED, &plain_provider) == HX_ENOENT);
    CHECK(resource_unregister_provider(UNPROVIDED, NULL) == HX_ENOENT);
    CHECK(resource_unregister_provider(UNPROVIDED, &asked_provider) == HX_OK);
    CHECK(resource_unregister_provider(UNPROVIDED, &asked_provider) == HX_ENOENT);
    CHECK(try_take(owner, UNPROVIDED, 1) == HX_ENOSYS);
    CHECK(try_take(open_owner("later"), UNPROVIDED, 1) == HX_ENOSYS);
    CHECK(resource_release(handle, owner) == HX_OK); /* what is held can go */
}

/* --- owners ----------------------------------------------------------------------------------- */

/* SPEC: Q3 */
BODY(a_closed_owners_handles_all_come_back)
{
    owner_tag owner = open_owner("one");
    owner_tag other = open_owner("other");
    resource_handle handles[600];
    struct resource_totals totals;
    struct ledger ledger;

    for (unsigned i = 0; i < 600; i++) {
        handles[i] = take(owner, (enum resource_class)(i % UNPROVIDED), i + 1);
    }

    resource_handle kept = take(other, RESOURCE_MEMORY, 5);

    CHECK(resource_owner_close(owner, &totals) == HX_OK);
    for (unsigned i = 0; i < UNPROVIDED; i++) {
        CHECK(totals.handles[i] == 600 / UNPROVIDED);
    }
    CHECK(totals.amount[0] == 120 * 1 + 5 * (119 * 120 / 2));
    for (unsigned i = 0; i < 600; i++) {
        CHECK(resource_release(handles[i], owner) == HX_ESTALE);
    }
    CHECK(try_take(owner, RESOURCE_MEMORY, 1) == HX_ESTALE);
    CHECK(resource_owner_close(owner, &totals) == HX_ESTALE);
    ledger_take(owner, &ledger);
    CHECK(ledger_is_zero(&ledger));
    CHECK(used(other, RESOURCE_MEMORY) == 5 && resource_release(kept, other) == HX_OK);
}

/* SPEC: Q3 Q5 */
BODY(a_tag_is_never_given_out_twice)
{
    static owner_tag seen[1000];
    struct resource_usage usage;
    owner_tag owner;

    for (unsigned i = 0; i < 1000; i++) {
        seen[i] = owner = open_owner("short-lived");
        CHECK(owner_index(owner) == owner_index(seen[0]));
        CHECK(owner_generation(owner) == owner_generation(seen[0]) + i);
        /* And nothing of the one before. */
        CHECK(resource_get_usage(owner, RESOURCE_MEMORY, &usage) == HX_OK);
        CHECK(usage.used == 0 && usage.refused == 0 && usage.limits.hard == RESOURCE_UNLIMITED);
        limit(owner, RESOURCE_MEMORY, 1, 2);
        CHECK(try_take(owner, RESOURCE_MEMORY, 3) == HX_ELIMIT);
        take(owner, RESOURCE_MEMORY, 2);
        CHECK(resource_owner_close(owner, NULL) == HX_OK);
    }
    owner = open_owner("last");
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(try_take(seen[i], RESOURCE_MEMORY, 1) == HX_ESTALE);
        CHECK(resource_owner_close(seen[i], NULL) == HX_ESTALE);
    }
}

BODY(owners_fill_all_indices_and_are_walked_in_order)
{
    char name[RESOURCE_OWNER_NAME_MAX];
    owner_tag owner = OWNER_CORE;
    owner_tag none;

    for (unsigned i = 2; i <= OWNER_INDEX_MAX; i++) {
        (void)open_owner("a name that is longer than the room there is for one");
    }
    CHECK(resource_owner_open("one too many", &none) == HX_ENOSPC && none == OWNER_NONE);
    CHECK(resource_owner_next(OWNER_NONE) == OWNER_CORE);
    for (unsigned i = 2; i <= OWNER_INDEX_MAX; i++) {
        owner = resource_owner_next(owner);
        CHECK(owner == owner_make(i, 0));
    }
    CHECK(resource_owner_next(owner) == OWNER_NONE);
    CHECK(resource_owner_name(owner, name));
    CHECK(strcmp(name, "a name that is longer than the ") == 0);
    CHECK(!resource_owner_name(owner_make(5, 1), name) && name[0] == '\0');
    CHECK(resource_owner_close(owner_make(7, 0), NULL) == HX_OK);
    CHECK(open_owner("again") == owner_make(7, 1));
}

BODY(the_kernel_is_an_owner_that_stays)
{
    char name[RESOURCE_OWNER_NAME_MAX];

    CHECK(resource_owner_name(OWNER_CORE, name) && strcmp(name, "kernel") == 0);
    take(OWNER_CORE, RESOURCE_MEMORY, 4096);
    CHECK(resource_owner_close(OWNER_CORE, NULL) == HX_EPERM);
    CHECK(resource_owner_close(OWNER_NONE, NULL) == HX_ESTALE);
    CHECK(used(OWNER_CORE, RESOURCE_MEMORY) == 4096);
}

/* --- no memory -------------------------------------------------------------------------------- */

BODY(without_memory_an_allocation_fails_and_changes_nothing)
{
    owner_tag owner = open_owner("one");
    unsigned failures = 0;
    owner_tag next;

    for (unsigned i = 0; i < 2000; i++) {
        resource_handle handle;

        heap_fail_nth(1);
        if (resource_allocate(owner, RESOURCE_MEMORY, 1, &handle) != HX_OK) {
            failures++;
            CHECK(handle == RESOURCE_HANDLE_NONE && used(owner, RESOURCE_MEMORY) == i);
            heap_fail_nth(0);
            take(owner, RESOURCE_MEMORY, 1);
        }
    }
    CHECK(failures >= 3); /* chunks of 512 */
    heap_fail_nth(0);
    while (owner_index(open_owner("filler")) % 16 != 1) {
    }
    heap_fail_nth(1);
    CHECK(resource_owner_open("one", &next) == HX_ENOMEM && next == OWNER_NONE);
    heap_fail_nth(0);
    CHECK(resource_owner_open("one", &next) == HX_OK);
}

/* --- random sequences ------------------------------------------------------------------------- */

#define MODEL_OWNERS  4U
#define MODEL_HANDLES 200U

struct model_handle {
    resource_handle handle; /* RESOURCE_HANDLE_NONE: not in use */
    unsigned owner;
    enum resource_class class;
    uint64_t amount;
};

struct model_account {
    uint64_t used;
    struct resource_limits limits;
    bool is_past;
};

static struct {
    owner_tag tags[MODEL_OWNERS];
    struct model_account accounts[MODEL_OWNERS][RESOURCE_CLASS_COUNT];
    struct model_handle handles[MODEL_HANDLES];
    resource_handle stale; /* some handle that was released */
    unsigned warnings;
} model;

static void model_open(unsigned owner)
{
    model.tags[owner] = open_owner("model");
    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        model.accounts[owner][i] = (struct model_account){
            .limits = {.soft = RESOURCE_UNLIMITED, .hard = RESOURCE_UNLIMITED}};
    }
}

static void model_judge(struct model_account *account)
{
    bool is_past = account->used > account->limits.soft;

    model.warnings += is_past && !account->is_past;
    account->is_past = is_past;
}

static void model_allocate(struct model_handle *slot)
{
    unsigned owner = (unsigned)random_below(MODEL_OWNERS);
    enum resource_class class = (enum resource_class)random_below(UNPROVIDED);
    struct model_account *account = &model.accounts[owner][class];
    uint64_t amount = random_below(20) == 0 ? random_any_size() : random_below(30);
    bool is_valid = amount > 0 && amount <= RESOURCE_UNLIMITED;
    bool fits =
        account->used <= account->limits.hard && amount <= account->limits.hard - account->used;
    resource_handle handle;
    hx_err error = resource_allocate(model.tags[owner], class, amount, &handle);

    CHECK(error == (!is_valid ? HX_EINVAL : fits ? HX_OK : HX_ELIMIT));
    if (error == HX_OK) {
        *slot = (struct model_handle){handle, owner, class, amount};
        account->used += amount;
        model_judge(account);
    }
}

static void model_release(struct model_handle *slot)
{
    struct model_account *account = &model.accounts[slot->owner][slot->class];

    CHECK(resource_release(slot->handle, model.tags[(slot->owner + 1) % MODEL_OWNERS]) == HX_EPERM);
    CHECK(resource_release(slot->handle, model.tags[slot->owner]) == HX_OK);
    CHECK(resource_release(slot->handle, model.tags[slot->owner]) == HX_ESTALE);
    model.stale = slot->handle;
    slot->handle = RESOURCE_HANDLE_NONE;
    account->used -= slot->amount;
    model_judge(account);
}

static void model_limit(void)
{
    unsigned owner = (unsigned)random_below(MODEL_OWNERS);
    enum resource_class class = (enum resource_class)random_below(RESOURCE_CLASS_COUNT);
    struct model_account *account = &model.accounts[owner][class];
    uint64_t hard = random_below(3) == 0 ? RESOURCE_UNLIMITED : random_below(800);
    struct resource_limits limits = {.soft = random_below(hard + 1), .hard = hard};

    CHECK(resource_set_limit(model.tags[owner], class, limits) == HX_OK);
    account->limits = limits;
    model_judge(account);
}

static void model_restart(unsigned owner)
{
    struct resource_totals totals;

    CHECK(resource_owner_close(model.tags[owner], &totals) == HX_OK);
    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        CHECK(totals.amount[i] == model.accounts[owner][i].used);
    }
    for (unsigned i = 0; i < MODEL_HANDLES; i++) {
        struct model_handle *slot = &model.handles[i];

        if (slot->handle != RESOURCE_HANDLE_NONE && slot->owner == owner) {
            CHECK(resource_release(slot->handle, model.tags[owner]) == HX_ESTALE);
            slot->handle = RESOURCE_HANDLE_NONE;
        }
    }
    model_open(owner);
}

static void model_compare(void)
{
    for (unsigned owner = 0; owner < MODEL_OWNERS; owner++) {
        struct resource_totals held;

        resource_owner_held(model.tags[owner], &held);
        for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
            CHECK(used(model.tags[owner], (enum resource_class)i) == model.accounts[owner][i].used);
            CHECK(held.amount[i] == model.accounts[owner][i].used);
        }
    }
    CHECK(warnings == model.warnings);
    CHECK(model.stale == RESOURCE_HANDLE_NONE ||
          resource_release(model.stale, model.tags[0]) == HX_ESTALE);
}

static void model_step(void)
{
    struct model_handle *slot = &model.handles[random_below(MODEL_HANDLES)];

    switch (random_below(50)) {
    case 0:
        model_restart((unsigned)random_below(MODEL_OWNERS));
        break;
    case 1:
    case 2:
        model_limit();
        break;
    case 3:
        model_compare();
        break;
    default:
        if (slot->handle == RESOURCE_HANDLE_NONE) {
            model_allocate(slot);
        } else {
            model_release(slot);
        }
    }
}

/* SPEC: Q1 Q2 Q3 */
BODY(random_calls_end_as_in_a_plain_list)
{
    unsigned steps = getenv("HELIX_SOAK") != NULL ? 5000000 : 100000;

    fprintf(stderr, "seed %llu\n", (unsigned long long)random_start());
    resource_set_warning_hook(note_warning);
    for (unsigned owner = 0; owner < MODEL_OWNERS; owner++) {
        model_open(owner);
    }
    for (unsigned i = 0; i < steps; i++) {
        model_step();
    }
    model_compare();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allocated_is_used_until_it_is_released),
        cmocka_unit_test(a_limit_that_is_set_keeps_the_usage),
        cmocka_unit_test(a_refusal_at_the_hard_limit_changes_nothing),
        cmocka_unit_test(a_sum_never_wraps),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(each_crossing_of_the_soft_limit_warns_once),
        cmocka_unit_test(to_stay_past_the_soft_limit_is_no_new_crossing),
        cmocka_unit_test(a_double_or_foreign_release_is_refused),
        cmocka_unit_test(no_handle_but_the_one_given_releases_anything),
        cmocka_unit_test(the_table_of_handles_fills_up_and_empties),
        cmocka_unit_test(the_provider_is_asked_before_a_refusal),
        cmocka_unit_test(a_provider_that_gives_too_little_is_asked_once),
        cmocka_unit_test(a_class_has_one_provider_or_none),
        cmocka_unit_test(a_closed_owners_handles_all_come_back),
        cmocka_unit_test(a_tag_is_never_given_out_twice),
        cmocka_unit_test(owners_fill_all_indices_and_are_walked_in_order),
        cmocka_unit_test(the_kernel_is_an_owner_that_stays),
        cmocka_unit_test(without_memory_an_allocation_fails_and_changes_nothing),
        cmocka_unit_test(random_calls_end_as_in_a_plain_list),
    };

    return cmocka_run_group_tests_name("resource", tests, NULL, NULL);
}
