/* One owner's sums, from all who tag what they give out. */
#include <base/format.h>
#include <core/debug/log.h>
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <core/resource/ledger.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/thread.h>

struct thread_search {
    owner_tag owner;
    uint64_t found;
};

static bool count_thread(struct thread *thread, void *argument)
{
    struct thread_search *search = argument;

    search->found += thread->owner == search->owner;
    return true;
}

static uint64_t count_subscriptions(owner_tag owner)
{
    struct event_subscription_info info;
    uint64_t found = 0;

    for (uint32_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        found += event_subscription_info(i, &info) && info.owner == owner;
    }
    return found;
}

static uint64_t count_mailboxes(owner_tag owner)
{
    struct router_mailbox_info info;
    uint64_t found = 0;

    for (uint32_t i = 0; i < ROUTER_MAILBOX_MAX; i++) {
        found += router_mailbox_info(i, &info) && info.owner == owner;
    }
    return found;
}

void ledger_take(owner_tag owner, struct ledger *ledger)
{
    struct heap_owned heap = heap_owned(owner);
    struct thread_search threads = {.owner = owner};

    thread_for_each(count_thread, &threads);
    *ledger = (struct ledger){
        .frames = frames_owned(owner),
        .heap_bytes = heap.bytes,
        .heap_objects = heap.objects,
        .threads = threads.found,
        .subscriptions = count_subscriptions(owner),
        .mailboxes = count_mailboxes(owner),
    };
    resource_owner_held(owner, &ledger->resources);
}

bool ledger_is_zero(const struct ledger *ledger)
{
    uint64_t any = ledger->frames | ledger->heap_bytes | ledger->heap_objects | ledger->threads |
                   ledger->subscriptions | ledger->mailboxes;

    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        any |= ledger->resources.handles[i] | ledger->resources.amount[i];
    }
    return any == 0;
}

/* --- for people ------------------------------------------------------------------------------- */

#define LIMIT_TEXT_MAX 24

static const char *limit_text(uint64_t limit, char text[LIMIT_TEXT_MAX])
{
    if (limit == RESOURCE_UNLIMITED) {
        return "none";
    }
    (void)format_text(text, LIMIT_TEXT_MAX, "%llu", (unsigned long long)limit);
    return text;
}

static bool is_worth_a_line(const struct resource_usage *usage)
{
    return (usage->used | usage->refused) != 0 || usage->limits.soft != RESOURCE_UNLIMITED ||
           usage->limits.hard != RESOURCE_UNLIMITED;
}

static void print_class(owner_tag owner, const struct ledger *ledger, enum resource_class class)
{
    struct resource_usage usage;
    char soft[LIMIT_TEXT_MAX];
    char hard[LIMIT_TEXT_MAX];

    if (resource_get_usage(owner, class, &usage) != HX_OK || !is_worth_a_line(&usage)) {
        return;
    }
    kprintln("    %s: %llu %s by %llu handles, limits %s and %s, %llu refused",
             resource_class_name(class), (unsigned long long)usage.used, resource_class_unit(class),
             (unsigned long long)ledger->resources.handles[class],
             limit_text(usage.limits.soft, soft), limit_text(usage.limits.hard, hard),
             (unsigned long long)usage.refused);
}

/* What the owner really has, where somebody else counts that. */
static void print_measured(owner_tag owner, enum resource_class class)
{
    uint64_t amount;

    if (resource_measure(owner, class, &amount) == HX_OK && amount != 0) {
        kprintln("    %s as measured by %s: %llu %s", resource_class_name(class),
                 resource_provider_name(class), (unsigned long long)amount,
                 resource_class_unit(class));
    }
}

void ledger_print(owner_tag owner)
{
    char name[RESOURCE_OWNER_NAME_MAX];
    struct ledger ledger;

    if (!resource_owner_name(owner, name)) {
        kprintln("owner %u.%u: gone", (unsigned)owner_index(owner),
                 (unsigned)owner_generation(owner));
    } else {
        kprintln("owner %u.%u: %s", (unsigned)owner_index(owner), (unsigned)owner_generation(owner),
                 name);
    }
    ledger_take(owner, &ledger);
    kprintln("    %llu frames, %llu heap bytes in %llu objects, %llu threads, %llu subscriptions, "
             "%llu mailboxes",
             (unsigned long long)ledger.frames, (unsigned long long)ledger.heap_bytes,
             (unsigned long long)ledger.heap_objects, (unsigned long long)ledger.threads,
             (unsigned long long)ledger.subscriptions, (unsigned long long)ledger.mailboxes);
    for (unsigned class = 0; class < RESOURCE_CLASS_COUNT; class ++) {
        print_class(owner, &ledger, (enum resource_class) class);
        print_measured(owner, (enum resource_class) class);
    }
}
