#include <hal/clock.h>
#include <subsys/helixfs/event_queue.h>

/* --- publishers ------------------------------------------------------------------------------- */

static void put_locked(struct event_queue *queue, const struct kernel_event *event)
{
    struct event_record *record = &queue->ring[queue->written % EVENT_QUEUE_SIZE];

    if (queue->written - queue->read == EVENT_QUEUE_SIZE) {
        queue->dropped++;
        return;
    }
    record->time_ns = hal_clock_now();
    record->dropped_before = queue->dropped;
    record->event = *event;
    queue->dropped = 0;
    queue->written++;
}

static enum event_answer note(void *argument, const struct kernel_event *event)
{
    struct event_queue *queue = argument;
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool was_empty = queue->written == queue->read;

    put_locked(queue, event);
    spinlock_release(&queue->lock, state);
    if (was_empty) {
        wait_queue_wake_all(&queue->readable);
    }
    return EVENT_CONTINUE;
}

/* --- subscribing ------------------------------------------------------------------------------ */

static hx_err subscribe(struct event_queue *queue, event_topics topics,
                        event_subscription *subscription)
{
    return event_subscribe(
        &(struct event_subscriber){.topics = topics,
                                   .callback = note,
                                   .argument = queue,
                                   .contexts = EVENT_IN_THREAD | EVENT_IN_INTERRUPT},
        subscription);
}

hx_err event_queue_init(struct event_queue *queue, event_topics topics)
{
    spinlock_init(&queue->lock, LOCK_RANK_CORE, "event queue");
    wait_queue_init(&queue->readable, "event queue");
    return subscribe(queue, topics, &queue->subscription);
}

void event_queue_fini(struct event_queue *queue)
{
    (void)!event_unsubscribe(queue->subscription);
}

hx_err event_queue_choose(struct event_queue *queue, event_topics topics)
{
    event_subscription made;
    hx_err error = subscribe(queue, topics, &made);

    if (error == HX_OK) {
        (void)!event_unsubscribe(queue->subscription);
        queue->subscription = made;
    }
    return error;
}

/* --- readers ---------------------------------------------------------------------------------- */

bool event_queue_take(struct event_queue *queue, struct event_record *record)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool is_there = queue->read != queue->written;

    if (is_there) {
        *record = queue->ring[queue->read++ % EVENT_QUEUE_SIZE];
    }
    spinlock_release(&queue->lock, state);
    return is_there;
}

bool event_queue_is_empty(struct event_queue *queue)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool is_empty = queue->read == queue->written;

    spinlock_release(&queue->lock, state);
    return is_empty;
}
