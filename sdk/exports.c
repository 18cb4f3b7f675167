/*
 * Every type that a module and the kernel must agree on, as the type of a variable each. The file
 * is never linked: tools/signatures reads its debug information. All headers of include/helix are
 * included on the compiler's command line.
 */
#include <core/gate/callout_list.h>
#include <helix/category_list.h>
#include <helix/module.h>

#define EXPORT_FUNCTION(number, name, handler, effects)                                            \
    __typeof__(name) *const function_##name = name;
CALLOUT_LIST(EXPORT_FUNCTION)
#undef EXPORT_FUNCTION

#define EXPORT_CATEGORY(enumerator, number, name, operations)                                      \
    const struct operations *category_##number;                                                    \
    const char category_name_##number[] = name;
HX_CATEGORY_LIST(EXPORT_CATEGORY)
#undef EXPORT_CATEGORY

const struct hx_module_descriptor *descriptor;
