/* Signals that wait. */
#include <base/memory.h>
#include <kern/heap.h>
#include <subsys/process/signal_private.h>

void signal_pending_init(struct signal_pending *pending)
{
    pending->mask = 0;
    pending->count = 0;
    list_init(&pending->queued);
}

void signal_pending_fini(struct signal_pending *pending)
{
    struct list *node;

    while ((node = list_pop_front(&pending->queued)) != NULL) {
        struct signal_entry *entry = LIST_ENTRY(node, struct signal_entry, link);

        if (!entry->is_kept) {
            heap_free(entry);
        }
    }
}

/* --- entries of timers --------------------------------------------------------------------------
 */

struct signal_entry *signal_entry_make_kept(void)
{
    struct signal_entry *entry = heap_allocate_zeroed(sizeof(*entry), OWNER_CORE);

    if (entry != NULL) {
        list_init(&entry->link);
        entry->is_kept = true;
    }
    return entry;
}

bool signal_entry_let_go_locked(struct signal_entry *entry)
{
    bool is_free = list_is_empty(&entry->link);

    entry->is_kept = is_free;
    return is_free;
}

bool signal_pending_count_again_locked(struct signal_pending *pending,
                                       const struct hal_signal_info *info,
                                       const struct signal_entry *entry, int32_t times)
{
    unsigned number = (unsigned)info->number;
    struct signal_detail *detail = NULL;

    if (entry != NULL && !list_is_empty(&entry->link)) {
        detail = (struct signal_detail *)&entry->detail;
    } else if (entry == NULL && (pending->mask & signal_bit(number)) != 0 &&
               pending->standard[number - 1].code == info->code &&
               (uint32_t)pending->standard[number - 1].fields[0] == (uint32_t)info->fields[0]) {
        detail = &pending->standard[number - 1];
    }
    if (detail != NULL) {
        detail->fields[0] += (uint64_t)(uint32_t)times << 32;
    }
    return detail != NULL;
}

/* --- adding and taking --------------------------------------------------------------------------
 */

static struct signal_detail detail_of(const struct hal_signal_info *info)
{
    return (struct signal_detail){info->code, info->error, {info->fields[0], info->fields[1]}};
}

void signal_pending_add_locked(struct signal_pending *pending, const struct hal_signal_info *info,
                               struct signal_entry **entry)
{
    unsigned number = (unsigned)info->number;
    bool is_new = (pending->mask & signal_bit(number)) == 0;

    pending->mask |= signal_bit(number);
    if (number <= SIGNAL_STANDARD) {
        if (is_new) {
            pending->standard[number - 1] = detail_of(info);
        }
        return;
    }
    if (*entry != NULL) {
        (*entry)->number = number;
        (*entry)->detail = detail_of(info);
        list_push_back(&pending->queued, &(*entry)->link);
        pending->count++;
        *entry = NULL;
    }
}

/* The oldest entry of a number; whether others follow. */
static struct signal_entry *find_entry(struct signal_pending *pending, unsigned number, bool *more)
{
    struct signal_entry *found = NULL;

    *more = false;
    for (struct list *node = pending->queued.next; node != &pending->queued && !*more;
         node = node->next) {
        struct signal_entry *entry = LIST_ENTRY(node, struct signal_entry, link);

        if (entry->number == number) {
            *more = found != NULL;
            found = found != NULL ? found : entry;
        }
    }
    return found;
}

static void fill_info(struct hal_signal_info *info, unsigned number,
                      const struct signal_detail *detail)
{
    *info = (struct hal_signal_info){.number = (int32_t)number,
                                     .code = detail->code,
                                     .error = detail->error,
                                     .fields = {detail->fields[0], detail->fields[1]}};
}

static void take_queued_locked(struct signal_pending *pending, unsigned number,
                               struct hal_signal_info *info, struct signal_entry **used)
{
    static const struct signal_detail nothing;
    bool more;
    struct signal_entry *entry = find_entry(pending, number, &more);

    fill_info(info, number, entry != NULL ? &entry->detail : &nothing);
    if (entry != NULL) {
        list_remove(&entry->link);
        pending->count--;
        *used = entry->is_kept ? NULL : entry;
    }
    if (!more) {
        pending->mask &= ~signal_bit(number);
    }
}

unsigned signal_pending_take_locked(struct signal_pending *pending, uint64_t mask,
                                    struct hal_signal_info *info, struct signal_entry **used)
{
    uint64_t wanted = pending->mask & mask;
    unsigned number;

    if (wanted == 0) {
        return 0;
    }
    number = (wanted & signal_bit(SIGNAL_KILL)) != 0 ? (unsigned)SIGNAL_KILL
                                                     : (unsigned)__builtin_ctzll(wanted) + 1;
    if (number > SIGNAL_STANDARD) {
        take_queued_locked(pending, number, info, used);
    } else {
        pending->mask &= ~signal_bit(number);
        fill_info(info, number, &pending->standard[number - 1]);
    }
    return number;
}

void signal_pending_drop_locked(struct signal_pending *pending, uint64_t mask, struct list *dropped)
{
    struct list *next;

    for (struct list *node = pending->queued.next; node != &pending->queued; node = next) {
        struct signal_entry *entry = LIST_ENTRY(node, struct signal_entry, link);

        next = node->next;
        if ((mask & signal_bit(entry->number)) != 0) {
            list_remove(node);
            pending->count--;
            if (!entry->is_kept) {
                list_push_back(dropped, node);
            }
        }
    }
    pending->mask &= ~mask;
}
