/* Faults chosen from a seed. */
#include <base/memory.h>
#include <core/fault_injection/fault.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A function with one of everything; what stands where is told beside it. */
static const uint8_t code[] = {
    0x55,                         /*  0 push %rbp */
    0x48, 0x8b, 0x07,             /*  1 mov (%rdi),%rax */
    0x48, 0x85, 0xc0,             /*  4 test %rax,%rax */
    0x74, 0x0c,                   /*  7 je 21 */
    0x31, 0xd2,                   /*  9 xor %edx,%edx */
    0x48, 0x89, 0xc7,             /* 11 mov %rax,%rdi */
    0xe8, 0x10, 0x00, 0x00, 0x00, /* 14 call */
    0x75, 0xeb,                   /* 19 jne 0 */
    0xba, 0x01, 0x00, 0x00, 0x00, /* 21 mov $1,%edx */
    0x5d,                         /* 26 pop %rbp */
    0xc3,                         /* 27 ret */
    0xcc, 0xcc, 0xcc, 0xcc,       /* 28 between functions */
};

static hx_err choose(enum fault_class class, uint64_t seed, struct fault *fault)
{
    return fault_choose(code, sizeof(code), class, seed, fault);
}

/* All places that seeds lead to, as a set of bits. */
static uint64_t places_of(enum fault_class class)
{
    uint64_t places = 0;
    struct fault fault;

    for (uint64_t seed = 0; seed < 500; seed++) {
        assert_int_equal(choose(class, seed, &fault), HX_OK);
        places |= 1ULL << fault.offset;
    }
    return places;
}

#define AT(offset) (1ULL << (offset))

static void a_class_befalls_the_instructions_that_it_can(void **state)
{
    const uint64_t every =
        AT(0) | AT(1) | AT(4) | AT(7) | AT(9) | AT(11) | AT(14) | AT(19) | AT(21) | AT(26) | AT(27);

    (void)state;
    assert_int_equal(places_of(FAULT_TEXT_FLIP), every);
    assert_int_equal(places_of(FAULT_REMOVED), every);
    assert_int_equal(places_of(FAULT_REGISTER_FLIP), every);
    assert_int_equal(places_of(FAULT_STACK_FLIP), every);
    assert_int_equal(places_of(FAULT_BRANCH), AT(7));
    assert_int_equal(places_of(FAULT_LOOP), AT(19));
    assert_int_equal(places_of(FAULT_ARGUMENT), AT(9) | AT(11)); /* not 21: no call follows */
    assert_int_equal(places_of(FAULT_NULL), AT(1));
    assert_int_equal(places_of(FAULT_WILD), AT(1));
    assert_int_equal(places_of(FAULT_POINTER), AT(1));
    assert_int_equal(places_of(FAULT_RESULT), AT(27));
    assert_int_equal(places_of(FAULT_SOURCE), AT(4) | AT(9) | AT(11));
}

static void the_same_seed_makes_the_same_fault(void **state)
{
    struct fault first;
    struct fault second;

    (void)state;
    for (unsigned class = 0; class < FAULT_CLASS_COUNT; class ++) {
        for (uint64_t seed = 0; seed < 50; seed++) {
            assert_int_equal(choose((enum fault_class) class, seed, &first), HX_OK);
            assert_int_equal(choose((enum fault_class) class, seed, &second), HX_OK);
            assert_memory_equal(&first, &second, sizeof(first));
        }
    }
}

static void a_flipped_bit_is_one_bit(void **state)
{
    struct fault fault;
    unsigned bits;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bits = 0;
        assert_int_equal(choose(FAULT_TEXT_FLIP, seed, &fault), HX_OK);
        for (size_t i = 0; i < fault.length; i++) {
            bits +=
                (unsigned)__builtin_popcount((unsigned)(fault.bytes[i] ^ code[fault.offset + i]));
        }
        assert_int_equal(bits, 1);
        assert_int_equal(choose(FAULT_REGISTER_FLIP, seed, &fault), HX_OK);
        assert_int_equal(__builtin_popcountll(fault.value), 1);
        assert_true(fault.number < 16 && !fault.is_set);
        assert_int_equal(choose(FAULT_DATA_FLIP, seed, &fault), HX_OK);
        assert_true(fault.value < 256 && __builtin_popcountll(fault.value) == 1);
    }
}

static void what_has_no_place_is_refused(void **state)
{
    static const uint8_t nothing[] = {0x90, 0xc3};
    struct fault fault;

    (void)state;
    assert_int_equal(fault_choose(nothing, sizeof(nothing), FAULT_NULL, 1, &fault), HX_ENOENT);
    assert_int_equal(fault_choose(nothing, sizeof(nothing), FAULT_LOOP, 1, &fault), HX_ENOENT);
    assert_int_equal(fault_choose(nothing, 0, FAULT_REMOVED, 1, &fault), HX_ENOENT);
    assert_int_equal(fault_choose(NULL, 0, FAULT_HEAP_FLIP, 1, &fault), HX_ENOENT);
    assert_int_equal(fault_choose(NULL, 0, FAULT_LOCK, 1, &fault), HX_ENOENT);
    assert_int_equal(fault_choose(NULL, 1, FAULT_STATE, 1, &fault), HX_OK);
    /* A loop with interrupts off takes three bytes; it must not reach beyond the code. */
    assert_int_equal(fault_choose(nothing, sizeof(nothing), FAULT_DEAF, 1, &fault), HX_ENOENT);
}

static void classes_are_found_by_their_names(void **state)
{
    enum fault_class class;

    (void)state;
    for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++) {
        const char *name = fault_class_name((enum fault_class)i);

        assert_int_equal(fault_class_find(name, strlen(name), &class), HX_OK);
        assert_int_equal(class, i);
        assert_true(fault_class_meaning(class)[0] != '\0');
    }
    assert_int_equal(fault_class_find("sour", 4, &class), HX_ENOENT);
    assert_int_equal(fault_class_find("sources", 7, &class), HX_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_befalls_the_instructions_that_it_can),
        cmocka_unit_test(the_same_seed_makes_the_same_fault),
        cmocka_unit_test(a_flipped_bit_is_one_bit),
        cmocka_unit_test(what_has_no_place_is_refused),
        cmocka_unit_test(classes_are_found_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
