/* The table of categories. A new one has its header here, and a row in
 * include/helix/category_list.h. */
#include <core/gate/category.h>
#include <core/gate/instance.h>
#include <helix/attributes.h>
#include <helix/block.h>
#include <helix/character_device.h>
#include <helix/console.h>
#include <helix/demo.h>
#include <helix/entropy.h>
#include <helix/file_system.h>
#include <helix/hook.h>
#include <helix/keyboard.h>
#include <helix/scheduler.h>
#include <helix/screen.h>
#include <stddef.h>

static const uint8_t demo_properties[] = {HX_DEMO_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t scheduler_properties[] = {HX_SCHEDULER_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t character_properties[] = {
    HX_CHARACTER_DEVICE_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t block_properties[] = {HX_BLOCK_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t hook_properties[] = {HX_HOOK_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t file_system_properties[] = {
    HX_FILE_SYSTEM_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t console_properties[] = {HX_CONSOLE_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t entropy_properties[] = {HX_ENTROPY_OPERATION_LIST(HX_OPERATION_PROPERTY)};

static const uint8_t screen_properties[] = {HX_SCREEN_OPERATION_LIST(HX_OPERATION_PROPERTY)};
static const uint8_t keyboard_properties[] = {HX_KEYBOARD_OPERATION_LIST(HX_OPERATION_PROPERTY)};

static const struct category categories[] = {
    {HX_CATEGORY_DEMO, "demo", demo_properties, HX_ARRAY_SIZE(demo_properties)},
    {HX_CATEGORY_SCHEDULER, "scheduler", scheduler_properties, HX_ARRAY_SIZE(scheduler_properties)},
    {HX_CATEGORY_CHARACTER, "character", character_properties, HX_ARRAY_SIZE(character_properties)},
    {HX_CATEGORY_BLOCK, "block", block_properties, HX_ARRAY_SIZE(block_properties)},
    {HX_CATEGORY_HOOK, "hook", hook_properties, HX_ARRAY_SIZE(hook_properties)},
    {HX_CATEGORY_FILE_SYSTEM, "file_system", file_system_properties,
     HX_ARRAY_SIZE(file_system_properties)},
    {HX_CATEGORY_CONSOLE, "console", console_properties, HX_ARRAY_SIZE(console_properties)},
    {HX_CATEGORY_SCREEN, "screen", screen_properties, HX_ARRAY_SIZE(screen_properties)},
    {HX_CATEGORY_KEYBOARD, "keyboard", keyboard_properties, HX_ARRAY_SIZE(keyboard_properties)},
    {HX_CATEGORY_ENTROPY, "entropy", entropy_properties, HX_ARRAY_SIZE(entropy_properties)},
};

#define CATEGORY_CHECK(enumerator, number, name, operations)                                       \
    _Static_assert(sizeof(struct operations) / sizeof(uintptr_t) <= LIFECYCLE_INIT,                \
                   "the operations of " name " fit before those of the lifecycle");
HX_CATEGORY_LIST(CATEGORY_CHECK)
#undef CATEGORY_CHECK

const struct category *category_find(uint32_t number)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(categories); i++) {
        if ((uint32_t)categories[i].number == number) {
            return &categories[i];
        }
    }
    return NULL;
}
