/*
 * The categories of modules as the kernel knows them: how many operations each has, and what a call
 * of them leaves behind.
 */
#ifndef CORE_GATE_CATEGORY_H
#define CORE_GATE_CATEGORY_H

#include <helix/category_list.h>
#include <helix/operation.h>
#include <stdbool.h>
#include <stdint.h>

struct category {
    enum hx_category number;
    const char *name;
    const uint8_t *properties; /* enum hx_operation_property of each operation */
    uint32_t operation_count;
};

/* NULL: there is no such category.  Context: any. */
const struct category *category_find(uint32_t number);

/* Whether a call of an operation is to be journalled.  Context: any. */
static inline bool category_mutates(const struct category *category, uint64_t operation)
{
    return operation < category->operation_count &&
           category->properties[operation] == HX_OPERATION_MUTATES;
}

#endif
