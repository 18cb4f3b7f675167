/* Faults in instances: planting the trap, what happens at it, and what is done to memory at once.
 */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/symbols.h>
#include <core/fault_injection/fault_injection.h>
#include <core/gate/gate.h>
#include <hal/frame.h>
#include <kern/heap.h>
#include <kern/mutex.h>

/*
 * What the trap's handler reads. Keys: I = written while stage is FAULT_NONE, A = atomic
 */
static struct {
    _Atomic uint32_t stage;                     /* A  enum fault_stage; release: the rest is good */
    _Atomic(struct module_instance *) instance; /* A  compared only: it may have gone */
    owner_tag owner;                            /* I  of that instance, no other ever has it */
    uintptr_t address;                          /* I  of the trap */
    uint8_t *places[HAL_CODE_MAX];              /* I  its bytes, through the direct map */
    uint8_t kept;                               /* I  the byte that the trap stands for */
    struct fault fault;                         /* I */
} planted;

/* Under turn: one at a time, for who asks. */
static struct mutex turn; /* made by fault_injection_allow */
static struct fault_injection last;
static _Atomic bool is_allowed;

const char *fault_stage_name(enum fault_stage stage)
{
#define STAGE_TEXT(name, text) [name] = (text),
    static const char *const names[] = {FAULT_STAGE_LIST(STAGE_TEXT)};
#undef STAGE_TEXT

    return (unsigned)stage < FAULT_STAGE_COUNT ? names[stage] : "unknown";
}

/* --- at the trap ------------------------------------------------------------------------------ */

static void change_register(struct hal_frame *frame, const struct fault *fault)
{
    uint64_t value;

    (void)hal_frame_register(frame, fault->number, &value);
    hal_frame_set_register(frame, fault->number,
                           fault->is_set ? fault->value : value ^ fault->value);
}

static void change_stack(const struct module_instance *instance, const struct hal_frame *frame,
                         const struct fault *fault)
{
    uintptr_t address = (hal_frame_sp(frame) & ~7UL) + fault->distance;
    uint64_t *word = (uint64_t *)(void *)arena_byte(&instance->arena, address);

    if (word != NULL) {
        *word ^= fault->value;
    }
}

/* The first byte last: until then others are held by the trap. */
static void write_code(const uint8_t *bytes, size_t length)
{
    for (size_t i = length; i-- > 0;) {
        if (planted.places[i] != NULL) {
            *planted.places[i] = bytes[i];
        }
    }
}

static void take_effect(struct module_instance *instance, struct hal_frame *frame)
{
    const struct fault *fault = &planted.fault;

    switch (fault_class_place(fault->class)) {
    case FAULT_IN_CODE:
        write_code(fault->bytes, fault->length);
        return;
    case FAULT_IN_REGISTER:
        change_register(frame, fault);
        break;
    default:
        change_stack(instance, frame, fault);
        break;
    }
    *planted.places[0] = planted.kept;
}

static bool is_trap_of(const struct module_instance *instance, uintptr_t address)
{
    return atomic_load_explicit(&planted.instance, memory_order_acquire) == instance &&
           planted.owner == instance->owner && planted.address == address;
}

/* The trap that somebody has just run into has been taken back, or has had its effect. */
static bool is_gone(const struct module_instance *instance, uintptr_t address)
{
    const uint8_t *byte = arena_byte(&instance->arena, address);

    return byte != NULL && *byte != hal_code_trap();
}

/* Whoever comes first brings the fault about, if nobody has taken it back. */
static bool brings_about(struct module_instance *instance, struct hal_frame *frame)
{
    uint32_t stage = FAULT_PLANTED;

    if (!atomic_compare_exchange_strong_explicit(&planted.stage, &stage, FAULT_TAKING,
                                                 memory_order_acquire, memory_order_acquire)) {
        return stage == FAULT_TAKING; /* another one does; the trap is there until then */
    }
    take_effect(instance, frame);
    atomic_store_explicit(&planted.stage, FAULT_REACHED, memory_order_release);
    return true;
}

/* Who ran into a trap goes on at its place. When the fault itself is one, the module dies of it. */
static bool trapped(struct module_instance *instance, struct hal_frame *frame)
{
    uintptr_t address = hal_code_trap_address(frame);

    if (!is_gone(instance, address) &&
        !(is_trap_of(instance, address) && brings_about(instance, frame))) {
        return false;
    }
    hal_frame_set_pc(frame, address);
    return true;
}

/* --- what the kernel gets wrong for it -------------------------------------------------------- */

static bool is_fault_of(enum fault_class class, enum gate_fault fault)
{
    return class == (fault == GATE_FAULT_LOCK ? FAULT_LOCK : FAULT_STATE);
}

/* Acquire: the stage before it makes the rest good; whoever takes it is alone with it. */
static bool goes_wrong(const struct module_instance *instance, enum gate_fault fault,
                       uint64_t *chance)
{
    uint32_t stage = FAULT_PLANTED;

    if (atomic_load_explicit(&planted.stage, memory_order_acquire) != FAULT_PLANTED ||
        atomic_load_explicit(&planted.instance, memory_order_acquire) != instance ||
        planted.owner != instance->owner || !is_fault_of(planted.fault.class, fault)) {
        return false;
    }
    *chance = planted.fault.value;
    return atomic_compare_exchange_strong_explicit(&planted.stage, &stage, FAULT_REACHED,
                                                   memory_order_acquire, memory_order_relaxed);
}

void fault_injection_allow(void)
{
    mutex_init(&turn, "fault injection");
    atomic_store_explicit(&is_allowed, true, memory_order_release);
    gate_set_trap_handler(trapped);
    gate_set_fault_handler(goes_wrong);
}

bool fault_injection_is_allowed(void)
{
    return atomic_load_explicit(&is_allowed, memory_order_acquire);
}

/* --- in code ---------------------------------------------------------------------------------- */

static uint8_t *copy_code(const struct module_instance *instance)
{
    uint8_t *code = heap_allocate(instance->text.size, OWNER_CORE);

    for (size_t i = 0; code != NULL && i < instance->text.size; i++) {
        const uint8_t *byte = arena_byte(&instance->arena, instance->text.base + i);

        code[i] = byte != NULL ? *byte : 0;
    }
    return code;
}

static void plant(struct module_instance *instance, const struct fault *fault)
{
    planted.fault = *fault;
    planted.owner = instance->owner;
    planted.address = instance->text.base + fault->offset;
    for (size_t i = 0; i < HAL_CODE_MAX; i++) {
        planted.places[i] = arena_byte(&instance->arena, planted.address + i);
    }
    planted.kept = *planted.places[0];
    atomic_store_explicit(&planted.instance, instance, memory_order_release);
    atomic_store_explicit(&planted.stage, FAULT_PLANTED, memory_order_release);
    *planted.places[0] = hal_code_trap();
}

static hx_err inject_code(struct module_instance *instance, enum fault_class class, uint64_t seed,
                          struct fault *fault)
{
    uint8_t *code = copy_code(instance);
    hx_err error;

    if (code == NULL) {
        return HX_ENOMEM;
    }
    error = fault_choose(code, instance->text.size, class, seed, fault);
    heap_free(code);
    if (error == HX_OK) {
        (void)symbol_text(instance->text.base + fault->offset, last.where, sizeof(last.where));
        plant(instance, fault);
    }
    return error;
}

/* --- in memory -------------------------------------------------------------------------------- */

static bool is_of_heap(const struct module_instance *instance, size_t page)
{
    return page - instance->heap.first < instance->heap.pages;
}

/* Its variables: neither code nor constants, nor stacks, nor heap. */
static bool is_of_data(const struct module_instance *instance, size_t page)
{
    uintptr_t address = instance->arena.base + (page << HAL_PAGE_SHIFT);
    unsigned protection = 0;
    bool is_stack = instance->gate.backend == HAL_GATE_USER &&
                    address - (instance->gate.stack_tops - HAL_GATE_STACK_STRIDE) <
                        (uintptr_t)INSTANCE_STACKS * HAL_GATE_STACK_STRIDE;

    return !is_stack && !is_of_heap(instance, page) &&
           hal_space_lookup(instance->arena.space, address, NULL, &protection) &&
           (protection & HAL_WRITE) != 0;
}

static bool is_there(const struct module_instance *instance, enum fault_class class, size_t page)
{
    if (class == FAULT_DATA_FLIP) {
        return is_of_data(instance, page);
    }
    return is_of_heap(instance, page) &&
           hal_space_lookup(instance->arena.space, instance->arena.base + (page << HAL_PAGE_SHIFT),
                            NULL, NULL);
}

/* How many pages there are of the kind that the class means; *page is number wanted of them. */
static size_t find_page(const struct module_instance *instance, enum fault_class class,
                        size_t wanted, size_t *page)
{
    size_t count = 0;

    for (size_t i = 0; i < instance->arena.pages; i++) {
        if (is_there(instance, class, i) && count++ == wanted) {
            *page = i;
        }
    }
    return count;
}

static hx_err choose_byte(const struct module_instance *instance, enum fault_class class,
                          uint64_t seed, struct fault *fault)
{
    size_t page = 0;
    size_t pages = find_page(instance, class, SIZE_MAX, &page);
    hx_err error = fault_choose(NULL, pages << HAL_PAGE_SHIFT, class, seed, fault);

    if (error == HX_OK) {
        (void)find_page(instance, class, fault->offset >> HAL_PAGE_SHIFT, &page);
        fault->offset = (page << HAL_PAGE_SHIFT) + (fault->offset & (HAL_PAGE_SIZE - 1));
    }
    return error;
}

static hx_err inject_memory(struct module_instance *instance, enum fault_class class, uint64_t seed,
                            struct fault *fault)
{
    uint8_t *byte;
    hx_err error;

    mutex_lock(&instance->heap.mutex);
    error = choose_byte(instance, class, seed, fault);
    if (error == HX_OK) {
        byte = arena_byte(&instance->arena, instance->arena.base + fault->offset);
        *byte ^= (uint8_t)fault->value;
    }
    mutex_unlock(&instance->heap.mutex);
    return error;
}

/* --- in its heap ------------------------------------------------------------------------------ */

/* All that is left is taken, in ever smaller pieces. */
static hx_err leak(struct module_heap *heap)
{
    hx_err result = HX_ENOENT;
    uintptr_t address;

    for (size_t pages = heap->pages; pages != 0; pages /= 2) {
        while (module_heap_allocate(heap, pages, &address) == HX_OK) {
            result = HX_OK;
        }
    }
    return result;
}

/* The module frees what it still uses; if it frees it once more, that is refused. */
static hx_err free_behind_its_back(struct module_instance *instance, uint64_t seed,
                                   struct fault *fault)
{
    hx_err error;
    size_t page;

    mutex_lock(&instance->heap.mutex);
    error = choose_byte(instance, FAULT_HEAP_FLIP, seed, fault);
    mutex_unlock(&instance->heap.mutex);
    if (error != HX_OK) {
        return error;
    }
    page = fault->offset >> HAL_PAGE_SHIFT;
    while (module_heap_free(&instance->heap, instance->arena.base + (page << HAL_PAGE_SHIFT)) !=
           HX_OK) {
        if (page-- == instance->heap.first) {
            return HX_ENOENT;
        }
    }
    return HX_OK;
}

static hx_err inject_heap(struct module_instance *instance, enum fault_class class, uint64_t seed,
                          struct fault *fault)
{
    hx_err error =
        class == FAULT_LEAK ? leak(&instance->heap) : free_behind_its_back(instance, seed, fault);

    fault->class = class;
    return error;
}

/* --- in what it asks of the kernel ------------------------------------------------------------ */

static bool has_any(const struct module_instance *instance, enum fault_class class)
{
    return class == FAULT_LOCK
               ? atomic_load_explicit(&instance->locks.places, memory_order_relaxed) != NULL
               : instance->state_kind[0] != '\0';
}

static hx_err inject_through_kernel(struct module_instance *instance, enum fault_class class,
                                    uint64_t seed, struct fault *fault)
{
    hx_err error = fault_choose(NULL, has_any(instance, class) ? 1 : 0, class, seed, fault);

    if (error == HX_OK) {
        (void)string_copy(last.where, sizeof(last.where), fault_class_name(class));
        planted.fault = *fault;
        planted.owner = instance->owner;
        atomic_store_explicit(&planted.instance, instance, memory_order_release);
        atomic_store_explicit(&planted.stage, FAULT_PLANTED, memory_order_release);
    }
    return error;
}

/* --- asking for it ---------------------------------------------------------------------------- */

static hx_err inject(struct module_instance *instance, enum fault_class class, uint64_t seed,
                     struct fault *fault)
{
    enum fault_place place = fault_class_place(class);
    hx_err error;

    if (place == FAULT_IN_KERNEL) {
        return inject_through_kernel(instance, class, seed, fault);
    }
    if (place != FAULT_IN_MEMORY && place != FAULT_IN_HEAP) {
        return inject_code(instance, class, seed, fault);
    }
    error = place == FAULT_IN_MEMORY ? inject_memory(instance, class, seed, fault)
                                     : inject_heap(instance, class, seed, fault);
    if (error == HX_OK) {
        (void)format_text(last.where, sizeof(last.where), "byte %llu",
                          (unsigned long long)fault->offset);
        atomic_store_explicit(&planted.stage, FAULT_REACHED, memory_order_release);
    }
    return error;
}

static void put_back(void)
{
    if (fault_class_place(planted.fault.class) != FAULT_IN_KERNEL) {
        *planted.places[0] = planted.kept;
    }
}

/*
 * The instance may have gone with the slot's content, so it is touched only while its slot still
 * holds it. After this nobody brings the fault about any more.
 */
static void withdraw_locked(void)
{
    uint32_t stage = FAULT_PLANTED;
    struct slot *slot = last.slot != NULL ? slot_find(last.slot) : NULL;
    struct module_instance *instance;

    if (slot == NULL) {
        return;
    }
    mutex_lock(&slot->change);
    instance = slot_instance(slot);
    if (atomic_compare_exchange_strong_explicit(&planted.stage, &stage, FAULT_NONE,
                                                memory_order_acquire, memory_order_relaxed) &&
        instance != NULL &&
        instance == atomic_load_explicit(&planted.instance, memory_order_relaxed) &&
        instance->owner == planted.owner) {
        put_back();
    }
    mutex_unlock(&slot->change);
}

static hx_err inject_locked(struct slot *slot, enum fault_class class, uint64_t seed)
{
    struct module_instance *instance;
    struct fault fault = {.class = class};
    hx_err error = HX_ENOENT;

    withdraw_locked();
    mutex_lock(&slot->change);
    atomic_store_explicit(&planted.stage, FAULT_NONE, memory_order_relaxed);
    last = (struct fault_injection){.slot = slot->name, .seed = seed};
    instance = slot_instance(slot);
    if (instance != NULL) {
        (void)string_copy(last.module, sizeof(last.module), instance->name);
        error = inject(instance, class, seed, &fault);
    }
    last.fault = fault;
    mutex_unlock(&slot->change);
    return error;
}

hx_err fault_inject(struct slot *slot, enum fault_class class, uint64_t seed)
{
    hx_err error;

    if (!fault_injection_is_allowed()) {
        return HX_EPERM;
    }
    mutex_lock(&turn);
    error = inject_locked(slot, class, seed);
    mutex_unlock(&turn);
    return error;
}

void fault_withdraw(void)
{
    if (!fault_injection_is_allowed()) {
        return;
    }
    mutex_lock(&turn);
    withdraw_locked();
    mutex_unlock(&turn);
}

struct fault_injection fault_injection_last(void)
{
    struct fault_injection copy = {0};

    if (!fault_injection_is_allowed()) {
        return copy;
    }
    mutex_lock(&turn);
    copy = last;
    copy.stage = (enum fault_stage)atomic_load_explicit(&planted.stage, memory_order_acquire);
    mutex_unlock(&turn);
    return copy;
}
