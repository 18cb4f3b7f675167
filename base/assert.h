/*
 * Assertions that speak, in two grades.
 *
 * - HX_ASSERT: always compiled; for what would corrupt memory or state if it were false.
 * - HX_DEBUG_ASSERT: debug builds only; for what costs too much on a hot path.
 * The sentence says what must hold, for the reader of the panic report.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <helix/attributes.h>

/*
 * Report a failed assertion and do not return. Supplied by whoever links this layer: core/panic in
 * the kernel (panic, or death of the module that is on the processor).  Context: any.
 */
HX_NORETURN HX_COLD void assert_failed(const char *sentence, const char *expression,
                                       const char *file, int line);

#define HX_ASSERT(condition, sentence)                                                             \
    do {                                                                                           \
        if (HX_UNLIKELY(!(condition))) {                                                           \
            assert_failed(sentence, #condition, __FILE__, __LINE__);                               \
        }                                                                                          \
    } while (0)

#ifdef HX_DEBUG
#define HX_DEBUG_ASSERT(condition, sentence) HX_ASSERT(condition, sentence)
#else
#define HX_DEBUG_ASSERT(condition, sentence) ((void)sizeof(!(condition)))
#endif

#endif
