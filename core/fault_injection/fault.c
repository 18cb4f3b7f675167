/* Choosing faults. */
#include <base/memory.h>
#include <base/string.h>
#include <core/fault_injection/fault.h>

#define STACK_REACH     32U /* words above the stack pointer */
#define BITS_OF_WORD    64U
#define BITS_OF_BYTE    8U
#define REGISTERS       16U
#define ARGUMENT_REACH  6U /* instructions between an argument and its call */
#define ANY_INSTRUCTION 0U

/* --- classes ---------------------------------------------------------------------------------- */

struct class_row {
    const char *name;
    const char *meaning;
    enum fault_place place;
};

static const struct class_row classes[] = {
#define CLASS_ROW(enumerator, text, where, what)                                                   \
    [enumerator] = {.name = (text), .meaning = (what), .place = FAULT_IN_##where},
    FAULT_CLASS_LIST(CLASS_ROW)
#undef CLASS_ROW
};

const char *fault_class_name(enum fault_class class)
{
    return (unsigned)class < FAULT_CLASS_COUNT ? classes[class].name : "unknown";
}

const char *fault_class_meaning(enum fault_class class)
{
    return (unsigned)class < FAULT_CLASS_COUNT ? classes[class].meaning : "";
}

enum fault_place fault_class_place(enum fault_class class)
{
    return classes[class].place;
}

hx_err fault_class_find(const char *name, size_t length, enum fault_class *class)
{
    for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++) {
        if (string_length(classes[i].name) == length &&
            memcmp(classes[i].name, name, length) == 0) {
            *class = (enum fault_class)i;
            return HX_OK;
        }
    }
    return HX_ENOENT;
}

/* --- chance ----------------------------------------------------------------------------------- */

/* Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

/* A number that is most likely no good: of one of the kinds that go wrong in different ways. */
static uint64_t draw_wild(uint64_t *state)
{
    uint64_t number = draw(state);

    switch (number & 3U) {
    case 0:
        return number >> 44; /* low: the first pages */
    case 1:
        return number >> 17; /* a program's */
    case 2:
        return number | 0xffff800000000000ULL; /* the kernel's */
    default:
        return number;
    }
}

static uint64_t draw_result(uint64_t *state)
{
    uint64_t number = draw(state);

    switch (number & 3U) {
    case 0:
        return 0;
    case 1:
        return number >> 60; /* small, like a count */
    case 2:
        return 0 - (number >> 58); /* small and negative, like an error */
    default:
        return number;
    }
}

/* --- instructions ----------------------------------------------------------------------------- */

/* Which instructions a class can befall, and what it makes of them. */
struct recipe {
    uint16_t traits;
    bool is_changed; /* else the class says itself what becomes of it */
    enum hal_code_change change;
};

static struct recipe recipe_of(enum fault_class class)
{
    static const struct recipe recipes[FAULT_CLASS_COUNT] = {
        [FAULT_SOURCE] = {HAL_CODE_SOURCE, true, HAL_CODE_CHANGE_SOURCE},
        [FAULT_DESTINATION] = {HAL_CODE_DESTINATION, true, HAL_CODE_CHANGE_DESTINATION},
        [FAULT_POINTER] = {HAL_CODE_POINTER, true, HAL_CODE_CHANGE_POINTER},
        [FAULT_REMOVED] = {ANY_INSTRUCTION, true, HAL_CODE_REMOVE},
        [FAULT_CHANGED] = {ANY_INSTRUCTION, true, HAL_CODE_CHANGE_BYTE},
        [FAULT_LOOP] = {HAL_CODE_CONDITION, true, HAL_CODE_INVERT},
        [FAULT_BRANCH] = {HAL_CODE_CONDITION, true, HAL_CODE_INVERT},
        [FAULT_ARGUMENT] = {HAL_CODE_ARGUMENT, true, HAL_CODE_REMOVE},
        [FAULT_ENDLESS] = {ANY_INSTRUCTION, true, HAL_CODE_LOOP},
        [FAULT_DEAF] = {ANY_INSTRUCTION, true, HAL_CODE_LOOP_DEAF},
        [FAULT_NULL] = {HAL_CODE_POINTER, false, HAL_CODE_REMOVE},
        [FAULT_WILD] = {HAL_CODE_POINTER, false, HAL_CODE_REMOVE},
        [FAULT_RESULT] = {HAL_CODE_RETURN, false, HAL_CODE_REMOVE},
    };

    return recipes[class];
}

struct scan {
    const uint8_t *code;
    size_t size;
    enum fault_class class;
};

/* Whether a call follows an argument closely, on the same way. */
static bool is_before_call(const struct scan *scan, size_t at)
{
    struct hal_code code;

    for (unsigned i = 0; i < ARGUMENT_REACH && at < scan->size; i++) {
        if (!hal_code_read(scan->code + at, scan->size - at, &code)) {
            return false;
        }
        if ((code.traits & HAL_CODE_BRANCH) != 0) {
            return (code.traits & HAL_CODE_CALL) != 0;
        }
        at += code.length;
    }
    return false;
}

/* A trap stands between functions too, where nobody comes: no instruction of the module's. */
static bool is_candidate(const struct scan *scan, size_t at, const struct hal_code *code)
{
    uint16_t traits = recipe_of(scan->class).traits;

    if ((code->traits & traits) != traits || scan->code[at] == hal_code_trap()) {
        return false;
    }
    switch (scan->class) {
    case FAULT_LOOP:
        return code->target < 0;
    case FAULT_BRANCH:
        return code->target >= 0;
    case FAULT_ARGUMENT:
        return is_before_call(scan, at + code->length);
    case FAULT_ENDLESS:
    case FAULT_DEAF:
        return at + HAL_CODE_MAX <= scan->size;
    default:
        return true;
    }
}

/* Instructions that can be befallen; number wanted of them is *at and *code. */
static uint64_t scan_code(const struct scan *scan, uint64_t wanted, size_t *found,
                          struct hal_code *found_code)
{
    struct hal_code code;
    uint64_t count = 0;

    for (size_t at = 0; at < scan->size; at += code.length) {
        if (!hal_code_read(scan->code + at, scan->size - at, &code)) {
            code.length = 1; /* data, or what no compiler makes */
        } else if (is_candidate(scan, at, &code) && count++ == wanted) {
            *found = at;
            *found_code = code;
        }
    }
    return count;
}

static void change_code(const struct scan *scan, const struct hal_code *code, uint64_t *chance,
                        struct fault *fault)
{
    struct recipe recipe = recipe_of(scan->class);
    const uint8_t *bytes = scan->code + fault->offset;

    if (recipe.is_changed) {
        fault->length =
            (uint8_t)hal_code_change(recipe.change, bytes, code, draw(chance), fault->bytes);
    } else { /* FAULT_TEXT_FLIP */
        uint64_t bit = draw(chance) % (code->length * BITS_OF_BYTE);

        fault->length = code->length;
        memcpy(fault->bytes, bytes, code->length);
        fault->bytes[bit / BITS_OF_BYTE] ^= (uint8_t)(1U << bit % BITS_OF_BYTE);
    }
}

static void change_register(const struct hal_code *code, uint64_t *chance, struct fault *fault)
{
    fault->is_set = fault->class != FAULT_REGISTER_FLIP;
    fault->number = code->pointer;
    if (fault->class == FAULT_REGISTER_FLIP) {
        fault->number = (uint8_t)(draw(chance) % REGISTERS);
        fault->value = 1ULL << draw(chance) % BITS_OF_WORD;
    } else if (fault->class == FAULT_WILD) {
        fault->value = draw_wild(chance);
    } else if (fault->class == FAULT_RESULT) {
        fault->number = (uint8_t)hal_code_result_register();
        fault->value = draw_result(chance);
    }
}

static hx_err choose_instruction(const struct scan *scan, uint64_t *chance, struct fault *fault)
{
    struct hal_code code = {0};
    size_t at = 0;
    uint64_t count = scan_code(scan, UINT64_MAX, &at, &code);

    if (count == 0) {
        return HX_ENOENT;
    }
    (void)scan_code(scan, draw(chance) % count, &at, &code);
    fault->offset = at;
    if (fault_class_place(scan->class) == FAULT_IN_CODE) {
        change_code(scan, &code, chance, fault);
    } else if (fault_class_place(scan->class) == FAULT_IN_REGISTER) {
        change_register(&code, chance, fault);
    } else {
        fault->distance = draw(chance) % STACK_REACH * sizeof(uint64_t);
        fault->value = 1ULL << draw(chance) % BITS_OF_WORD;
    }
    return HX_OK;
}

hx_err fault_choose(const uint8_t *code, size_t size, enum fault_class class, uint64_t seed,
                    struct fault *fault)
{
    const struct scan scan = {.code = code, .size = size, .class = class};
    enum fault_place place = fault_class_place(class);
    uint64_t chance = seed;

    *fault = (struct fault){.class = class};
    if (size == 0) {
        return HX_ENOENT;
    }
    if (place == FAULT_IN_MEMORY || place == FAULT_IN_HEAP) {
        fault->offset = draw(&chance) % size;
        fault->value = 1ULL << draw(&chance) % BITS_OF_BYTE;
        return HX_OK;
    }
    if (place == FAULT_IN_KERNEL) {
        fault->value = draw(&chance);
        return HX_OK;
    }
    return choose_instruction(&scan, &chance, fault);
}
