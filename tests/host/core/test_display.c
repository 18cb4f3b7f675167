/* Pixels of the renderer in the formats that a loader may leave. */
#include <base/memory.h>
#include <core/device/display.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WIDTH  8U
#define HEIGHT 4U
#define PITCH  48U /* more than the pixels of a row take */

static uint8_t memory[PITCH * HEIGHT] __attribute__((aligned(8)));

static struct display display_of(uint8_t bits, struct boot_colour red, struct boot_colour green,
                                 struct boot_colour blue)
{
    memset(memory, 0xee, sizeof(memory));
    return (struct display){
        .format = {.physical = 8,
                   .width = WIDTH,
                   .height = HEIGHT,
                   .pitch = PITCH,
                   .bits = bits,
                   .red = red,
                   .green = green,
                   .blue = blue},
        .pixels = (volatile char *)memory,
        .lines = HEIGHT,
    };
}

static uint32_t pixel_at(const struct display *display, uint32_t x, uint32_t y)
{
    uint32_t bytes = display->format.bits / 8U;
    uint32_t value = 0;

    memcpy(&value, &memory[y * PITCH + x * bytes], bytes);
    return value;
}

/* Two pixels in two rows, and that nothing beside them was touched. */
static void assert_copied(const struct display *display, uint32_t first, uint32_t second)
{
    const uint32_t pixels[] = {0xff8040, 0x000000, 0x102030, 0xffffff};
    uint32_t untouched = 0xeeeeeeeeU >> (32 - display->format.bits);

    display_copy(display, 2, 1, 2, 2, pixels, 2 * sizeof(uint32_t));
    assert_int_equal(pixel_at(display, 2, 1), first);
    assert_int_equal(pixel_at(display, 3, 1), 0);
    assert_int_equal(pixel_at(display, 2, 2), second);
    for (uint32_t y = 0; y < HEIGHT; y++) {
        for (uint32_t x = 0; x < WIDTH; x++) {
            if (x < 2 || x > 3 || y < 1 || y > 2) {
                assert_int_equal(pixel_at(display, x, y), untouched);
            }
        }
    }
}

static void plain_pixels_stay_as_they_are(void **state)
{
    struct display display = display_of(32, (struct boot_colour){16, 8}, (struct boot_colour){8, 8},
                                        (struct boot_colour){0, 8});

    (void)state;
    assert_true(display_is_plain(&display.format));
    assert_copied(&display, 0xff8040, 0x102030);
}

static void other_orders_of_colours_are_made(void **state)
{
    struct display display = display_of(32, (struct boot_colour){0, 8}, (struct boot_colour){8, 8},
                                        (struct boot_colour){16, 8});

    (void)state;
    assert_false(display_is_plain(&display.format));
    assert_copied(&display, 0x4080ff, 0x302010);
}

static void pixels_of_three_bytes_are_written_byte_by_byte(void **state)
{
    struct display display = display_of(24, (struct boot_colour){16, 8}, (struct boot_colour){8, 8},
                                        (struct boot_colour){0, 8});

    (void)state;
    assert_copied(&display, 0xff8040, 0x102030);
}

static void pixels_of_sixteen_bits_keep_the_upper_bits_of_each_colour(void **state)
{
    struct display display = display_of(16, (struct boot_colour){11, 5}, (struct boot_colour){5, 6},
                                        (struct boot_colour){0, 5});

    (void)state;
    assert_copied(&display, 0x1f << 11 | 0x20 << 5 | 0x08, 0x02 << 11 | 0x08 << 5 | 0x06);
}

static void a_display_that_shows_all_of_its_memory_cannot_pan(void **state)
{
    uint16_t registers[16] = {0};
    struct display display = {.format = {.height = HEIGHT}, .lines = HEIGHT};

    (void)state;
    assert_false(display_can_pan(&display));
    display.registers = registers;
    assert_false(display_can_pan(&display));
    display.lines = HEIGHT + 1;
    assert_true(display_can_pan(&display));
    display_pan(&display, 1);
    assert_int_equal(registers[9], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_pixels_stay_as_they_are),
        cmocka_unit_test(other_orders_of_colours_are_made),
        cmocka_unit_test(pixels_of_three_bytes_are_written_byte_by_byte),
        cmocka_unit_test(pixels_of_sixteen_bits_keep_the_upper_bits_of_each_colour),
        cmocka_unit_test(a_display_that_shows_all_of_its_memory_cannot_pan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
