/* core/interrupts/balance.h: lines and CPUs as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <core/interrupts/balance.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/random.h>

#define MARGIN    100U /* of 1000 */
#define LINES_MAX 64U
#define ROUNDS    20000U

static struct balance_line lines[LINES_MAX];
static uint32_t busy[HAL_CPU_MAX];
static size_t count;

static int start(void **state)
{
    (void)state;
    memset(busy, 0, sizeof(busy));
    count = 0;
    return 0;
}

/* A line whose handlers keep a CPU busy. */
static void add_line(uint32_t cpu, uint32_t load)
{
    lines[count] = (struct balance_line){.line = (uint32_t)count, .load = load, .cpu = cpu};
    busy[cpu] += load;
    count++;
}

/* What a CPU's lines take, wherever they were when its other work was measured. */
static uint32_t taken_by_lines(uint32_t cpu)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += lines[i].cpu == cpu ? lines[i].load : 0;
    }
    return sum;
}

/* Of CPUs that do nothing else. */
static uint32_t spread(uint64_t cpus)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        if ((cpus >> cpu & 1) != 0) {
            least = taken_by_lines(cpu) < least ? taken_by_lines(cpu) : least;
            most = taken_by_lines(cpu) > most ? taken_by_lines(cpu) : most;
        }
    }
    return most - least;
}

/* How many go elsewhere, when they are balanced once more. */
static size_t count_moves(uint64_t cpus)
{
    uint32_t before[LINES_MAX];
    size_t moves = 0;

    for (size_t i = 0; i < count; i++) {
        before[lines[i].line] = lines[i].cpu;
    }
    balance_lines(lines, count, cpus, busy, MARGIN);
    for (size_t i = 0; i < count; i++) {
        moves += lines[i].cpu != before[lines[i].line] ? 1 : 0;
    }
    return moves;
}

/* SPEC: I4 */
static void lines_on_one_cpu_are_spread_to_ten_per_cent(void **state)
{
    static const unsigned sizes[] = {2, 4, 8, 16};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t cpus = (1ULL << sizes[i]) - 1;

        start(NULL);
        for (unsigned line = 0; line < 32; line++) {
            add_line(0, 30);
        }
        balance_lines(lines, count, cpus, busy, MARGIN);
        assert_true(spread(cpus) <= MARGIN);
        assert_int_equal(count_moves(cpus), 0);
    }
}

/* SPEC: I4 */
static void lines_go_to_the_cpu_that_has_no_other_work(void **state)
{
    (void)state;
    busy[0] = 900;
    busy[1] = 950;
    busy[3] = 800;
    add_line(0, 20);
    add_line(1, 0);
    balance_lines(lines, count, 0xf, busy, MARGIN);
    assert_int_equal(lines[0].cpu, 2);
    assert_int_equal(lines[1].cpu, 2);
}

/* SPEC: I4 */
static void a_line_does_not_take_its_load_from_one_cpu_to_the_next_and_back(void **state)
{
    (void)state;
    add_line(0, 600); /* wherever it is, that CPU is the busier one */
    assert_int_equal(count_moves(3), 0);
    busy[0] += 50; /* and that is not worth it */
    busy[1] += 500;
    assert_int_equal(count_moves(3), 0);
}

/* SPEC: I4 K7 */
static void no_line_stays_on_a_cpu_that_is_not_to_have_any(void **state)
{
    (void)state;
    add_line(2, 10);
    add_line(1, 5);
    busy[0] = 990;
    balance_lines(lines, count, 1, busy, MARGIN);
    assert_int_equal(lines[0].cpu, 0);
    assert_int_equal(lines[1].cpu, 0);
}

/* Two unequal lines for each CPU, from wherever they are: so few are placed as evenly as can be. */
/* SPEC: I4 */
static void pairs_that_make_the_same_are_found(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t size = 2 + (uint32_t)random_below(15);
        uint64_t cpus = (1ULL << size) - 1;
        uint32_t share = 100 + (uint32_t)random_below(800);

        start(NULL);
        for (uint32_t i = 0; i < size; i++) {
            uint32_t part = (uint32_t)random_below(share);

            add_line((uint32_t)random_below(size), part);
            add_line((uint32_t)random_below(size), share - part);
        }
        while (count_moves(cpus) != 0) {
        }
        assert_true(spread(cpus) < MARGIN);
    }
}

/* Graham's bound, where no rule that is as quick knows better. */
/* SPEC: I4 */
static void no_cpu_has_a_third_more_than_it_had_to(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t size = 2 + (uint32_t)random_below(15);
        uint32_t share = 300 + (uint32_t)random_below(600);
        uint64_t cpus = (1ULL << size) - 1;

        start(NULL);
        for (uint32_t i = 0; i < size; i++) {
            uint32_t left = share;

            for (unsigned n = 0; n < 3; n++) {
                uint32_t part = n == 2 ? left : (uint32_t)random_below(left);

                add_line((uint32_t)random_below(size), part);
                left -= part;
            }
        }
        while (count_moves(cpus) != 0) {
        }
        for (uint32_t cpu = 0; cpu < size; cpu++) {
            assert_true(taken_by_lines(cpu) <= share * 4 / 3 + MARGIN);
        }
    }
}

/* Whatever they do: afterwards no line alone would be better elsewhere, soon nothing moves any
 * more, and the busiest CPU has not become busier. */
/* SPEC: I4 */
static void random_lines_come_to_rest(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t cpus = (random_u64() & 0xffff) | 1;
        uint32_t before = 0;
        unsigned passes = 0;

        start(NULL);
        for (uint32_t cpu = 0; cpu < 16; cpu++) {
            busy[cpu] = (uint32_t)(random_below(500));
        }
        for (uint64_t left = random_below(LINES_MAX); left > 0; left--) {
            add_line((uint32_t)(random_below(16)), (uint32_t)(random_below(200)));
        }
        balance_lines(lines, count, cpus, busy, MARGIN); /* off the CPUs that have to be left */
        for (uint32_t cpu = 0; cpu < 16; cpu++) {
            before = (cpus >> cpu & 1) != 0 && busy[cpu] > before ? busy[cpu] : before;
        }
        while (count_moves(cpus) != 0) {
            assert_true(++passes < 20);
        }
        for (size_t i = 0; i < count; i++) {
            assert_true((cpus >> lines[i].cpu & 1) != 0);
            for (uint32_t cpu = 0; cpu < 16; cpu++) {
                assert_true(busy[cpu] <= before || (cpus >> cpu & 1) == 0);
                assert_false((cpus >> cpu & 1) != 0 && busy[lines[i].cpu] >= busy[cpu] + MARGIN &&
                             busy[lines[i].cpu] > busy[cpu] + lines[i].load);
            }
        }
    }
}

#define FRESH(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    print_message("# HELIX_SEED=%llu\n", (unsigned long long)random_start());

    const struct CMUnitTest tests[] = {
        FRESH(lines_on_one_cpu_are_spread_to_ten_per_cent),
        FRESH(lines_go_to_the_cpu_that_has_no_other_work),
        FRESH(a_line_does_not_take_its_load_from_one_cpu_to_the_next_and_back),
        FRESH(no_line_stays_on_a_cpu_that_is_not_to_have_any),
        FRESH(pairs_that_make_the_same_are_found),
        FRESH(no_cpu_has_a_third_more_than_it_had_to),
        FRESH(random_lines_come_to_rest),
    };

    return cmocka_run_group_tests_name("core/balance", tests, NULL, NULL);
}
