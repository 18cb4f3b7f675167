/*
 * Compiler attributes under names that say what they are for.
 * Free of code: any header may include this one.
 */
#ifndef HELIX_ATTRIBUTES_H
#define HELIX_ATTRIBUTES_H

#define HX_MUST_USE      __attribute__((warn_unused_result))
#define HX_NORETURN      __attribute__((noreturn))
#define HX_COLD          __attribute__((cold, noinline))
#define HX_ALWAYS_INLINE inline __attribute__((always_inline))
#define HX_NOINLINE      __attribute__((noinline))
/*
 * For the slow half of a hot function: a call to it costs the caller no registers, where supported.
 * Only for functions that return nothing: clang 14 preserves the result's register too.
 */
#if __has_attribute(preserve_most)
#define HX_PRESERVE_REGISTERS __attribute__((preserve_most, noinline))
#else
#define HX_PRESERVE_REGISTERS __attribute__((noinline))
#endif
/* No canary in the function's frame, for a reason that stands beside it. */
#define HX_NO_CANARY         __attribute__((no_stack_protector))
#define HX_PACKED            __attribute__((packed))
#define HX_ALIGNED(n)        __attribute__((aligned(n)))
#define HX_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HX_UNUSED            __attribute__((unused))
#define HX_USED              __attribute__((used))
#define HX_SECTION(name)     __attribute__((section(name)))

/* Before `return f(…)` of the same type: a jump, not a call; only advice where the compiler cannot.
 */
#if __has_attribute(musttail)
#define HX_TAIL_CALL __attribute__((musttail))
#else
#define HX_TAIL_CALL
#endif

#define HX_LIKELY(x)   __builtin_expect(!!(x), 1)
#define HX_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define HX_CACHE_LINE 64

#define HX_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The structure of the given type that contains `member` at address ptr. */
#define HX_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
