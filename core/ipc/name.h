/*
 * Names of topics and mailboxes: 1 to IPC_NAME_MAX - 1 of the bytes a-z A-Z 0-9 . _ -
 */
#ifndef CORE_IPC_NAME_H
#define CORE_IPC_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define IPC_NAME_MAX 32U /* bytes with the NUL */

static inline bool ipc_name_has(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

/* Looks at no more than IPC_NAME_MAX bytes; NULL is no name.  Context: any. */
static inline bool ipc_name_is_valid(const char *name)
{
    size_t length = 0;

    if (name == NULL) {
        return false;
    }
    while (length < IPC_NAME_MAX && ipc_name_has(name[length])) {
        length++;
    }
    return length > 0 && length < IPC_NAME_MAX && name[length] == '\0';
}

#endif
