#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <hal/clock.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>

struct place {
    const struct component *component;
    uint64_t since; /* when it was initialised, ns */
    bool listed;    /* else its init is still under way */
};

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "components");
/* Under lock, in order of registration. */
static struct place places[COMPONENT_MAX];
static size_t count;

static struct place *find_locked(const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (string_equal(places[i].component->name, name)) {
            return &places[i];
        }
    }
    return NULL;
}

static hx_err reserve(const struct component *component)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    hx_err error = HX_OK;

    if (find_locked(component->name) != NULL) {
        error = HX_EEXIST;
    } else if (count == COMPONENT_MAX) {
        error = HX_ENOSPC;
    } else {
        places[count++] = (struct place){.component = component};
    }
    spinlock_release(&lock, state);
    return error;
}

static void list_place(const struct component *component)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    struct place *place = find_locked(component->name);

    place->since = hal_clock_now();
    place->listed = true;
    spinlock_release(&lock, state);
}

/* Take the place away; the others keep their order. */
static hx_err remove_place(const struct component *component)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    struct place *place = find_locked(component->name);
    bool found = place != NULL && place->component == component;

    if (found) {
        count--;
        memmove(place, place + 1, (size_t)(&places[count] - place) * sizeof *place);
    }
    spinlock_release(&lock, state);
    return found ? HX_OK : HX_ENOENT;
}

hx_err component_register(const struct component *component)
{
    hx_err error;

    if (component->name == NULL || component->name[0] == '\0' || component->version == NULL) {
        return HX_EINVAL;
    }
    error = reserve(component);
    if (error != HX_OK) {
        return error;
    }
    error = component->init != NULL ? component->init() : HX_OK;
    if (error == HX_OK) {
        list_place(component);
        return HX_OK;
    }

    hx_err removed = remove_place(component);

    (void)removed; /* it was reserved above */
    return error;
}

hx_err component_unregister(const struct component *component)
{
    hx_err error = remove_place(component);

    if (error != HX_OK) {
        return error;
    }
    read_synchronize();
    if (component->shutdown != NULL) {
        component->shutdown();
    }
    return HX_OK;
}

/* Copy the listed components out, so that nobody is called under the lock. */
static size_t snapshot(const struct component **components)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    size_t listed = 0;

    for (size_t i = 0; i < count; i++) {
        if (places[i].listed) {
            components[listed++] = places[i].component;
        }
    }
    spinlock_release(&lock, state);
    return listed;
}

void component_for_each(void (*callback)(const struct component *component, void *argument),
                        void *argument)
{
    const struct component *components[COMPONENT_MAX];

    /* Pairs with component_unregister, which waits until nobody uses what it has unlisted. */
    read_enter();

    size_t listed = snapshot(components);

    for (size_t i = 0; i < listed; i++) {
        callback(components[i], argument);
    }
    read_leave();
}

bool component_is_healthy(const struct component *component)
{
    return component->health_check == NULL || component->health_check();
}

static uint64_t uptime_of(const struct component *component)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    const struct place *place = find_locked(component->name);
    uint64_t uptime = place != NULL && place->listed ? hal_clock_now() - place->since : 0;

    spinlock_release(&lock, state);
    return uptime;
}

struct component_stats component_get_stats(const struct component *component)
{
    struct component_stats numbers = {0};

    if (component->stats != NULL) {
        component->stats(&numbers);
        if (numbers.uptime_ns == 0) {
            numbers.uptime_ns = uptime_of(component);
        }
    }
    return numbers;
}
