#include <base/memory.h>
#include <core/component/component.h>
#include <core/debug/log.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/spinlock.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <subsys/random/chacha20.h>
#include <subsys/random/entropy_source.h>
#include <subsys/random/random.h>

#define KEY_BYTES    (RANDOM_KEY_WORDS * 4U)
#define BLOCK_BYTES  64U
#define KEYED_FOR_NS 60000000000ULL
#define RESERVE_SIZE (8U * BLOCK_BYTES)
#define SMALL_MAX    BLOCK_BYTES /* bytes of a request that comes out of the reserve */

static const uint32_t no_nonce[3];

/* Keys: L = lock, A = atomic */
static struct {
    struct spinlock lock;
    uint32_t key[RANDOM_KEY_WORDS]; /* L */
    _Atomic uint64_t keyed_at;      /* A  hal_clock_now(), 0: never; written under L */
    _Atomic bool is_owed;           /* A  keyed without what the source of entropy has */
    _Atomic uint64_t requests;      /* A */
    _Atomic uint64_t keyings;       /* A */
} generator = {.lock = SPINLOCK_INIT(LOCK_RANK_CORE, "random")};

/* Bytes that wait for small requests; what was given out is zero. Keys: C = the CPU, interrupts off
 */
struct reserve {
    uint64_t made_at; /* C  hal_clock_now() */
    uint64_t input;   /* C  generator.keyings when it was made */
    uint32_t left;    /* C  bytes, at the front */
    uint8_t bytes[RESERVE_SIZE];
} HX_ALIGNED(HX_CACHE_LINE);

static struct reserve reserves[HAL_CPU_MAX];

/* Overwrite a secret; the barrier keeps the compiler from leaving the stores out. */
static void forget(void *secret, size_t size)
{
    memset(secret, 0, size);
    __asm__ volatile("" ::"r"(secret) : "memory");
}

/* --- the generator's key ---------------------------------------------------------------------- */

/* Mix a block of input into the key: the new key is a block of the old one over the input. */
static void stir_locked(const uint32_t input[RANDOM_KEY_WORDS])
{
    uint8_t block[BLOCK_BYTES];

    for (unsigned i = 0; i < RANDOM_KEY_WORDS; i++) {
        generator.key[i] ^= input[i];
    }
    chacha20_block(generator.key, 0, no_nonce, block);
    memcpy(generator.key, block, KEY_BYTES);
    forget(block, sizeof(block));
}

static void key_locked(void)
{
    uint32_t input[RANDOM_KEY_WORDS];

    for (unsigned i = 0; i < RANDOM_KEY_WORDS; i += 2) {
        uint64_t word = hal_cpu_entropy() ^ hal_clock_cycles();

        memcpy(&input[i], &word, sizeof(word));
    }
    stir_locked(input);
    forget(input, sizeof(input));
    atomic_store_explicit(&generator.keyed_at, hal_clock_now() | 1, memory_order_relaxed);
    atomic_store_explicit(&generator.is_owed, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&generator.keyings, 1, memory_order_relaxed);
}

static bool is_stale(void)
{
    uint64_t keyed_at = atomic_load_explicit(&generator.keyed_at, memory_order_relaxed);

    return keyed_at == 0 || hal_clock_now() - keyed_at > KEYED_FOR_NS;
}

static void key_if_stale(void)
{
    hal_interrupt_state state = spinlock_acquire(&generator.lock);

    if (is_stale()) {
        key_locked();
    }
    spinlock_release(&generator.lock, state);
}

/* Add what the source of entropy has, once for each time that the generator was keyed. */
static void ask_source(void)
{
    uint64_t words[ENTROPY_SOURCE_WORDS];

    if (entropy_source_is_ready() &&
        atomic_exchange_explicit(&generator.is_owed, false, memory_order_relaxed)) {
        if (entropy_source_draw(words)) {
            random_add(words, sizeof(words));
        }
        forget(words, sizeof(words));
    }
}

/* A key for one request; the generator's own is replaced in the same step. */
static void take_key(uint32_t key[RANDOM_KEY_WORDS])
{
    uint8_t block[BLOCK_BYTES];
    hal_interrupt_state state;

    if (HX_UNLIKELY(is_stale())) {
        key_if_stale();
    }
    if (HX_UNLIKELY(atomic_load_explicit(&generator.is_owed, memory_order_relaxed))) {
        ask_source();
    }
    state = spinlock_acquire(&generator.lock);
    chacha20_block(generator.key, 0, no_nonce, block);
    memcpy(generator.key, block, KEY_BYTES);
    spinlock_release(&generator.lock, state);
    memcpy(key, block + KEY_BYTES, KEY_BYTES);
    forget(block, sizeof(block));
}

void random_rekey(void)
{
    atomic_store_explicit(&generator.keyed_at, 0, memory_order_relaxed);
}

void random_add(const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size > 0) {
        uint32_t input[RANDOM_KEY_WORDS] = {0};
        size_t part = size < sizeof(input) ? size : sizeof(input);
        hal_interrupt_state state;

        memcpy(input, from, part);
        state = spinlock_acquire(&generator.lock);
        stir_locked(input);
        /* Relaxed: a reserve that is made at the same time may have the input or not. */
        atomic_fetch_add_explicit(&generator.keyings, 1, memory_order_relaxed);
        spinlock_release(&generator.lock, state);
        from += part;
        size -= part;
    }
}

/* --- streams ---------------------------------------------------------------------------------- */

static void begin_stream(struct random_stream *stream)
{
    take_key(stream->key);
    stream->counter = 0;
    stream->used = BLOCK_BYTES;
}

static void count_request(void)
{
    atomic_fetch_add_explicit(&generator.requests, 1, memory_order_relaxed);
}

void random_stream_init(struct random_stream *stream)
{
    count_request();
    begin_stream(stream);
}

void random_stream_fill(struct random_stream *stream, void *bytes, size_t size)
{
    char *to = bytes;

    while (size > 0) {
        size_t part;

        if (stream->used == BLOCK_BYTES) {
            chacha20_block(stream->key, stream->counter++, no_nonce, stream->block);
            stream->used = 0;
        }
        part = BLOCK_BYTES - stream->used;
        part = size < part ? size : part;
        memcpy(to, stream->block + stream->used, part);
        stream->used += (uint32_t)part;
        to += part;
        size -= part;
    }
}

void random_stream_fini(struct random_stream *stream)
{
    forget(stream, sizeof(*stream));
}

/* --- the reserve ------------------------------------------------------------------------------ */

static void fill_from_stream(void *bytes, size_t size)
{
    struct random_stream stream;

    begin_stream(&stream);
    random_stream_fill(&stream, bytes, size);
    random_stream_fini(&stream);
}

/* Take bytes from the calling CPU's reserve and forget them there; false: it has not enough, or is
 * older than the generator's key may be. */
static bool take_from_reserve(void *bytes, size_t size)
{
    uint64_t input = atomic_load_explicit(&generator.keyings, memory_order_relaxed);
    uint64_t now = hal_clock_now();
    hal_interrupt_state state = hal_interrupts_save();
    struct reserve *reserve = &reserves[hal_cpu_id()];
    bool has_enough =
        reserve->left >= size && reserve->input == input && now - reserve->made_at <= KEYED_FOR_NS;

    if (has_enough) {
        reserve->left -= (uint32_t)size;
        memcpy(bytes, reserve->bytes + reserve->left, size);
        forget(reserve->bytes + reserve->left, size);
    }
    hal_interrupts_restore(state);
    return has_enough;
}

/* Interrupts are on while the bytes are made, so another CPU's reserve may get them. */
static void refill_reserve(void)
{
    struct reserve made = {.made_at = hal_clock_now(), .left = RESERVE_SIZE};
    hal_interrupt_state state;

    made.input = atomic_load_explicit(&generator.keyings, memory_order_relaxed);
    fill_from_stream(made.bytes, sizeof(made.bytes));
    state = hal_interrupts_save();
    reserves[hal_cpu_id()] = made;
    hal_interrupts_restore(state);
    forget(&made, sizeof(made));
}

void random_forget_reserve(uint32_t cpu)
{
    forget(&reserves[cpu], sizeof(reserves[cpu]));
}

void random_fill(void *bytes, size_t size)
{
    count_request();
    if (size <= SMALL_MAX) {
        if (take_from_reserve(bytes, size)) {
            return;
        }
        refill_reserve();
        if (take_from_reserve(bytes, size)) {
            return;
        }
    }
    fill_from_stream(bytes, size);
}

/* --- the subsystem ---------------------------------------------------------------------------- */

static void stats(struct component_stats *numbers)
{
    numbers->operations = atomic_load_explicit(&generator.requests, memory_order_relaxed);
    numbers->memory_bytes = sizeof(generator);
}

/* A source that is not there is no illness: core's own serves. */
static bool is_healthy(void)
{
    return !entropy_source_is_broken();
}

static const struct component random_component = {
    .name = "random", .version = "1.0.0", .health_check = is_healthy, .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    hal_interrupt_state state = spinlock_acquire(&generator.lock);

    (void)config;
    key_locked();
    spinlock_release(&generator.lock, state);
    entropy_source_init();
    ask_source();
    return component_register(&random_component);
}

static hx_err shutdown(void)
{
    return component_unregister(&random_component);
}

/* Whoever looked at the memory meanwhile has seen the key. */
static hx_err resume(void)
{
    random_rekey();
    return HX_OK;
}

static const char *const dependencies[] = {"time", "modules", NULL};

const struct subsystem random_subsystem = {
    .name = "random",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
    .resume = resume,
};
