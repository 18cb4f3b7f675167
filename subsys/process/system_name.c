#include <base/string.h>
#include <kern/spinlock.h>
#include <subsys/process/system_name.h>

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "system names");
static char names[SYSTEM_NAMES][SYSTEM_NAME_SIZE] = {
    [SYSTEM_NODE] = "helix",
    [SYSTEM_DOMAIN] = "(none)",
};

void system_name_get(enum system_name which, char name[SYSTEM_NAME_SIZE])
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    (void)string_copy(name, SYSTEM_NAME_SIZE, names[which]);
    spinlock_release(&lock, state);
}

void system_name_set(enum system_name which, const char *name)
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    (void)string_copy(names[which], SYSTEM_NAME_SIZE, name);
    spinlock_release(&lock, state);
}
