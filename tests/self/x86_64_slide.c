/* Where the image and the direct map lie, which tests/scenario/test_kaslr.py compares from boot to
 * boot. */
#include <core/debug/log.h>
#include <hal/memory.h>
#include <ports/x86_64/layout.h>
#include <tests/self/suites.h>

#define LINKED (KERNEL_BASE + KERNEL_LOAD)

static bool is_mapped(uintptr_t address)
{
    return hal_space_lookup(hal_space_kernel(), address, NULL, NULL);
}

/* SPEC: B1 */
static void image_and_direct_map_are_a_slide_away(void)
{
    struct hal_slide slide = hal_kernel_slide();
    uintptr_t image = hal_kernel_image().text.base;
    uintptr_t direct = (uintptr_t)hal_direct_map(0);

    kprintln("# image at 0x%llx, direct map at 0x%llx", (unsigned long long)image,
             (unsigned long long)direct);
    EXPECT_EQUAL(image - LINKED, slide.image);
    EXPECT_EQUAL(direct - DIRECT_MAP, slide.direct);
    EXPECT(is_mapped(image));
    EXPECT(is_mapped(direct + KERNEL_LOAD));
}

/* SPEC: B1 */
static void image_and_direct_map_show_the_same(void)
{
    struct hal_image image = hal_kernel_image();
    uint64_t physical = 0;

    EXPECT(hal_space_lookup(hal_space_kernel(), image.rodata.base, &physical, NULL));
    EXPECT_EQUAL(physical - KERNEL_LOAD, image.rodata.base - image.text.base);
    EXPECT_EQUAL(hal_direct_physical(hal_direct_map(physical)), physical);
    EXPECT_EQUAL(*(const uint64_t *)hal_direct_map(physical), *(const uint64_t *)image.rodata.base);
}

/* SPEC: B1 */
static void nothing_is_left_at_the_first_places(void)
{
    struct hal_slide slide = hal_kernel_slide();

    if (slide.image == 0) {
        selftest_skip("needs to be without nokaslr");
        return;
    }
    EXPECT(!is_mapped(LINKED));
    EXPECT(slide.direct == 0 || !is_mapped(DIRECT_MAP + KERNEL_LOAD));
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "x86_64_slide." #function, .run = function                                         \
    }

const struct selftest x86_64_slide_tests[] = {
    TEST(image_and_direct_map_are_a_slide_away),
    TEST(image_and_direct_map_show_the_same),
    TEST(nothing_is_left_at_the_first_places),
    {.name = NULL},
};
