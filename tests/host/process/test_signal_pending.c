/* Sets of waiting signals, and the table of ids. */
#include <kern/heap.h>
#include <subsys/process/id_table.h>
#include <subsys/process/signal_private.h>
#include <tests/host/core/machine.h>

static struct signal_pending pending;

static void add(unsigned number, int32_t code)
{
    const struct hal_signal_info info = {.number = (int32_t)number, .code = code};
    struct signal_entry *entry = NULL;

    if (number > SIGNAL_STANDARD) {
        entry = heap_allocate_zeroed(sizeof(*entry), OWNER_CORE);
        CHECK(entry != NULL);
    }
    signal_pending_add_locked(&pending, &info, &entry);
    CHECK(entry == NULL);
}

/* The next signal of all; *code is its information's. */
static unsigned take(int32_t *code)
{
    struct hal_signal_info info = {0};
    struct signal_entry *used = NULL;
    unsigned number = signal_pending_take_locked(&pending, UINT64_MAX, &info, &used);

    heap_free(used);
    *code = info.code;
    return number;
}

static void a_standard_signal_is_pending_once_and_keeps_its_first_information_body(void)
{
    int32_t code;

    signal_pending_init(&pending);
    add(SIGNAL_USER_1, 1);
    add(SIGNAL_USER_1, 2);
    CHECK(take(&code) == SIGNAL_USER_1);
    CHECK(code == 1);
    CHECK(take(&code) == 0);
}

static void real_time_signals_queue_in_order_behind_the_lower_numbers_body(void)
{
    int32_t code;

    signal_pending_init(&pending);
    add(40, 1);
    add(34, 2);
    add(40, 3);
    add(SIGNAL_TERMINATE, 4);
    add(SIGNAL_KILL, 5);
    CHECK(take(&code) == SIGNAL_KILL);
    CHECK(take(&code) == SIGNAL_TERMINATE);
    CHECK(take(&code) == 34);
    CHECK(take(&code) == 40);
    CHECK(code == 1);
    CHECK(take(&code) == 40);
    CHECK(code == 3);
    CHECK(pending.mask == 0);
    CHECK(pending.count == 0);
}

static void what_is_dropped_leaves_its_place_body(void)
{
    struct list dropped = LIST_INIT(dropped);
    struct list *node;
    unsigned count = 0;
    int32_t code;

    signal_pending_init(&pending);
    add(34, 1);
    add(35, 2);
    add(34, 3);
    signal_pending_drop_locked(&pending, signal_bit(34), &dropped);
    CHECK(pending.count == 1);
    while ((node = list_pop_front(&dropped)) != NULL) {
        heap_free(LIST_ENTRY(node, struct signal_entry, link));
        count++;
    }
    CHECK(count == 2);
    CHECK(take(&code) == 35);
    CHECK(take(&code) == 0);
}

static void ids_go_round_and_are_not_given_out_while_in_use_body(void)
{
    uint32_t kept;
    uint32_t id;

    CHECK(id_take(&kept) == HX_OK);
    id_get(kept);
    id_put(kept); /* one of two uses */
    for (uint32_t i = 0; i < 2 * PROCESS_ID_MAX; i++) {
        CHECK(id_take(&id) == HX_OK);
        CHECK(id != kept);
        CHECK(id > 0 && id < PROCESS_ID_MAX);
        id_put(id);
        CHECK(id_find(id) == NULL);
    }
    CHECK(id_find(kept) != NULL);
    CHECK(id_next(0) == kept);
    CHECK(id_next(kept) == 0);
    id_put(kept);
}

static void when_all_ids_are_in_use_there_are_no_more_body(void)
{
    uint32_t id;

    for (uint32_t i = 1; i < PROCESS_ID_MAX; i++) {
        CHECK(id_take(&id) == HX_OK);
    }
    CHECK(id_take(&id) == HX_EAGAIN);
    id_put(77);
    CHECK(id_take(&id) == HX_OK);
    CHECK(id == 77);
    for (id = 1; id < PROCESS_ID_MAX; id++) {
        id_put(id);
    }
    CHECK(id_find(PROCESS_ID_MAX) == NULL);
    CHECK(id_find(UINT32_MAX) == NULL);
}

/* --- each in a machine of its own ------------------------------------------------------------- */

static void (*running)(void);

static void run_in_machine(void)
{
    machine_run(1, running);
}

static void passes(void (*body)(void))
{
    running = body;
    passes_in_child(run_in_machine);
}

static void a_standard_signal_is_pending_once_and_keeps_its_first_information(void **state)
{
    (void)state;
    passes(a_standard_signal_is_pending_once_and_keeps_its_first_information_body);
}

static void real_time_signals_queue_in_order_behind_the_lower_numbers(void **state)
{
    (void)state;
    passes(real_time_signals_queue_in_order_behind_the_lower_numbers_body);
}

static void what_is_dropped_leaves_its_place(void **state)
{
    (void)state;
    passes(what_is_dropped_leaves_its_place_body);
}

static void ids_go_round_and_are_not_given_out_while_in_use(void **state)
{
    (void)state;
    passes(ids_go_round_and_are_not_given_out_while_in_use_body);
}

static void when_all_ids_are_in_use_there_are_no_more(void **state)
{
    (void)state;
    passes(when_all_ids_are_in_use_there_are_no_more_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standard_signal_is_pending_once_and_keeps_its_first_information),
        cmocka_unit_test(real_time_signals_queue_in_order_behind_the_lower_numbers),
        cmocka_unit_test(what_is_dropped_leaves_its_place),
        cmocka_unit_test(ids_go_round_and_are_not_given_out_while_in_use),
        cmocka_unit_test(when_all_ids_are_in_use_there_are_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
