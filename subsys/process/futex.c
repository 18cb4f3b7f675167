/* Futexes: waiters queue in buckets by the word's place, and look at the word with the bucket
 * locked.
 */
#include <base/list.h>
#include <hal/user.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <subsys/process/futex.h>
#include <subsys/process/process.h>

#define BUCKETS 256U

struct bucket {
    struct spinlock lock;
    struct list waiters; /* under lock */
};

static struct bucket buckets[BUCKETS];

/* Keys: B = the lock of its bucket, I = immutable */
struct futex_waiter {
    struct list link;                /* B  self-linked: woken */
    struct memory_place place;       /* B */
    uint32_t bits;                   /* I */
    struct thread *thread;           /* I */
    _Atomic(struct bucket *) bucket; /* B  of the bucket it is in; read to find that lock */
};

void futex_init(void)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        spinlock_init(&buckets[i].lock, LOCK_RANK_WAIT_QUEUE, "futex");
        list_init(&buckets[i].waiters);
    }
}

/* --- places -------------------------------------------------------------------------------------
 */

static struct bucket *bucket_of(const struct memory_place *place)
{
    uint64_t key = (uint64_t)(uintptr_t)place->object ^ place->offset;

    /* Fibonacci hashing (Knuth, TAOCP 3, 6.4) */
    return &buckets[key * 0x9e3779b97f4a7c15ULL >> 56 & (BUCKETS - 1)];
}

static bool is_same(const struct memory_place *a, const struct memory_place *b)
{
    return a->object == b->object && a->offset == b->offset;
}

static hx_err find_place(struct futex_word word, struct memory_place *place)
{
    struct address_space *space = process_current()->space;

    if ((word.address & 3) != 0) {
        return HX_EINVAL;
    }
    if (word.is_private) {
        *place = (struct memory_place){space, word.address};
        return HX_OK;
    }
    return address_space_place(space, word.address, place);
}

/* --- waiting ------------------------------------------------------------------------------------
 */

/*
 * Look at the word and join, with the bucket locked: who changes the word after that look finds the
 * waiter when it wakes; who changed it before is seen. Nothing parks between joining and waiting,
 * so no wake-up is used up.  Errors: HX_EAGAIN it is not what was expected; HX_EFAULT it could not
 * be read with the lock held.
 */
static hx_err try_join(struct futex_waiter *waiter, uintptr_t address, uint32_t expected)
{
    struct bucket *bucket = bucket_of(&waiter->place);
    uint32_t value;
    hx_err error;
    hal_interrupt_state state = spinlock_acquire(&bucket->lock);

    error = hal_user_load_u32(address, &value);
    if (HX_LIKELY(error == HX_OK) && value != expected) {
        error = HX_EAGAIN;
    }
    if (HX_LIKELY(error == HX_OK)) {
        atomic_store_explicit(&waiter->bucket, bucket, memory_order_relaxed);
        list_push_back(&bucket->waiters, &waiter->link);
    }
    spinlock_release(&bucket->lock, state);
    return error;
}

/* A page that is missing is brought in without the lock; then the word can be read with it. */
static hx_err join(struct futex_waiter *waiter, uintptr_t address, uint32_t expected)
{
    uint32_t value;
    hx_err error;

    do {
        error = try_join(waiter, address, expected);
    } while (HX_UNLIKELY(error == HX_EFAULT) && hal_user_load_u32(address, &value) == HX_OK);
    return error;
}

/* Take the lock of the bucket a waiter is in now; a requeue may move it until the lock is held. */
static struct bucket *lock_bucket_of(struct futex_waiter *waiter, hal_interrupt_state *state)
{
    for (;;) {
        struct bucket *bucket = atomic_load_explicit(&waiter->bucket, memory_order_relaxed);

        *state = spinlock_acquire(&bucket->lock);
        if (atomic_load_explicit(&waiter->bucket, memory_order_relaxed) == bucket) {
            return bucket;
        }
        spinlock_release(&bucket->lock, *state);
    }
}

/* After a park: whether the waiter has been woken; if not, and it has an error, it leaves. */
static bool was_woken(struct futex_waiter *waiter, hx_err error)
{
    hal_interrupt_state state;
    struct bucket *bucket = lock_bucket_of(waiter, &state);
    bool answer = list_is_empty(&waiter->link);

    if (error != HX_OK) {
        list_remove(&waiter->link);
    }
    spinlock_release(&bucket->lock, state);
    return answer;
}

static hx_err wait_woken(struct futex_waiter *waiter, uint64_t deadline_ns)
{
    hx_err error;

    do {
        error = thread_is_interrupted() ? HX_EINTR : thread_park(deadline_ns);
        if (HX_LIKELY(was_woken(waiter, error))) {
            return HX_OK;
        }
    } while (error == HX_OK);
    return error;
}

hx_err futex_wait(struct futex_word word, uint32_t expected, uint32_t bits, uint64_t deadline_ns)
{
    struct futex_waiter waiter;
    hx_err error;

    if (bits == 0) {
        return HX_EINVAL;
    }
    waiter.bits = bits;
    waiter.thread = thread_current();
    error = find_place(word, &waiter.place);
    if (error == HX_OK) {
        error = join(&waiter, word.address, expected);
    }
    return error == HX_OK ? wait_woken(&waiter, deadline_ns) : error;
}

/* --- waking -------------------------------------------------------------------------------------
 */

/* Under the bucket's lock, so that the waiter does not go before it is unparked. */
static void wake_locked(struct futex_waiter *waiter)
{
    list_remove(&waiter->link);
    thread_unpark(waiter->thread);
}

static uint32_t wake_some_locked(struct bucket *bucket, const struct memory_place *place,
                                 uint32_t most, uint32_t bits)
{
    uint32_t woken = 0;
    struct list *node = bucket->waiters.next;

    while (node != &bucket->waiters && woken < most) {
        struct futex_waiter *waiter = LIST_ENTRY(node, struct futex_waiter, link);

        node = node->next;
        if (is_same(&waiter->place, place) && (waiter->bits & bits) != 0) {
            wake_locked(waiter);
            woken++;
        }
    }
    return woken;
}

static HX_ALWAYS_INLINE uint32_t wake_place(const struct memory_place *place, uint32_t most,
                                            uint32_t bits)
{
    struct bucket *bucket = bucket_of(place);
    hal_interrupt_state state = spinlock_acquire(&bucket->lock);
    uint32_t woken = wake_some_locked(bucket, place, most, bits);

    spinlock_release(&bucket->lock, state);
    return woken;
}

hx_err futex_wake(struct futex_word word, uint32_t most, uint32_t bits, uint32_t *woken)
{
    struct memory_place place;
    hx_err error = bits != 0 ? find_place(word, &place) : HX_EINVAL;

    *woken = error == HX_OK ? wake_place(&place, most, bits) : 0;
    return error;
}

/* --- requeueing ---------------------------------------------------------------------------------
 */

static hal_interrupt_state lock_both(struct bucket *a, struct bucket *b)
{
    struct bucket *first = a < b ? a : b;
    struct bucket *second = a < b ? b : a;
    hal_interrupt_state state = spinlock_acquire(&first->lock);

    while (second != first && !spinlock_try_acquire_nested(&second->lock)) {
        hal_cpu_relax();
    }
    return state;
}

static void unlock_both(struct bucket *a, struct bucket *b, hal_interrupt_state state)
{
    struct bucket *first = a < b ? a : b;
    struct bucket *second = a < b ? b : a;

    if (second != first) {
        spinlock_release_nested(&second->lock);
    }
    spinlock_release(&first->lock, state);
}

static uint32_t move_some_locked(struct bucket *from, const struct memory_place *place,
                                 struct bucket *to, const struct memory_place *new_place,
                                 uint32_t most)
{
    uint32_t moved = 0;
    struct list *node = from->waiters.next;
    /* What is moved may come to the end of this very queue; it is not met again. */
    const struct list *last = from->waiters.prev;
    bool goes_on = node != &from->waiters;

    while (goes_on && moved < most) {
        struct futex_waiter *waiter = LIST_ENTRY(node, struct futex_waiter, link);

        goes_on = node != last;
        node = node->next;
        if (is_same(&waiter->place, place)) {
            list_remove(&waiter->link);
            waiter->place = *new_place;
            atomic_store_explicit(&waiter->bucket, to, memory_order_relaxed);
            list_push_back(&to->waiters, &waiter->link);
            moved++;
        }
    }
    return moved;
}

/* What a requeue is to do, its words found. */
struct requeue {
    struct memory_place from;
    struct memory_place to;
    uint32_t wake_most;
    uint32_t move_most;
    uintptr_t compared; /* address, 0: nothing is compared */
    uint32_t expected;
};

/* HX_EFAULT: the word could not be read with the locks held; once its page is there it can. */
static hx_err requeue_locked(const struct requeue *what, struct bucket *from, struct bucket *to,
                             uint32_t *count)
{
    uint32_t value = what->expected;
    hx_err error = what->compared != 0 ? hal_user_load_u32(what->compared, &value) : HX_OK;

    if (error != HX_OK || value != what->expected) {
        return error != HX_OK ? error : HX_EAGAIN;
    }
    *count = wake_some_locked(from, &what->from, what->wake_most, FUTEX_ANY);
    *count += move_some_locked(from, &what->from, to, &what->to, what->move_most);
    return HX_OK;
}

static hx_err requeue(const struct requeue *what, uint32_t *count)
{
    struct bucket *from = bucket_of(&what->from);
    struct bucket *to = bucket_of(&what->to);
    uint32_t value;
    hx_err error;

    for (;;) {
        hal_interrupt_state state = lock_both(from, to);

        error = requeue_locked(what, from, to, count);
        unlock_both(from, to, state);
        if (error != HX_EFAULT || hal_user_load_u32(what->compared, &value) != HX_OK) {
            return error;
        }
    }
}

hx_err futex_requeue(struct futex_word from, struct futex_word to, uint32_t wake_most,
                     uint32_t move_most, bool with_compare, uint32_t expected,
                     uint32_t *woken_and_moved)
{
    struct requeue what = {
        .wake_most = wake_most,
        .move_most = move_most,
        .compared = with_compare ? from.address : 0,
        .expected = expected,
    };
    hx_err error = find_place(from, &what.from);

    *woken_and_moved = 0;
    if (error == HX_OK) {
        error = find_place(to, &what.to);
    }
    return error == HX_OK ? requeue(&what, woken_and_moved) : error;
}

/* --- FUTEX_WAKE_OP -------------------------------------------------------------------------------
 */

enum wake_operation { WAKE_SET, WAKE_ADD, WAKE_OR, WAKE_AND_NOT, WAKE_XOR };
enum wake_comparison { WAKE_EQ, WAKE_NE, WAKE_LT, WAKE_LE, WAKE_GT, WAKE_GE };

/* 12 bits with a sign. */
static uint32_t sign_extended(uint32_t value)
{
    return (uint32_t)((int32_t)(value << 20) >> 20);
}

static hx_err compute(uint32_t operation, uint32_t old, uint32_t *value)
{
    uint32_t argument = sign_extended(operation >> 12 & 0xfff);

    if ((operation >> 31 & 1) != 0) {
        argument = 1U << (argument & 31);
    }
    switch (operation >> 28 & 7) {
    case WAKE_SET:
        *value = argument;
        return HX_OK;
    case WAKE_ADD:
        *value = old + argument;
        return HX_OK;
    case WAKE_OR:
        *value = old | argument;
        return HX_OK;
    case WAKE_AND_NOT:
        *value = old & ~argument;
        return HX_OK;
    case WAKE_XOR:
        *value = old ^ argument;
        return HX_OK;
    default:
        return HX_ENOSYS;
    }
}

static bool compares(uint32_t operation, uint32_t old)
{
    int32_t left = (int32_t)old;
    int32_t right = (int32_t)sign_extended(operation & 0xfff);

    switch (operation >> 24 & 15) {
    case WAKE_EQ:
        return left == right;
    case WAKE_NE:
        return left != right;
    case WAKE_LT:
        return left < right;
    case WAKE_LE:
        return left <= right;
    case WAKE_GT:
        return left > right;
    default:
        return left >= right;
    }
}

static hx_err change_word(uintptr_t address, uint32_t operation, uint32_t *old)
{
    uint32_t found;
    uint32_t value;
    hx_err error = hal_user_load_u32(address, &found);

    do {
        *old = found;
        if (error == HX_OK) {
            error = compute(operation, *old, &value);
        }
        if (error == HX_OK) {
            error = hal_user_compare_exchange_u32(address, &found, value);
        }
    } while (error == HX_OK && found != *old);
    return error;
}

hx_err futex_wake_operation(struct futex_word first, struct futex_word second, uint32_t wake_first,
                            uint32_t wake_second, uint32_t operation, uint32_t *woken)
{
    struct memory_place places[2];
    uint32_t old = 0;
    hx_err error = find_place(first, &places[0]);

    *woken = 0;
    if (error == HX_OK) {
        error = find_place(second, &places[1]);
    }
    if (error == HX_OK) {
        error = change_word(second.address, operation, &old);
    }
    if (error != HX_OK) {
        return error;
    }
    *woken = wake_place(&places[0], wake_first, FUTEX_ANY);
    if (compares(operation, old)) {
        *woken += wake_place(&places[1], wake_second, FUTEX_ANY);
    }
    return HX_OK;
}

/* --- robust lists (Documentation/locking/robust-futex-ABI in Linux) --------------------------- */

#define ROBUST_LENGTH_MAX 2048U
#define OWNER_MASK        0x3fffffffU
#define OWNER_DIED        0x40000000U
#define HAS_WAITERS       0x80000000U

struct robust_head {
    uint64_t first;
    int64_t offset; /* from an entry to its futex word */
    uint64_t pending;
};

/* Release one word if the calling thread holds it. */
static void release_word(uintptr_t address)
{
    uint32_t self = user_thread_current()->id;
    uint32_t found;
    uint32_t old;
    hx_err error = hal_user_load_u32(address, &found);

    do {
        old = found;
        if (error != HX_OK || (old & OWNER_MASK) != self) {
            return;
        }
        error = hal_user_compare_exchange_u32(address, &found, (old & HAS_WAITERS) | OWNER_DIED);
    } while (found != old);
    if (error == HX_OK && (old & HAS_WAITERS) != 0) {
        uint32_t woken;

        (void)!futex_wake((struct futex_word){address, false}, 1, FUTEX_ANY, &woken);
    }
}

/* The lowest bit of an entry's address says what kind of mutex it is. */
static uintptr_t word_of(uint64_t entry, int64_t offset)
{
    return (uintptr_t)((entry & ~1ULL) + (uint64_t)offset);
}

void futex_exit_robust_list(uintptr_t head_address)
{
    struct robust_head head;
    uint64_t entry;
    unsigned count = 0;

    if (hal_user_copy_in(&head, head_address, sizeof(head)) != HX_OK) {
        return;
    }
    entry = head.first;
    while ((entry & ~1ULL) != head_address && count++ < ROBUST_LENGTH_MAX) {
        uint64_t next;

        if (hal_user_copy_in(&next, (uintptr_t)(entry & ~1ULL), sizeof(next)) != HX_OK) {
            break;
        }
        if (entry != head.pending) {
            release_word(word_of(entry, head.offset));
        }
        entry = next;
    }
    if (head.pending != 0) {
        release_word(word_of(head.pending, head.offset));
    }
}
