/* Removed files whose blocks the module was not there to give back: it is asked again. */
#include <core/debug/log.h>
#include <kern/heap.h>
#include <subsys/mounted/mounted_private.h>
#include <subsys/time/wall_clock.h>

/* Keys: M = mounted.mutex */
struct forgotten {
    struct forgotten *next; /* M */
    uint64_t number;        /* M  of the inode, which is nobody's until it is given back */
};

static void keep(struct mounted *mounted, uint64_t number)
{
    struct forgotten *fresh = heap_allocate_zeroed(sizeof(*fresh), OWNER_CORE);

    if (fresh == NULL) {
        kwarn("mounted: inode %llu stays taken until e2fsck finds it", (unsigned long long)number);
        return;
    }
    *fresh = (struct forgotten){.next = mounted->forgotten, .number = number};
    mounted->forgotten = fresh;
}

static hx_err forget(struct mounted *mounted, uint64_t number)
{
    return mounted_call_on(mounted, FILE_SYSTEM_FORGET, number, wall_clock_now());
}

/* Any answer but that nobody answered is one: what is wrong with the inode stays wrong. */
void mounted_forget(struct mounted *mounted, uint64_t number)
{
    if (forget(mounted, number) == HX_EIO) {
        keep(mounted, number);
    }
}

void mounted_forget_again(struct mounted *mounted)
{
    struct forgotten *first;

    mutex_lock(&mounted->mutex);
    while ((first = mounted->forgotten) != NULL && slot_instance(mounted->slot) != NULL &&
           forget(mounted, first->number) != HX_EIO) {
        mounted->forgotten = first->next;
        heap_free(first);
    }
    mutex_unlock(&mounted->mutex);
}

void mounted_forget_end(struct mounted *mounted)
{
    struct forgotten *first;

    while ((first = mounted->forgotten) != NULL) {
        kwarn("mounted: inode %llu stays taken until e2fsck finds it",
              (unsigned long long)first->number);
        mounted->forgotten = first->next;
        heap_free(first);
    }
}
