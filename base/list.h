/*
 * Intrusive doubly linked list with a sentinel head.
 *
 * Rules:
 * - A node is on at most one list; list_remove leaves it self-linked, so removing twice is
 * harmless.
 * - No locking: the owner of the list says which lock covers it.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(name)                                                                            \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

static inline void list_init(struct list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
    node->next = next;
    node->prev = prev;
    prev->next = node;
    next->prev = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_between(node, head, head->next);
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_between(node, head->prev, head);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Take the first node off; NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *node = head->next;

    if (node == head) {
        return NULL;
    }
    list_remove(node);
    return node;
}

#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list *node = (head)->next; (node) != (head); (node) = (node)->next)

#define LIST_ENTRY(node, type, member) HX_CONTAINER_OF(node, type, member)

#endif
