/* The queue of a mailbox: four priorities, first in first out in each, and no starving. */
#include <base/assert.h>
#include <core/ipc/mailbox.h>
#include <stddef.h>

void mailbox_queue_init(struct mailbox *mailbox, struct envelope *envelopes, uint32_t capacity)
{
    for (size_t i = 0; i < ROUTER_PRIORITY_COUNT; i++) {
        list_init(&mailbox->queues[i]);
        mailbox->queued[i] = 0;
    }
    list_init(&mailbox->unused);
    for (uint32_t i = 0; i < capacity; i++) {
        list_push_back(&mailbox->unused, &envelopes[i].parcel.link);
    }
    mailbox->envelopes = envelopes;
    mailbox->capacity = capacity;
    mailbox->waiting = 0;
    mailbox->passed = 0;
    mailbox->sent = 0;
}

void mailbox_queue_put(struct mailbox *mailbox, struct parcel *parcel)
{
    parcel->number = ++mailbox->sent;
    list_push_back(&mailbox->queues[parcel->priority], &parcel->link);
    mailbox->queued[parcel->priority]++;
    mailbox->waiting++;
}

void mailbox_queue_put_copy(struct mailbox *mailbox, enum router_priority priority,
                            const struct router_message *message, uint32_t sender)
{
    struct list *unused = list_pop_front(&mailbox->unused);
    struct envelope *envelope;

    HX_ASSERT(unused != NULL, "who puts an envelope in has seen that there is room");
    envelope = LIST_ENTRY(unused, struct envelope, parcel.link);
    router_message_copy(&envelope->message, message);
    envelope->sender = sender;
    envelope->parcel.message = &envelope->message;
    envelope->parcel.priority = priority;
    envelope->parcel.has_client = false;
    mailbox_queue_put(mailbox, &envelope->parcel);
}

static struct parcel *first_of(const struct mailbox *mailbox, int priority)
{
    return mailbox->queued[priority] != 0
               ? LIST_ENTRY(mailbox->queues[priority].next, struct parcel, link)
               : NULL;
}

/* The oldest of those below a priority. */
static struct parcel *oldest_below(const struct mailbox *mailbox, int priority)
{
    struct parcel *oldest = NULL;

    while (--priority >= 0) {
        struct parcel *parcel = first_of(mailbox, priority);

        if (parcel != NULL && (oldest == NULL || parcel->number < oldest->number)) {
            oldest = parcel;
        }
    }
    return oldest;
}

static struct parcel *choose(struct mailbox *mailbox)
{
    int top = ROUTER_PRIORITY_COUNT - 1;
    struct parcel *lower;

    while (mailbox->queued[top] == 0) {
        top--;
    }
    lower = oldest_below(mailbox, top);
    if (lower == NULL) {
        mailbox->passed = 0;
    } else if (mailbox->passed++ == ROUTER_STARVATION_BOUND) {
        mailbox->passed = 0;
        return lower;
    }
    return first_of(mailbox, top);
}

void mailbox_queue_remove(struct mailbox *mailbox, struct parcel *parcel)
{
    list_remove(&parcel->link);
    mailbox->queued[parcel->priority]--;
    mailbox->waiting--;
}

struct parcel *mailbox_queue_take(struct mailbox *mailbox)
{
    struct parcel *parcel = choose(mailbox);

    mailbox_queue_remove(mailbox, parcel);
    return parcel;
}

void mailbox_envelope_free(struct mailbox *mailbox, struct parcel *parcel)
{
    list_push_back(&mailbox->unused, &parcel->link);
}
