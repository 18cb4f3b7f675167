/*
 * The operations of a category of modules: one list from which enum, table and properties are made.
 *
 * Rules:
 * - A category's header has HX_NAME_OPERATION_LIST(X) with rows
 *   X(enumerator, member, result type, (parameters), property): the kernel calls by the enumerator,
 *   the module fills in the member.
 * - At most four parameters, each of them fits a register.
 * - A list only grows at its end: a module built before has fewer operations, and a call of one
 * that is not there gives HX_ENOSYS.
 */
#ifndef HELIX_OPERATION_H
#define HELIX_OPERATION_H

/* What a call leaves behind; the kernel keeps it, a module cannot say otherwise. */
enum hx_operation_property {
    HX_OPERATION_READS,   /* nothing: may be repeated, on another instance too */
    HX_OPERATION_MUTATES, /* the module's state: journalled while a new version is on probation */
};

#define HX_OPERATION_ENUM(enumerator, member, result, parameters, property) enumerator,
#define HX_OPERATION_MEMBER(enumerator, member, result, parameters, property)                      \
    result(*member) parameters;
#define HX_OPERATION_PROPERTY(enumerator, member, result, parameters, property)                    \
    [enumerator] = (property),

#endif
