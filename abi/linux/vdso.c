/*
 * Two objects that all processes share: the code, one copy of the image's bytes, and the clock
 * page.
 */
#include <abi/linux/vdso.h>
#include <base/assert.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/user.h>
#include <subsys/time/clock_page.h>
#include <subsys/vm/address_space.h>
#include <subsys/vm/memory_object.h>

static struct memory_object *code; /* written once; NULL: there is none */

/* --- the code --------------------------------------------------------------------------------- */

static size_t code_size(void)
{
    return (hal_user_code().size + HAL_PAGE_SIZE - 1) & ~(size_t)(HAL_PAGE_SIZE - 1);
}

static hx_err fill(struct memory_object *object, uint64_t index, void *page)
{
    struct hal_range image = hal_user_code();
    size_t offset = index * HAL_PAGE_SIZE;
    size_t left = image.size - offset;

    (void)object;
    memcpy(page, (const char *)image.base + offset, left < HAL_PAGE_SIZE ? left : HAL_PAGE_SIZE);
    return HX_OK;
}

static const struct memory_object_ops code_ops = {.fill = fill};

hx_err linux_vdso_init(void)
{
    HX_ASSERT(code_size() + 2 * HAL_PAGE_SIZE <= LINUX_VDSO_SIZE, "the vDSO fits its place");
    return code_size() == 0 ? HX_OK
                            : memory_object_create(&code_ops, NULL, code_size(), OWNER_CORE, &code);
}

/* --- names ------------------------------------------------------------------------------------ */

static void keep(struct mapping_name *name)
{
    (void)name;
}

static void code_text(const struct mapping_name *name, char *buffer, size_t size)
{
    (void)name;
    (void)string_copy(buffer, size, "[vdso]");
}

static void clocks_text(const struct mapping_name *name, char *buffer, size_t size)
{
    (void)name;
    (void)string_copy(buffer, size, "[vvar]");
}

static struct mapping_name code_name = {.get = keep, .put = keep, .text = code_text};
static struct mapping_name clocks_name = {.get = keep, .put = keep, .text = clocks_text};

/* --- mapping ---------------------------------------------------------------------------------- */

/* The image, so that the clock page right behind it leaves one page free at the window's end. */
static uintptr_t place(void)
{
    struct hal_range window = hal_user_window();

    return window.base + window.size - 2 * HAL_PAGE_SIZE - code_size();
}

/* Private, so that a program that writes there writes to a copy of its own. */
hx_err linux_vdso_map(struct address_space *space, uintptr_t *address)
{
    struct mapping_request request = {.address = place(),
                                      .size = code_size(),
                                      .flags = MAPPING_READ | MAPPING_EXECUTE,
                                      .is_fixed = true,
                                      .object = code,
                                      .name = &code_name};
    uintptr_t clocks;
    hx_err error;

    *address = 0;
    if (code == NULL || clock_page_object() == NULL) {
        return HX_OK;
    }
    error = address_space_map(space, &request, address);
    if (error != HX_OK) {
        return error;
    }
    request = (struct mapping_request){.address = *address + code_size(),
                                       .size = HAL_PAGE_SIZE,
                                       .flags = MAPPING_READ,
                                       .is_fixed = true,
                                       .object = clock_page_object(),
                                       .name = &clocks_name};
    return address_space_map(space, &request, &clocks);
}
