#include <subsys/vfs/noted_queue.h>

void noted_queue_unlock_and_wake(struct noted_queue *queue, struct mutex *mutex)
{
    queue->is_awaited = false;
    mutex_unlock_inline(mutex);
    wait_queue_wake_all(&queue->queue);
}
