/*
 * null, zero and full: read and written through the file layer's operations while the module that
 * serves them is exchanged, dies, lies, and is not there at all.
 */
#include <base/memory.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/gate.h>
#include <helix/character_device.h>
#include <helix/character_lies.h>
#include <subsys/modules/modules.h>
#include <subsys/vfs/device.h>
#include <subsys/vfs/file.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_devices." #function, function

#define MAJOR 1U
#define SIZE  700U /* bytes of a read or write */

static const struct swap_options no_trial = {.drain_limit_ns = CREW_PATIENCE_NS};
static const struct swap_options long_trial = {.drain_limit_ns = CREW_PATIENCE_NS,
                                               .trial_calls = UINT32_MAX,
                                               .trial_ns = 100000 * HAL_NS_PER_MS};

static const struct hx_module_version version_1_0 = {.major = 1, .minor = 0};
static const struct hx_module_version version_1_1 = {.major = 1, .minor = 1};

/* --- the devices, as programs use them -------------------------------------------------------- */

static hx_err read_device(uint32_t minor, char *bytes, size_t size, size_t *done)
{
    struct transfer transfer;

    transfer_init_kernel(&transfer, bytes, size);
    *done = 0;
    return device_find(device_make(MAJOR, minor))->ops->read(NULL, &transfer, 0, done);
}

static hx_err write_device(uint32_t minor, char *bytes, size_t size, size_t *done)
{
    struct transfer transfer;

    transfer_init_kernel(&transfer, bytes, size);
    *done = 0;
    return device_find(device_make(MAJOR, minor))->ops->write(NULL, &transfer, 0, done);
}

static bool is_all(const char *bytes, size_t size, char wanted)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != wanted) {
            return false;
        }
    }
    return true;
}

/* Six calls: whether each does what its device's name says. */
#define CALLS_EACH_ROUND 6U

static bool all_is_well(char bytes[SIZE])
{
    size_t done;

    memset(bytes, 0x55, SIZE);
    if (read_device(HX_MEMORY_NULL, bytes, SIZE, &done) != HX_OK || done != 0 ||
        write_device(HX_MEMORY_NULL, bytes, SIZE, &done) != HX_OK || done != SIZE ||
        write_device(HX_MEMORY_ZERO, bytes, SIZE, &done) != HX_OK || done != SIZE ||
        write_device(HX_MEMORY_FULL, bytes, SIZE, &done) != HX_ENOSPC || done != 0 ||
        !is_all(bytes, SIZE, 0x55)) {
        return false;
    }
    if (read_device(HX_MEMORY_ZERO, bytes, SIZE, &done) != HX_OK || done != SIZE ||
        !is_all(bytes, SIZE, 0)) {
        return false;
    }
    memset(bytes, 0x55, SIZE);
    return read_device(HX_MEMORY_FULL, bytes, SIZE, &done) == HX_OK && done == SIZE &&
           is_all(bytes, SIZE, 0);
}

static void expect_all_is_well(void)
{
    char bytes[SIZE];

    EXPECT(all_is_well(bytes));
}

/* --- the slot --------------------------------------------------------------------------------- */

/* As it is after the start. */
static void restore(struct slot *slot)
{
    modules_set_options(slot, &no_trial);
    module_slot_empty(slot);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
}

static uint64_t number(struct slot *slot, uint64_t minor, enum hx_character_number index)
{
    struct hal_gate_result result = gate_call(slot, CHARACTER_DEVICE_NUMBER, minor, index, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

/* --- without a module ------------------------------------------------------------------------- */

/* SPEC: R6 */
static void core_answers_while_the_slot_is_empty(void)
{
    struct slot *slot =
        module_slot_begin("memory", "memory_devices", NULL, HAL_GATE_OPEN, &no_trial);

    expect_all_is_well();
    EXPECT_EQUAL(number(slot, 0, HX_CHARACTER_CALLS), CALLS_EACH_ROUND);
    module_slot_empty(slot);
    expect_all_is_well();
    restore(slot);
}

/* --- state ------------------------------------------------------------------------------------ */

/* SPEC: R5 */
static void numbers_of_minors_outlive_a_version_that_knows_their_total_alone(void)
{
    struct slot *slot =
        module_slot_begin("memory", "memory_devices", &version_1_1, HAL_GATE_OPEN, &no_trial);

    expect_all_is_well();
    EXPECT_EQUAL(number(slot, HX_MEMORY_FULL, HX_CHARACTER_WRITES), 1);
    EXPECT_EQUAL(number(slot, HX_MEMORY_ZERO, HX_CHARACTER_BYTES), 2 * SIZE);
    module_slot_put(slot, "memory_devices", &version_1_0);
    EXPECT_EQUAL(number(slot, 0, HX_CHARACTER_CALLS), CALLS_EACH_ROUND);
    EXPECT_EQUAL(number(slot, HX_MEMORY_ZERO, HX_CHARACTER_CALLS), 0);
    expect_all_is_well();
    module_slot_put(slot, "memory_devices", &version_1_1);
    EXPECT_EQUAL(number(slot, 0, HX_CHARACTER_CALLS), 2 * CALLS_EACH_ROUND);
    EXPECT_EQUAL(number(slot, HX_MEMORY_ZERO, HX_CHARACTER_BYTES), 2 * SIZE);
    EXPECT_EQUAL(number(slot, HX_MEMORY_NULL, HX_CHARACTER_READS), 1);
    expect_all_is_well();
    EXPECT_EQUAL(number(slot, HX_MEMORY_NULL, HX_CHARACTER_READS), 2);
    EXPECT_EQUAL(number(slot, 0, HX_CHARACTER_CALLS), 3 * CALLS_EACH_ROUND);
    restore(slot);
}

/* --- swaps ------------------------------------------------------------------------------------ */

#define USERS 4U

static struct crew crew;
static _Atomic bool shall_stop;
static _Atomic uint32_t wrong;
static _Atomic uint32_t rounds;

static void use_on(void *argument)
{
    char bytes[SIZE];

    (void)argument;
    while (!atomic_load_explicit(&shall_stop, memory_order_relaxed)) {
        if (!all_is_well(bytes)) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        if (atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed) % 8 == 0) {
            thread_yield();
        }
    }
}

static void start_users(void)
{
    atomic_store_explicit(&shall_stop, false, memory_order_relaxed);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    atomic_store_explicit(&rounds, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < USERS; i++) {
        (void)crew_start(&crew, use_on, NULL, 0);
    }
}

static void join_users(void)
{
    atomic_store_explicit(&shall_stop, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
}

static uint32_t swaps_wanted(void)
{
    return command_line_has(kernel_command_line(), "soak") ? 10000U : 100U;
}

/* Callers are fewer than an instance's stacks: each call reaches a module, and is counted. */
static void check_swaps(enum hal_gate_backend backend)
{
    struct slot *slot =
        module_slot_begin("memory", "memory_devices", &version_1_1, backend, &no_trial);
    uint32_t wanted = swaps_wanted();

    start_users();
    for (uint32_t i = 0; i < wanted; i++) {
        module_slot_put(slot, "memory_devices", i % 2 == 0 ? &version_1_0 : &version_1_1);
        if (i % 16 == 0) {
            thread_sleep(HAL_NS_PER_MS);
        }
    }
    join_users();
    EXPECT_EQUAL(number(slot, 0, HX_CHARACTER_CALLS),
                 (uint64_t)CALLS_EACH_ROUND * atomic_load_explicit(&rounds, memory_order_relaxed));
    restore(slot);
}

/* SPEC: R6 */
static void swaps_under_load_lose_and_double_no_call_behind_the_open_gate(void)
{
    check_swaps(HAL_GATE_OPEN);
}

/* SPEC: R6 */
static void swaps_under_load_lose_and_double_no_call_behind_the_user_gate(void)
{
    check_swaps(HAL_GATE_USER);
}

/* SPEC: R6 */
static void a_module_that_comes_and_goes_under_load_is_not_noticed(void)
{
    struct slot *slot =
        module_slot_begin("memory", "memory_devices", NULL, HAL_GATE_OPEN, &no_trial);

    start_users();
    for (uint32_t i = 0; i < swaps_wanted() / 4; i++) {
        module_slot_empty(slot);
        thread_sleep(HAL_NS_PER_MS / 4);
        module_slot_put(slot, "memory_devices", NULL);
    }
    join_users();
    restore(slot);
}

/* --- lies ------------------------------------------------------------------------------------- */

static void tell(struct slot *slot, enum hx_character_lie lie)
{
    (void)number(slot, HX_CHARACTER_LIE, (enum hx_character_number)lie);
}

/* What the kernel's answer is, whatever the module's: full is as good as the others for a lie that
 * takes what is written. */
static void read_all(void)
{
    char bytes[SIZE] = {1};
    size_t done;

    EXPECT_EQUAL(read_device(HX_MEMORY_ZERO, bytes, SIZE, &done), HX_OK);
    EXPECT(is_all(bytes, SIZE, 0));
    EXPECT_EQUAL(done, SIZE);
}

static void write_all(enum hx_memory_device minor, hx_err expected)
{
    char bytes[SIZE] = {1};
    size_t done;

    EXPECT_EQUAL(write_device(minor, bytes, SIZE, &done), expected);
    EXPECT_EQUAL(done, expected == HX_OK ? SIZE : 0);
}

/* In a read, or in a write. */
static void check_lie(enum hal_gate_backend backend, enum hx_character_lie lie, bool is_read)
{
    struct slot *slot = module_slot_begin("memory", "memory_liar", NULL, backend, &no_trial);
    uint64_t deaths = modules_content_of(slot).deaths;

    tell(slot, lie);
    if (is_read) {
        read_all();
    } else if (lie == HX_CHARACTER_LIE_OTHER) {
        write_all(HX_MEMORY_FULL, HX_ENOSPC);
    } else {
        write_all(HX_MEMORY_ZERO, HX_OK);
    }
    EXPECT_EQUAL(modules_content_of(slot).deaths, deaths + 1);
    EXPECT(!modules_content_of(slot).is_filled);
    expect_all_is_well();
}

static void check_lies(enum hal_gate_backend backend)
{
    for (uint32_t lie = HX_CHARACTER_LIE_OTHER; lie < HX_CHARACTER_LIE_COUNT; lie++) {
        check_lie(backend, (enum hx_character_lie)lie, true);
        check_lie(backend, (enum hx_character_lie)lie, false);
    }
    restore(slot_find("memory"));
}

/* SPEC: R6 */
static void who_answers_wrongly_dies_and_nobody_notices_behind_the_open_gate(void)
{
    check_lies(HAL_GATE_OPEN);
}

/* SPEC: R6 */
static void who_answers_wrongly_dies_and_nobody_notices_behind_the_user_gate(void)
{
    check_lies(HAL_GATE_USER);
}

/* SPEC: R9 */
static void who_lies_on_trial_is_replaced_by_the_one_before(void)
{
    struct slot *slot =
        module_slot_begin("memory", "memory_devices", NULL, HAL_GATE_OPEN, &no_trial);
    uint32_t is_back = 0;

    expect_all_is_well();
    modules_set_options(slot, &long_trial);
    module_slot_put(slot, "memory_liar", NULL);
    tell(slot, HX_CHARACTER_LIE_BOTH);
    expect_all_is_well();
    for (uint64_t i = 0; is_back == 0 && i < CREW_PATIENCE_NS / HAL_NS_PER_MS; i++) {
        is_back = string_equal(modules_content_of(slot).name, "memory_devices") ? 1 : 0;
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(is_back, 1);
    EXPECT(number(slot, 0, HX_CHARACTER_CALLS) >= CALLS_EACH_ROUND);
    restore(slot);
}

const struct selftest subsys_devices_tests[] = {
    {TEST(core_answers_while_the_slot_is_empty), 0},
    {TEST(numbers_of_minors_outlive_a_version_that_knows_their_total_alone), 0},
    {TEST(swaps_under_load_lose_and_double_no_call_behind_the_open_gate), 0},
    {TEST(swaps_under_load_lose_and_double_no_call_behind_the_user_gate), SELFTEST_METAL_ONLY},
    {TEST(a_module_that_comes_and_goes_under_load_is_not_noticed), 0},
    {TEST(who_answers_wrongly_dies_and_nobody_notices_behind_the_open_gate),
     SELFTEST_NEEDS_MEMORY_LIAR},
    {TEST(who_answers_wrongly_dies_and_nobody_notices_behind_the_user_gate),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_MEMORY_LIAR},
    {TEST(who_lies_on_trial_is_replaced_by_the_one_before), SELFTEST_NEEDS_MEMORY_LIAR},
    {0},
};
