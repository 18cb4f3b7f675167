/*
 * Capabilities on a hosted machine: against a plain model, against time, and with too little
 * memory.
 */
#include <tests/host/core/capability_machine.h>

#include <core/capability/broker.h>

/* --- what is refused ------------------------------------------------------------------------- */

static void try_bad_arguments(void)
{
    subject_id id = subject("somebody");
    capability_handle handle;
    struct capability_record record;
    /* Not known to the compiler, which would warn of the index. */
    static volatile capability_handle wild = UINT64_MAX;
    uint32_t position = UINT32_MAX;

    CHECK(capability_subject_create(NULL, &id) == HX_EINVAL);
    CHECK(capability_subject_create("", &id) == HX_EINVAL);
    CHECK(capability_subject_create("a name of twenty-four by", &id) == HX_EINVAL);
    CHECK(capability_subject_create("caf\xc3\xa9", &id) == HX_EINVAL);
    CHECK(capability_subject_create("no place for it", NULL) == HX_EINVAL);
    CHECK(capability_subject_destroy(SUBJECT_KERNEL) == HX_EINVAL);
    CHECK(capability_subject_destroy(SUBJECT_NONE) == HX_ESTALE);
    CHECK(capability_subject_destroy(UINT64_MAX) == HX_ESTALE);
    CHECK(capability_grant(id, slot(1), 0, &handle) == HX_EINVAL);
    CHECK(capability_grant(id, slot(1), PERMISSION_HELD, &handle) == HX_EINVAL);
    CHECK(capability_grant(id, 0, READ, &handle) == HX_EINVAL);
    CHECK(capability_grant(id, resource_make(RESOURCE_TYPE_SLOT, UINT64_MAX), READ, NULL) ==
          HX_EINVAL);
    CHECK(capability_grant(id, resource_make(RESOURCE_TYPE_COUNT, 1), READ, NULL) == HX_EINVAL);
    CHECK(capability_grant(SUBJECT_KERNEL, slot(1), READ, NULL) == HX_EINVAL);
    CHECK(capability_grant(SUBJECT_NONE, slot(1), READ, NULL) == HX_ESTALE);
    CHECK(capability_grant(id + (2ULL << 32), slot(1), READ, NULL) == HX_ESTALE);
    CHECK(capability_delegate(id, id, slot(1), READ, NULL) == HX_EPERM);
    CHECK(capability_revoke(id, slot(1)) == HX_ENOENT);
    CHECK(capability_revoke(SUBJECT_KERNEL, slot(1)) == HX_ENOENT);
    CHECK(capability_revoke_handle(CAPABILITY_NONE) == HX_ESTALE);
    CHECK(capability_revoke_handle(UINT64_MAX) == HX_ESTALE);
    CHECK(capability_describe(UINT64_MAX, &record) == HX_ESTALE);
    CHECK(capability_next(&position, 0, &record) == HX_ENOENT);
    CHECK(!capability_check(id, slot(1), 0));
    CHECK(!capability_check_handle(id, wild, slot(1), 0));
    CHECK(!capability_check_handle(SUBJECT_NONE, CAPABILITY_NONE, 0, 0));
    CHECK(numbers().grants == 0);
}

/* SPEC: A1 A2 */
static void bad_arguments_are_refused(void **state)
{
    (void)state;
    passes_on_one(try_bad_arguments);
}

static void try_before_the_start(void)
{
    subject_id id;
    uint32_t position = 0;
    struct capability_record record;

    CHECK(capability_subject_create("early", &id) == HX_ESTATE);
    CHECK(capability_grant(1, slot(1), READ, NULL) == HX_ESTATE);
    CHECK(capability_revoke(1, slot(1)) == HX_ESTATE);
    CHECK(capability_next(&position, 0, &record) == HX_ESTATE);
    CHECK(!capability_check(1, slot(1), READ));
    CHECK(capability_check(SUBJECT_KERNEL, slot(1), READ));
    CHECK(!capability_check_handle(1, 1ULL << 32, slot(1), READ));
    capability_settle();
}

static void start_late(void)
{
    machine_run(1, try_before_the_start);
}

static void before_the_start_only_the_kernel_passes(void **state)
{
    (void)state;
    passes_in_child(start_late);
}

static subject_id busy;
static capability_handle busy_handle;

static void expect_refusals(void)
{
    struct capability_record record;
    uint32_t position = 0;
    char name[SUBJECT_NAME_MAX];
    subject_id other = SUBJECT_NONE;

    CHECK(capability_subject_create("other", &other) == HX_ECONTEXT && other == SUBJECT_NONE);
    CHECK(capability_grant(busy, slot(2), READ, NULL) == HX_ECONTEXT);
    CHECK(capability_delegate(busy, busy, slot(1), READ, NULL) == HX_ECONTEXT);
    CHECK(capability_revoke(busy, slot(1)) == HX_ECONTEXT);
    CHECK(capability_revoke_handle(busy_handle) == HX_ECONTEXT);
    CHECK(capability_subject_destroy(busy) == HX_ECONTEXT);
    CHECK(capability_describe(busy_handle, &record) == HX_ECONTEXT);
    CHECK(capability_next(&position, 0, &record) == HX_ECONTEXT && position == 0);
    capability_subject_name(busy, name);
    CHECK(strcmp(name, "?") == 0);
    capability_settle();
    CHECK(capability_check(busy, slot(1), READ) && !capability_check(busy, slot(2), READ));
    CHECK(capability_check_handle(busy, busy_handle, slot(1), READ));
}

static enum interrupt_action refuse_in_interrupt(void *argument, struct hal_frame *frame)
{
    (void)frame;
    expect_refusals();
    *(bool *)argument = true;
    return INTERRUPT_HANDLED;
}

static void try_where_nothing_may_block(void)
{
    uint8_t vector = interrupt_free_vector();
    bool came = false;

    busy = subject("busy");
    CHECK(capability_grant(busy, slot(1), READ | DELEGATE, &busy_handle) == HX_OK);
    preempt_disable();
    expect_refusals();
    preempt_enable();
    hal_interrupts_disable();
    expect_refusals();
    hal_interrupts_enable();
    CHECK(interrupt_register(vector, "test", refuse_in_interrupt, &came, false) == HX_OK);
    hal_interrupt_send(hal_cpu_id(), vector);
    while (!*(volatile bool *)&came) {
        thread_yield();
    }
    CHECK(numbers().grants == 1 && numbers().subjects == 2);
    CHECK(capability_subject_destroy(busy) == HX_OK);
}

/* SPEC: A2 A4 */
static void changes_where_nothing_may_block_are_refused_and_checks_answer(void **state)
{
    (void)state;
    passes_on_one(try_where_nothing_may_block);
}

/* Whoever holds the broker's mutex would wait for himself for ever. */
static void try_while_locked(void)
{
    subject_id id = subject("impatient");
    capability_handle handle;

    CHECK(capability_grant(id, slot(1), READ, &handle) == HX_OK);
    CHECK(broker_lock() == HX_OK);
    frames_fail_nth(1);
    heap_fail_nth(1);
    CHECK(capability_check(id, slot(1), READ) && !capability_check(id, slot(1), WRITE));
    CHECK(!capability_check(id, slot(2), READ));
    CHECK(capability_check_handle(id, handle, slot(1), READ));
    CHECK(!capability_check_handle(id, handle, slot(1), WRITE));
    broker_close_locked();
    CHECK(capability_check(id, slot(1), READ) && !capability_check(id, slot(1), WRITE));
    CHECK(capability_check_handle(id, handle, slot(1), READ));
    broker_reopen_locked();
    CHECK(heap_allocate(1, OWNER_CORE) == NULL); /* nobody has taken this failure before */
    broker_unlock();
}

/* SPEC: A4 */
static void a_check_takes_neither_the_lock_nor_memory(void **state)
{
    (void)state;
    passes_on_one(try_while_locked);
}

static void try_each_right(void)
{
    subject_id id = subject("exact");
    resource_id machine = resource_make(RESOURCE_TYPE_MACHINE, 1);

    for (uint32_t bit = 1; bit < 64; bit++) {
        CHECK(capability_grant(id, slot(bit), 1ULL << bit, NULL) == HX_OK);
        for (uint32_t other = 1; other < 64; other++) {
            CHECK(capability_check(id, slot(bit), 1ULL << other) == (bit == other));
        }
    }
    CHECK(resource_type_of(slot(7)) == RESOURCE_TYPE_SLOT && resource_number_of(slot(7)) == 7);
    CHECK(resource_type_of(machine) == RESOURCE_TYPE_MACHINE && resource_number_of(machine) == 1);
    CHECK(resource_make(RESOURCE_TYPE_SLOT, RESOURCE_NUMBER_MAX + 1) == 0);
    CHECK(!capability_check(id, machine, 0));
    CHECK(capability_grant(id, slot(RESOURCE_NUMBER_MAX), READ, NULL) == HX_OK);
    CHECK(capability_check(id, slot(RESOURCE_NUMBER_MAX), READ));
    CHECK(!capability_check(subject("other"), slot(1), 0));
}

/* SPEC: A1 */
static void each_of_64_rights_counts_on_its_own_resource_alone(void **state)
{
    (void)state;
    passes_on_one(try_each_right);
}

static void start_and_stop(void)
{
    subject_id id = subject("lasting");
    capability_handle root;
    capability_handle handle;

    CHECK(capability_init() == HX_ESTATE);
    CHECK(capability_grant(id, slot(1), READ | DELEGATE, &root) == HX_OK);
    CHECK(capability_delegate(id, id, slot(1), READ, &handle) == HX_OK);
    capability_fini();
    CHECK(capability_check(id, slot(1), READ));
    CHECK(capability_revoke_handle(root) == HX_OK);
    CHECK(!capability_check(id, slot(1), READ));
    CHECK(!capability_check_handle(id, handle, slot(1), READ));
    capability_settle();
    CHECK(numbers().reclaiming == 1);
    CHECK(capability_init() == HX_OK);
    capability_settle();
    CHECK(numbers().reclaiming == 0 && numbers().grants == 0);
    CHECK(!capability_check(id, slot(1), READ));
}

/* SPEC: A3 */
static void revocation_takes_effect_while_the_reclaimer_is_stopped(void **state)
{
    (void)state;
    passes_on_one(start_and_stop);
}

/* --- handles --------------------------------------------------------------------------------- */

static void try_handles(void)
{
    subject_id owner = subject("owner");
    subject_id thief = subject("thief");
    capability_handle old;
    capability_handle new;

    CHECK(capability_grant(owner, slot(1), READ, &old) == HX_OK);
    CHECK(capability_check_handle(owner, old, slot(1), READ));
    CHECK(capability_check_handle(owner, old, slot(1), 0));
    CHECK(!capability_check_handle(owner, old, slot(1), READ | WRITE));
    CHECK(!capability_check_handle(owner, old, slot(2), READ));
    CHECK(!capability_check_handle(thief, old, slot(1), READ));
    CHECK(!capability_check_handle(owner, old + (1ULL << 32), slot(1), READ));
    CHECK(capability_revoke_handle(old) == HX_OK);
    CHECK(capability_revoke_handle(old) == HX_ESTALE);
    for (;;) { /* until the record is used again */
        capability_settle();
        CHECK(capability_grant(owner, slot(1), READ | WRITE, &new) == HX_OK);
        if ((uint32_t) new == (uint32_t)old) {
            break;
        }
        CHECK(capability_revoke_handle(new) == HX_OK);
    }
    CHECK(!capability_check_handle(owner, old, slot(1), READ));
    CHECK(capability_revoke_handle(old) == HX_ESTALE);
    CHECK(capability_check_handle(owner, new, slot(1), READ | WRITE));
}

/* SPEC: A4 A6 */
static void a_stale_handle_or_a_wrong_owner_never_passes(void **state)
{
    (void)state;
    passes_on_one(try_handles);
}

static void try_reused_subject(void)
{
    subject_id first = subject("first");
    subject_id second;
    subject_id heir = subject("heir");
    capability_handle handle;

    CHECK(capability_grant(first, slot(1), READ | DELEGATE, &handle) == HX_OK);
    CHECK(capability_delegate(first, heir, slot(1), READ, NULL) == HX_OK);
    CHECK(capability_subject_destroy(first) == HX_OK);
    CHECK(capability_subject_destroy(first) == HX_ESTALE);
    CHECK(!capability_check(first, slot(1), READ));
    CHECK(!capability_check_handle(first, handle, slot(1), READ));
    CHECK(!capability_check(heir, slot(1), READ));
    CHECK(capability_delegate(first, heir, slot(1), READ, NULL) == HX_EPERM);
    capability_settle();
    CHECK(numbers().grants == 0 && numbers().reclaiming == 0);
    do {
        second = subject("second");
    } while ((uint32_t)second != (uint32_t)first);
    CHECK(!capability_check(second, slot(1), 0));
    CHECK(capability_grant(second, slot(1), WRITE, NULL) == HX_OK);
    CHECK(!capability_check(first, slot(1), 0));
    CHECK(!capability_subject_is_live(first) && capability_subject_is_live(second));
}

/* SPEC: A6 */
static void a_reused_subject_inherits_nothing(void **state)
{
    (void)state;
    passes_on_one(try_reused_subject);
}

static void try_too_many_subjects(void)
{
    subject_id id;
    hx_err error;
    uint32_t count = 1;

    while ((error = capability_subject_create("many", &id)) == HX_OK) {
        count++;
    }
    CHECK(error == HX_ENOSPC && count == CAPABILITY_SUBJECT_MAX);
    CHECK(capability_subject_destroy(id) == HX_OK);
    capability_settle();
    CHECK(capability_subject_create("again", &id) == HX_OK);
}

static void subjects_beyond_the_last_are_refused(void **state)
{
    (void)state;
    passes_on_one(try_too_many_subjects);
}

/* --- several grants of one subject ----------------------------------------------------------- */

static void try_several(void)
{
    subject_id id = subject("rich");
    subject_id other = subject("other");
    capability_handle reading;
    capability_handle writing;

    CHECK(capability_grant(id, slot(1), READ | DELEGATE, &reading) == HX_OK);
    CHECK(capability_grant(id, slot(1), WRITE | DELEGATE, &writing) == HX_OK);
    CHECK(capability_check(id, slot(1), READ | WRITE));
    CHECK(!capability_check(id, slot(1), READ | WRITE | CONTROL));
    CHECK(!capability_check_handle(id, reading, slot(1), READ | WRITE));
    CHECK(capability_delegate(id, other, slot(1), READ | WRITE, NULL) == HX_EPERM);
    CHECK(capability_delegate(id, other, slot(1), READ, NULL) == HX_OK);
    CHECK(capability_delegate(id, other, slot(1), WRITE, NULL) == HX_OK);
    CHECK(capability_check(other, slot(1), READ | WRITE));
    CHECK(capability_revoke_handle(reading) == HX_OK);
    CHECK(!capability_check(id, slot(1), READ) && !capability_check(other, slot(1), READ));
    CHECK(capability_check(id, slot(1), WRITE) && capability_check(other, slot(1), WRITE));
    CHECK(capability_revoke(id, slot(1)) == HX_OK);
    CHECK(!capability_check(id, slot(1), 0) && !capability_check(other, slot(1), 0));
}

static void try_too_many_alike(void)
{
    subject_id id = subject("greedy");

    for (uint32_t i = 0; i < CAPABILITY_SAME_MAX; i++) {
        CHECK(capability_grant(id, slot(1), READ, NULL) == HX_OK);
    }
    CHECK(capability_grant(id, slot(1), READ, NULL) == HX_ENOSPC);
    CHECK(capability_grant(id, slot(2), READ, NULL) == HX_OK);
    CHECK(capability_revoke(id, slot(1)) == HX_OK);
    CHECK(!capability_check(id, slot(1), 0));
    CHECK(capability_grant(id, slot(1), READ, NULL) == HX_OK);
}

/* SPEC: A2 A3 */
static void several_grants_count_together_and_end_alone(void **state)
{
    (void)state;
    passes_on_one(try_several);
    passes_on_one(try_too_many_alike);
}

/* --- depth ----------------------------------------------------------------------------------- */

static void try_depth(void)
{
    subject_id ids[CAPABILITY_DEPTH_MAX + 1];
    capability_handle handles[CAPABILITY_DEPTH_MAX + 1];
    struct capability_record record;
    uint32_t last = CAPABILITY_DEPTH_MAX - 1;

    for (uint32_t i = 0; i <= CAPABILITY_DEPTH_MAX; i++) {
        ids[i] = subject("link");
    }
    CHECK(capability_grant(ids[0], slot(1), READ | DELEGATE, &handles[0]) == HX_OK);
    for (uint32_t i = 1; i <= last; i++) {
        CHECK(capability_delegate(ids[i - 1], ids[i], slot(1), READ | DELEGATE, &handles[i]) ==
              HX_OK);
    }
    CHECK(capability_delegate(ids[last], ids[last + 1], slot(1), READ, NULL) == HX_ERANGE);
    for (uint32_t i = 0; i <= last; i++) {
        CHECK(capability_describe(handles[i], &record) == HX_OK);
        CHECK(record.depth == i + 1 && record.subject == ids[i]);
        CHECK(record.origin == (i == 0 ? CAPABILITY_NONE : handles[i - 1]));
        CHECK(record.through == (i == 0 ? SUBJECT_KERNEL : ids[i - 1]));
    }
    CHECK(capability_revoke_handle(handles[0]) == HX_OK);
    for (uint32_t i = 0; i <= last; i++) {
        CHECK(!capability_check(ids[i], slot(1), READ));
        CHECK(!capability_check_handle(ids[i], handles[i], slot(1), READ));
        CHECK(capability_describe(handles[i], &record) == HX_ESTALE);
        CHECK(capability_revoke_handle(handles[i]) == HX_ESTALE);
        CHECK(capability_delegate(ids[i], ids[0], slot(1), READ, NULL) == HX_EPERM);
    }
    capability_settle();
    CHECK(numbers().grants == 0);
}

/* SPEC: A2 A3 A7 */
static void a_chain_of_sixty_four_is_the_longest_and_ends_at_once(void **state)
{
    (void)state;
    passes_on_one(try_depth);
}

/* --- a plain model --------------------------------------------------------------------------- */

#define MODEL_SUBJECTS  6U
#define MODEL_RESOURCES 4U
#define MODEL_GRANTS    4096U

struct model_grant {
    capability_handle handle;
    int origin; /* -1: the kernel */
    subject_id subject;
    resource_id resource;
    uint64_t rights;
    bool is_held;
};

static struct model_grant model[MODEL_GRANTS];
static int model_count;
static subject_id model_subjects[MODEL_SUBJECTS];

static uint32_t model_depth(int grant)
{
    uint32_t depth = 0;

    for (; grant >= 0; grant = model[grant].origin) {
        depth++;
    }
    return depth;
}

/* Later grants are derived from earlier ones, so one walk finds them all. */
static void model_revoke(int root)
{
    model[root].is_held = false;
    for (int i = root + 1; i < model_count; i++) {
        if (model[i].origin >= 0 && !model[model[i].origin].is_held) {
            model[i].is_held = false;
        }
    }
}

static bool model_has(int i, subject_id id, resource_id resource)
{
    return model[i].is_held && model[i].subject == id && model[i].resource == resource;
}

static uint64_t model_rights(subject_id id, resource_id resource)
{
    uint64_t rights = 0;

    for (int i = 0; i < model_count; i++) {
        rights |= model_has(i, id, resource) ? model[i].rights : 0;
    }
    return rights;
}

/* The depth of the nearest grant that can be an origin; UINT32_MAX: none. */
static uint32_t model_nearest(subject_id id, resource_id resource, uint64_t rights)
{
    uint32_t nearest = UINT32_MAX;

    for (int i = 0; i < model_count; i++) {
        if (model_has(i, id, resource) && ((rights | DELEGATE) & ~model[i].rights) == 0 &&
            model_depth(i) < nearest) {
            nearest = model_depth(i);
        }
    }
    return nearest;
}

static uint32_t model_same(subject_id id, resource_id resource)
{
    uint32_t count = 0;

    for (int i = 0; i < model_count; i++) {
        count += model_has(i, id, resource) ? 1U : 0U;
    }
    return count;
}

static int model_of(capability_handle handle)
{
    for (int i = 0; i < model_count; i++) {
        if (model[i].handle == handle) {
            return i;
        }
    }
    return -1;
}

static subject_id any_subject(void)
{
    return model_subjects[random_below(MODEL_SUBJECTS)];
}

static resource_id any_resource(void)
{
    return slot(random_below(MODEL_RESOURCES));
}

static uint64_t any_rights(void)
{
    uint64_t rights = random_u64() & (READ | WRITE | CONTROL);

    return (rights != 0 ? rights : READ) | (random_below(4) != 0 ? DELEGATE : 0);
}

static hx_err model_answer(subject_id from, subject_id to, resource_id resource, uint64_t rights)
{
    uint32_t nearest = from == SUBJECT_KERNEL ? 0 : model_nearest(from, resource, rights);

    if (nearest == UINT32_MAX) {
        return HX_EPERM;
    }
    if (nearest >= CAPABILITY_DEPTH_MAX) {
        return HX_ERANGE;
    }
    return model_same(to, resource) >= CAPABILITY_SAME_MAX ? HX_ENOSPC : HX_OK;
}

static void note_grant(capability_handle handle, subject_id from, uint32_t nearest)
{
    struct model_grant *grant = &model[model_count];
    struct capability_record record;

    CHECK(capability_describe(handle, &record) == HX_OK);
    *grant = (struct model_grant){handle,          model_of(record.origin), record.subject,
                                  record.resource, record.rights,           true};
    model_count++;
    if (from == SUBJECT_KERNEL) {
        CHECK(record.origin == CAPABILITY_NONE && record.depth == 1);
    } else {
        CHECK(grant->origin >= 0 && model_has(grant->origin, from, record.resource));
        CHECK((grant->rights & ~model[grant->origin].rights) == 0);
        CHECK(record.depth == nearest + 1 && record.through == from);
    }
}

static void random_delegate(void)
{
    subject_id from = random_below(4) == 0 ? SUBJECT_KERNEL : any_subject();
    subject_id to = any_subject();
    resource_id resource = any_resource();
    uint64_t rights = any_rights();
    uint32_t nearest = model_nearest(from, resource, rights);
    hx_err wanted = model_answer(from, to, resource, rights);
    capability_handle handle;
    hx_err got = capability_delegate(from, to, resource, rights, &handle);

    if (got == HX_ENOSPC && wanted == HX_OK) { /* what is cut off counts until it is reclaimed */
        capability_settle();
        got = capability_delegate(from, to, resource, rights, &handle);
    }
    CHECK(got == wanted);
    if (got == HX_OK) {
        note_grant(handle, from, nearest);
    }
}

static void random_revoke(void)
{
    subject_id id = any_subject();
    resource_id resource = any_resource();
    uint32_t count = model_same(id, resource);

    CHECK(capability_revoke(id, resource) == (count > 0 ? HX_OK : HX_ENOENT));
    for (int i = 0; i < model_count; i++) {
        if (model_has(i, id, resource)) {
            model_revoke(i);
        }
    }
}

static void random_revoke_handle(void)
{
    int grant = model_count > 0 ? (int)random_below((uint64_t)model_count) : -1;

    if (grant >= 0) {
        CHECK(capability_revoke_handle(model[grant].handle) ==
              (model[grant].is_held ? HX_OK : HX_ESTALE));
        model_revoke(grant);
    }
}

static void random_new_subject(void)
{
    uint64_t which = random_below(MODEL_SUBJECTS);
    subject_id old = model_subjects[which];

    CHECK(capability_subject_destroy(old) == HX_OK);
    for (int i = 0; i < model_count; i++) {
        if (model[i].is_held && model[i].subject == old) {
            model_revoke(i);
        }
    }
    model_subjects[which] = subject("new");
    CHECK(model_subjects[which] != old);
}

static void compare_checks(void)
{
    for (uint32_t s = 0; s < MODEL_SUBJECTS; s++) {
        for (uint32_t r = 0; r < MODEL_RESOURCES; r++) {
            uint64_t has = model_rights(model_subjects[s], slot(r));

            CHECK(capability_check(model_subjects[s], slot(r), 0) == (has != 0));
            CHECK(has == 0 || capability_check(model_subjects[s], slot(r), has));
            for (uint64_t right = READ; right <= DELEGATE; right <<= 1) {
                CHECK(capability_check(model_subjects[s], slot(r), right) == ((has & right) != 0));
            }
        }
    }
}

static void compare_handles(void)
{
    for (int i = 0; i < model_count; i++) {
        const struct model_grant *grant = &model[i];
        subject_id other = any_subject();

        CHECK(capability_check_handle(grant->subject, grant->handle, grant->resource,
                                      grant->rights) == grant->is_held);
        CHECK(other == grant->subject ||
              !capability_check_handle(other, grant->handle, grant->resource, 0));
    }
}

/* The walk finds what is held, each once. */
static void compare_walk(void)
{
    resource_id resource = random_below(2) == 0 ? 0 : any_resource();
    struct capability_record record;
    uint32_t position = 0;
    uint32_t found = 0;
    uint32_t wanted = 0;
    hx_err error;

    while ((error = capability_next(&position, resource, &record)) != HX_ENOENT) {
        if (error == HX_OK) {
            int i = model_of(record.handle);

            CHECK(i >= 0 && model[i].is_held && model[i].rights == record.rights);
            CHECK(record.depth == model_depth(i));
            found++;
        }
    }
    for (int i = 0; i < model_count; i++) {
        wanted += model[i].is_held && (resource == 0 || model[i].resource == resource) ? 1U : 0U;
    }
    CHECK(found == wanted);
}

static void random_step(void)
{
    uint64_t dice = random_below(100);

    if (dice < 70) {
        random_delegate();
    } else if (dice < 78) {
        random_revoke_handle();
    } else if (dice < 80) {
        random_revoke();
    } else if (dice < 81) {
        random_new_subject();
    } else if (dice < 84) {
        capability_settle();
    } else if (dice < 86) {
        thread_yield();
    } else if (dice < 90) {
        compare_walk();
    } else {
        compare_handles();
    }
    compare_checks();
}

static void follow_the_model(void)
{
    for (uint32_t game = 0; game < rounds(20, 2000); game++) {
        uint64_t seed = random_state;

        fprintf(stderr, "# game from HELIX_SEED=%llu\n", (unsigned long long)seed);
        model_count = 0;
        for (uint32_t i = 0; i < MODEL_SUBJECTS; i++) {
            model_subjects[i] = subject("player");
        }
        for (uint32_t i = 0; i < 600 && model_count < (int)MODEL_GRANTS; i++) {
            random_step();
        }
        for (uint32_t i = 0; i < MODEL_SUBJECTS; i++) {
            CHECK(capability_subject_destroy(model_subjects[i]) == HX_OK);
        }
        capability_settle();
        CHECK(numbers().grants == 0 && numbers().reclaiming == 0 && numbers().subjects == 1);
    }
}

/* SPEC: A2 A3 A6 A7 */
static void random_operations_do_what_a_plain_model_does(void **state)
{
    (void)state;
    passes_on_one(follow_the_model);
    passes_on_four(follow_the_model);
}

/* --- no memory ------------------------------------------------------------------------------- */

/* Try it without memory, and if it fails so, again with; returns how often it failed. */
static uint32_t delegate_with_failure(subject_id from, subject_id to, resource_id resource)
{
    struct capability_statistics before = numbers();
    capability_handle handle = CAPABILITY_NONE;
    hx_err error;

    frames_fail_nth(1);
    error = capability_delegate(from, to, resource, READ | DELEGATE, &handle);
    frames_fail_nth(0);
    CHECK(error == HX_OK || error == HX_ENOMEM);
    CHECK(capability_check(to, resource, READ) == (error == HX_OK));
    CHECK(numbers().grants == before.grants + (error == HX_OK ? 1 : 0));
    if (error == HX_OK) {
        return 0;
    }
    CHECK(handle == CAPABILITY_NONE && numbers().memory == before.memory);
    CHECK(capability_delegate(from, to, resource, READ | DELEGATE, NULL) == HX_OK);
    return 1;
}

static void fail_every_allocation(void)
{
    subject_id id = subject("unlucky");
    subject_id heir = subject("heir");
    uint32_t failures = 0;

    for (uint32_t i = 0; i < 2500; i++) {
        failures += delegate_with_failure(SUBJECT_KERNEL, id, slot(i));
        failures += delegate_with_failure(id, heir, slot(i));
    }
    CHECK(failures >= 4 && failures < 10);
    for (uint32_t i = 0; i < 2500; i++) {
        CHECK(capability_check(id, slot(i), READ) && capability_check(heir, slot(i), READ));
    }
}

static void fail_while_revoking(void)
{
    subject_id id = subject("thrifty");
    subject_id heir = subject("heir");
    struct capability_record record;
    capability_handle handle;
    uint64_t frame;
    uint32_t position = 0;

    CHECK(capability_grant(id, slot(1), READ | DELEGATE, NULL) == HX_OK);
    CHECK(capability_grant(id, slot(2), READ | DELEGATE, &handle) == HX_OK);
    CHECK(capability_grant(id, slot(3), READ | DELEGATE, NULL) == HX_OK);
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK(capability_delegate(id, heir, slot(i), READ, NULL) == HX_OK);
    }
    frames_fail_nth(1);
    heap_fail_nth(1);
    CHECK(capability_describe(handle, &record) == HX_OK);
    CHECK(capability_next(&position, slot(1), &record) == HX_OK);
    CHECK(capability_revoke(id, slot(1)) == HX_OK);
    CHECK(capability_revoke_handle(handle) == HX_OK);
    CHECK(!capability_check(heir, slot(1), 0) && !capability_check(heir, slot(2), 0));
    CHECK(capability_subject_destroy(id) == HX_OK);
    CHECK(!capability_check(heir, slot(3), 0));
    capability_settle();
    CHECK(numbers().grants == 0 && numbers().reclaiming == 0);
    CHECK(heap_allocate(1, OWNER_CORE) == NULL);
    CHECK(frames_allocate(0, OWNER_CORE, &frame) == HX_ENOMEM);
}

static void fail_growth(void)
{
    subject_id id = subject("crowded");
    uint64_t buckets = numbers().buckets;

    for (uint32_t i = 0; i < 192; i++) {
        CHECK(capability_grant(id, slot(i), READ, NULL) == HX_OK);
        frames_fail_nth(1); /* whoever comes first: only the table's growth wants frames here */
        capability_settle();
        frames_fail_nth(0);
    }
    CHECK(numbers().buckets == buckets);
    for (uint32_t i = 0; i < 192; i++) {
        CHECK(capability_check(id, slot(i), READ));
    }
    capability_settle();
    CHECK(numbers().buckets == 2 * buckets);
}

static void fail_to_start(void)
{
    uint32_t failures = 0;
    hx_err error;

    do {
        frames_fail_nth(failures + 1);
        error = capability_init();
        frames_fail_nth(0);
        failures++;
    } while (error == HX_ENOMEM);
    CHECK(error == HX_OK && failures > 1);
    CHECK(capability_subject_is_live(SUBJECT_KERNEL));
    heap_fail_nth(1);
    for (uint32_t i = 1; i < 64; i++) {
        (void)subject("in the first chunk");
    }
    subject_id id = 0;

    CHECK(capability_subject_create("beyond", &id) == HX_ENOMEM && id == 0);
    CHECK(capability_subject_create("beyond", &id) == HX_OK);
}

static void start_without_memory(void)
{
    machine_run(1, fail_to_start);
}

/* SPEC: A2 A4 */
static void a_failed_allocation_leaves_everything_as_it_was(void **state)
{
    (void)state;
    passes_on_one(fail_every_allocation);
    passes_on_one(fail_growth);
    passes_in_child(start_without_memory);
}

/* SPEC: A3 */
static void revocation_needs_no_memory(void **state)
{
    (void)state;
    passes_on_one(fail_while_revoking);
}

/* --- texts ----------------------------------------------------------------------------------- */

static void rights_have_names(void **state)
{
    char text[64];

    (void)state;
    capability_rights_text(PERMISSION_HELD | READ | CONTROL | DELEGATE | 1ULL << 40, text,
                           sizeof text);
    assert_string_equal(text, "read,control,delegate,bit40");
    capability_rights_text(PERMISSION_HELD, text, sizeof text);
    assert_string_equal(text, "-");
    capability_rights_text(UINT64_MAX, text, 8);
    assert_string_equal(text, "read,wr");
    capability_rights_text(UINT64_MAX, text, 1);
    assert_string_equal(text, "");
    assert_string_equal(resource_type_name(RESOURCE_TYPE_SLOT), "slot");
    assert_string_equal(resource_type_name((enum resource_type)200), "?");
}

static hx_err parse(const char *text, uint64_t *rights)
{
    return capability_rights_parse(text, strlen(text), rights);
}

static void names_are_rights(void **state)
{
    static const char *const wrong[] = {"",     ",",      "read,", "reed",  "rea",
                                        "bit",  "bit0",   "bit64", "bit-1", "read write",
                                        "READ", "readd,", ",read"};
    uint64_t rights = 7;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(parse(wrong[i], &rights) == HX_EINVAL);
        CHECK(rights == 7);
    }
    CHECK(parse("read,control,delegate,bit40", &rights) == HX_OK);
    CHECK(rights == (READ | CONTROL | DELEGATE | 1ULL << 40));
    CHECK(parse("bit1", &rights) == HX_OK && rights == READ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(before_the_start_only_the_kernel_passes),
        cmocka_unit_test(changes_where_nothing_may_block_are_refused_and_checks_answer),
        cmocka_unit_test(a_check_takes_neither_the_lock_nor_memory),
        cmocka_unit_test(each_of_64_rights_counts_on_its_own_resource_alone),
        cmocka_unit_test(revocation_takes_effect_while_the_reclaimer_is_stopped),
        cmocka_unit_test(a_stale_handle_or_a_wrong_owner_never_passes),
        cmocka_unit_test(a_reused_subject_inherits_nothing),
        cmocka_unit_test(subjects_beyond_the_last_are_refused),
        cmocka_unit_test(several_grants_count_together_and_end_alone),
        cmocka_unit_test(a_chain_of_sixty_four_is_the_longest_and_ends_at_once),
        cmocka_unit_test(random_operations_do_what_a_plain_model_does),
        cmocka_unit_test(a_failed_allocation_leaves_everything_as_it_was),
        cmocka_unit_test(revocation_needs_no_memory),
        cmocka_unit_test(rights_have_names),
        cmocka_unit_test(names_are_rights),
    };

    is_soak = getenv("HELIX_SOAK") != NULL;
    print_message("# HELIX_SEED=%llu\n", (unsigned long long)random_start());
    return cmocka_run_group_tests_name("capability", tests, NULL, NULL);
}
