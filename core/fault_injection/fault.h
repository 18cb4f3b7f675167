/*
 * Faults that are put into a module on purpose: what there are, and what one of them is, chosen at
 * random from a seed.
 *
 * Rules:
 * - Pure: from the same code, class and seed comes the same fault.
 * - A fault of code is not in the code at once: a trap stands at its place, so that it is known
 *   whether anybody came there (fault_injection.h). What is in memory is there at once.
 * - The classes of code are those of Ng and Chen, "The systematic improvement of fault tolerance in
 *   the Rio file cache" (FTCS 1999), table 1, which Nooks and MINIX 3 used too; the others are what
 *   a module can get wrong towards this kernel.
 */
#ifndef CORE_FAULT_INJECTION_FAULT_H
#define CORE_FAULT_INJECTION_FAULT_H

#include <hal/code.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enumerator, name, where it is put, what it is) */
#define FAULT_CLASS_LIST(X)                                                                        \
    X(FAULT_TEXT_FLIP, "text-flip", CODE, "a bit of an instruction is the other one")              \
    X(FAULT_DATA_FLIP, "data-flip", MEMORY, "a bit of its data is the other one")                  \
    X(FAULT_HEAP_FLIP, "heap-flip", MEMORY, "a bit of its heap is the other one")                  \
    X(FAULT_STACK_FLIP, "stack-flip", STACK, "a bit of what is on its stack is the other one")     \
    X(FAULT_REGISTER_FLIP, "register-flip", REGISTER, "a bit of a register is the other one")      \
    X(FAULT_SOURCE, "source", CODE, "an instruction reads another register")                       \
    X(FAULT_DESTINATION, "destination", CODE, "an instruction writes another register")            \
    X(FAULT_POINTER, "pointer", CODE, "an instruction reaches memory through another register")    \
    X(FAULT_REMOVED, "removed", CODE, "an instruction is not there")                               \
    X(FAULT_CHANGED, "changed", CODE, "a byte of an instruction is another one")                   \
    X(FAULT_LOOP, "loop-condition", CODE, "a branch back is taken when it should not be")          \
    X(FAULT_BRANCH, "branch-condition", CODE, "a branch ahead is taken when it should not be")     \
    X(FAULT_ARGUMENT, "argument", CODE, "an argument of a call is not set")                        \
    X(FAULT_NULL, "null-pointer", REGISTER, "memory is reached through 0")                         \
    X(FAULT_WILD, "wild-pointer", REGISTER, "memory is reached through any number")                \
    X(FAULT_RESULT, "wrong-result", REGISTER, "a function answers any number")                     \
    X(FAULT_ENDLESS, "endless-loop", CODE, "it loops for ever")                                    \
    X(FAULT_DEAF, "endless-loop-deaf", CODE, "it loops for ever, with interrupts off")             \
    X(FAULT_DOUBLE_FREE, "double-free", HEAP, "memory of its heap is free while it is in use")     \
    X(FAULT_LEAK, "leak", HEAP, "its heap is full of what nobody uses")                            \
    X(FAULT_LOCK, "lock-kept", KERNEL, "a lock that it gives back stays held")                     \
    X(FAULT_STATE, "exported-state", KERNEL, "it ends, and its last checkpoint has a wrong bit")

enum fault_place {
    FAULT_IN_CODE,
    FAULT_IN_REGISTER,
    FAULT_IN_STACK,
    FAULT_IN_MEMORY,
    FAULT_IN_HEAP,
    FAULT_IN_KERNEL, /* what it asks of the kernel goes wrong */
};

#define FAULT_CLASS_ENUM(name, text, place, meaning) name,
enum fault_class { FAULT_CLASS_LIST(FAULT_CLASS_ENUM) FAULT_CLASS_COUNT };
#undef FAULT_CLASS_ENUM

const char *fault_class_name(enum fault_class class);
const char *fault_class_meaning(enum fault_class class);
enum fault_place fault_class_place(enum fault_class class);

/* The class of a name.  Errors: HX_ENOENT.  Context: any. */
HX_MUST_USE hx_err fault_class_find(const char *name, size_t length, enum fault_class *class);

/* What is to happen when the trap is reached, or at once. */
struct fault {
    enum fault_class class;
    uint64_t offset; /* of the trap, in the code; of the byte, in memory */
    /* FAULT_IN_CODE: these bytes stand there from then on. */
    uint8_t length;
    uint8_t bytes[HAL_CODE_MAX];
    /* FAULT_IN_REGISTER: it is xored with or set to value. FAULT_IN_STACK: the word so many bytes
     * above the stack pointer is xored with it. FAULT_IN_MEMORY: the byte is. FAULT_IN_KERNEL: it
     * picks what of it goes wrong. */
    uint8_t number; /* of the register */
    bool is_set;
    uint64_t distance;
    uint64_t value;
};

/*
 * Choose a fault of class for size bytes of code; for FAULT_IN_MEMORY and FAULT_IN_HEAP for size
 * bytes of memory, of which code, then NULL, tells nothing; FAULT_IN_KERNEL has no size but 0 or 1.
 * Context: any; its time grows with size.
 * Errors: HX_ENOENT there is no instruction that it could befall, or size is 0.
 */
HX_MUST_USE hx_err fault_choose(const uint8_t *code, size_t size, enum fault_class class,
                                uint64_t seed, struct fault *fault);

#endif
