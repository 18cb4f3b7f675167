/* States of modules: what is put in comes out, and what is damaged is refused. */
#include <tests/host/core/machine.h>

#include <base/crc32c.h>
#include <core/gate/module_state.h>
#include <tests/host/random.h>

static const struct module_state_label label = {.kind = "tested", .major = 3, .minor = 1};

static struct module_state *made(void)
{
    struct module_state *state;

    CHECK(module_state_create(&label, &state) == HX_OK);
    return state;
}

static void put(struct module_state *state, uint32_t tag, const void *bytes, size_t size)
{
    void *room;

    CHECK(module_state_put(state, tag, size, &room) == HX_OK);
    memcpy(room, bytes, size);
}

static bool has(struct module_state *state, uint32_t tag, uint32_t index, const char *text)
{
    size_t size;
    const void *bytes = module_state_get(state, tag, index, &size);

    return bytes != NULL && size == strlen(text) && memcmp(bytes, text, size) == 0;
}

/* --- records ---------------------------------------------------------------------------------- */

static void keep_records(void)
{
    struct module_state *state = made();
    size_t size;

    put(state, 1, "one", 3);
    put(state, 2, "", 0);
    put(state, 1, "another one", 11);
    module_state_seal(state);
    CHECK(module_state_check(state) == HX_OK);
    CHECK(has(state, 1, 0, "one") && has(state, 1, 1, "another one") && has(state, 2, 0, ""));
    CHECK(has(state, 1, 1, "another one") && has(state, 1, 0, "one"));
    CHECK(module_state_get(state, 1, 2, &size) == NULL);
    CHECK(module_state_get(state, 3, 0, &size) == NULL);
    CHECK(module_state_put(state, 4, 1, &(void *){NULL}) == HX_ESTATE);
    module_state_destroy(state);
}

static void run_records(void)
{
    machine_run(1, keep_records);
}

/* SPEC: R5 */
static void records_come_out_as_they_were_put_in(void **unused)
{
    (void)unused;
    in_child(run_records);
    assert_int_equal(child.status, 0);
}

static void refuse_bad_puts(void)
{
    struct module_state *state = made();
    void *room;
    unsigned count = 0;

    CHECK(module_state_put(state, 0, 1, &room) == HX_EINVAL);
    CHECK(module_state_put(state, HX_STATE_OPTIONAL, 1, &room) == HX_EINVAL);
    CHECK(module_state_put(state, 1, HX_STATE_SIZE_MAX, &room) == HX_ERANGE);
    CHECK(module_state_put(state, 1, SIZE_MAX, &room) == HX_ERANGE);
    while (module_state_put(state, 1, 1, &room) == HX_OK) {
        count++;
    }
    CHECK(count == 4096);
    module_state_destroy(state);
}

static void run_bad_puts(void)
{
    machine_run(1, refuse_bad_puts);
}

/* SPEC: R5 */
static void a_state_has_a_largest_size(void **unused)
{
    (void)unused;
    in_child(run_bad_puts);
    assert_int_equal(child.status, 0);
}

static void carry_along(void)
{
    struct module_state *state = made();
    struct module_state *next = made();
    struct module_state *carried;

    put(state, 1, "known", 5);
    put(state, 7 | HX_STATE_OPTIONAL, "unknown", 7);
    module_state_seal(state);
    CHECK(has(state, 1, 0, "known"));
    CHECK(module_state_leftovers(state, &carried) == HX_OK && carried != NULL);
    put(next, 1, "newer", 5);
    CHECK(module_state_append(next, carried) == HX_OK);
    CHECK(module_state_append(next, carried) == HX_OK); /* it is there: not twice */
    module_state_seal(next);
    CHECK(has(next, 1, 0, "newer") && has(next, 7, 0, "unknown"));
    CHECK(module_state_get(next, 7, 1, &(size_t){0}) == NULL);
    /* What is not optional cannot be left. */
    module_state_rewind(state);
    CHECK(has(state, 7, 0, "unknown"));
    module_state_destroy(carried);
    CHECK(module_state_leftovers(state, &carried) == HX_EVERSION && carried == NULL);
    module_state_destroy(next);
    module_state_destroy(state);
}

static void run_carry(void)
{
    machine_run(1, carry_along);
}

/* SPEC: R5 */
static void what_is_not_known_is_carried_along_if_it_may_be(void **unused)
{
    (void)unused;
    in_child(run_carry);
    assert_int_equal(child.status, 0);
}

/* --- damage ----------------------------------------------------------------------------------- */

#define MUTATIONS (getenv("HELIX_SOAK") != NULL ? 1000000U : 20000U)

/* Walk what was accepted: each tag's records, which lie inside. */
static void walk(struct module_state *state)
{
    size_t whole;
    const char *first = module_state_bytes(state, &whole);
    struct module_state *carried = NULL;

    for (uint32_t tag = 0; tag < 4; tag++) {
        size_t size;
        const char *bytes = module_state_get(state, tag, 0, &size);

        CHECK(bytes == NULL ||
              (bytes >= first && size <= whole && (size_t)(bytes - first) <= whole - size));
    }
    if (module_state_leftovers(state, &carried) == HX_OK) {
        module_state_destroy(carried);
    }
}

/* As a writer of nonsense would: bytes changed, cut, and half of the time with a checksum that is
 * right. */
static size_t mutate(uint8_t *bytes, size_t size)
{
    for (uint64_t i = random_u64() % 4 + 1; i > 0; i--) {
        bytes[random_u64() % size] = (uint8_t)random_u64();
    }
    if (random_u64() % 4 == 0) {
        size -= random_u64() % size;
    }
    if (random_u64() % 2 == 0 && size >= 16) {
        uint32_t whole = (uint32_t)size;
        uint32_t checksum;

        memcpy(bytes + 12, &whole, sizeof(whole));
        checksum = crc32c(0, bytes + 12, size - 12);
        memcpy(bytes + 8, &checksum, sizeof(checksum));
    }
    return size;
}

static void damage(void)
{
    struct module_state *state = made();
    unsigned accepted = 0;
    size_t whole;
    const void *original;

    put(state, 1, "0123456789", 10);
    put(state, 2 | HX_STATE_OPTIONAL, "abc", 3);
    put(state, 3, "", 0);
    module_state_seal(state);
    original = module_state_bytes(state, &whole);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        uint8_t *copy = malloc(whole);
        struct module_state *read;
        const char *why = NULL;
        size_t size;

        memcpy(copy, original, whole);
        size = mutate(copy, whole);
        if (module_state_read(copy, size, &read, &why) == HX_OK) {
            accepted++;
            walk(read);
            module_state_destroy(read);
        } else {
            CHECK(why != NULL);
        }
        free(copy);
    }
    CHECK(accepted > 0 && accepted < MUTATIONS);
    module_state_destroy(state);
}

static void run_damage(void)
{
    machine_run(1, damage);
}

/* SPEC: R5 */
static void damaged_states_are_refused_or_harmless(void **unused)
{
    (void)unused;
    print_message("# seed %llu\n", (unsigned long long)random_start());
    in_child(run_damage);
    assert_int_equal(child.status, 0);
}

/* Every single bit counts. */
static void flip_each_bit(void)
{
    struct module_state *state = made();
    size_t whole;
    uint8_t *copy;

    put(state, 1, "0123456789", 10);
    module_state_seal(state);
    copy = malloc(module_state_bytes(state, &whole) != NULL ? whole : 0);
    memcpy(copy, module_state_bytes(state, &whole), whole);
    for (size_t bit = 0; bit < whole * 8; bit++) {
        struct module_state *read;
        const char *why;

        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(module_state_read(copy, whole, &read, &why) == HX_EFORMAT);
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t size = 0; size < whole; size++) {
        struct module_state *read;
        const char *why;

        CHECK(module_state_read(copy, size, &read, &why) == HX_EFORMAT);
    }
    free(copy);
    module_state_destroy(state);
}

static void run_flips(void)
{
    machine_run(1, flip_each_bit);
}

/* SPEC: R5 */
static void a_state_with_any_bit_changed_or_cut_anywhere_is_refused(void **unused)
{
    (void)unused;
    in_child(run_flips);
    assert_int_equal(child.status, 0);
}

/* --- faults ----------------------------------------------------------------------------------- */

static unsigned bits_of(const uint8_t *bytes, size_t size)
{
    unsigned count = 0;

    for (size_t i = 0; i < size; i++) {
        count += (unsigned)__builtin_popcount(bytes[i]);
    }
    return count;
}

/* One bit of the records, each of them by some chance, and neither header nor padding. */
static void flip_by_chance(void)
{
    static const uint8_t zeros[5];
    uint64_t places = 0;

    for (uint64_t chance = 0; chance < 64; chance++) {
        struct module_state *state = made();
        const uint8_t *first;
        const uint8_t *second;
        size_t size;

        put(state, 1, zeros, 3);
        put(state, 2, zeros, 5);
        module_state_flip(state, chance);
        module_state_seal(state);
        first = module_state_get(state, 1, 0, &size);
        CHECK(first != NULL && size == 3);
        second = module_state_get(state, 2, 0, &size);
        CHECK(second != NULL && size == 5);
        CHECK(bits_of(first, 3) + bits_of(second, 5) == 1);
        for (unsigned bit = 0; bit < 64; bit++) {
            uint8_t byte = bit / 8 < 3 ? first[bit / 8] : second[bit / 8 - 3];

            places |= (uint64_t)(byte >> bit % 8 & 1) << bit;
        }
        CHECK(module_state_check(state) == HX_OK);
        module_state_destroy(state);
    }
    CHECK(places == UINT64_MAX);
}

static void flip_nothing(void)
{
    struct module_state *state = made();

    module_state_flip(state, 5);
    module_state_seal(state);
    CHECK(module_state_check(state) == HX_OK);
    module_state_destroy(state);
}

static void flip(void)
{
    flip_by_chance();
    flip_nothing();
}

static void run_chances(void)
{
    machine_run(1, flip);
}

/* SPEC: H8 */
static void a_fault_of_a_state_is_a_bit_of_a_record(void **unused)
{
    (void)unused;
    in_child(run_chances);
    assert_int_equal(child.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_as_they_were_put_in),
        cmocka_unit_test(a_state_has_a_largest_size),
        cmocka_unit_test(what_is_not_known_is_carried_along_if_it_may_be),
        cmocka_unit_test(damaged_states_are_refused_or_harmless),
        cmocka_unit_test(a_state_with_any_bit_changed_or_cut_anywhere_is_refused),
        cmocka_unit_test(a_fault_of_a_state_is_a_bit_of_a_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
