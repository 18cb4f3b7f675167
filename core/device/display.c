/*
 * Source of the registers: QEMU, docs/specs/standard-vga.rst, and the VBE Bochs Display Extensions.
 */
#include <base/memory.h>
#include <core/device/display.h>
#include <core/device/pci.h>
#include <kern/area.h>

#define BOCHS_VENDOR 0x1234U
#define BOCHS_DEVICE 0x1111U

#define BAR_PIXELS    0U
#define BAR_REGISTERS 2U

/* In the registers' range. */
#define VGA_PORTS     0x400U /* 0x3c0 and on */
#define VGA_ATTRIBUTE 0x00U
#define VGA_STATUS    0x1aU
#define VGA_UNBLANK   0x20U
#define DISPI         0x500U
#define REGISTERS_END 0x600U

enum dispi_index {
    DISPI_ID = 0,
    DISPI_WIDTH = 1,
    DISPI_HEIGHT = 2,
    DISPI_BITS = 3,
    DISPI_ENABLE = 4,
    DISPI_VIRTUAL_WIDTH = 6,
    DISPI_X = 8,
    DISPI_Y = 9,
};

#define DISPI_ID_MASK  0xfff0U
#define DISPI_ID_KNOWN 0xb0c0U
#define DISPI_LINEAR   0x41U /* enabled, with all pixels in one range */

#define PIXEL_BITS     32U
#define PITCH          (DISPLAY_WIDTH * PIXEL_BITS / 8)
#define LINES_MAX      0xffffU /* what the register of the first line shown can say */
#define PIXELS_AT_MOST (64UL << 20)

/* --- where it may lie ------------------------------------------------------------------------- */

static bool overlaps(const struct pci_range *a, uint64_t base, uint64_t size)
{
    return a->base < base + size && base < a->base + a->size;
}

/* Registers of a device lie where the memory map has nothing that is memory. */
static bool is_off_memory(const struct boot_configuration *config, const struct pci_range *range)
{
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (region->kind != MEMORY_RESERVED && overlaps(range, region->base, region->size)) {
            return false;
        }
    }
    return true;
}

static bool are_usable(const struct boot_configuration *config, const struct pci_range *pixels,
                       const struct pci_range *registers)
{
    return pixels->size >= (uint64_t)PITCH * DISPLAY_HEIGHT && registers->size >= REGISTERS_END &&
           !overlaps(pixels, registers->base, registers->size) && is_off_memory(config, pixels) &&
           is_off_memory(config, registers);
}

/* --- the Bochs interface ---------------------------------------------------------------------- */

static uint16_t get(const struct display *display, enum dispi_index index)
{
    return display->registers[index];
}

static void set(const struct display *display, enum dispi_index index, uint32_t value)
{
    display->registers[index] = (uint16_t)value;
}

/* The attribute controller shows nothing until it is told to; reading the status makes its next
 * byte an index. */
static void unblank(volatile char *registers)
{
    (void)*(volatile uint8_t *)(registers + VGA_PORTS + VGA_STATUS);
    *(volatile uint8_t *)(registers + VGA_PORTS + VGA_ATTRIBUTE) = VGA_UNBLANK;
}

static hx_err set_mode(const struct display *display)
{
    if ((get(display, DISPI_ID) & DISPI_ID_MASK) != DISPI_ID_KNOWN) {
        return HX_ENODEV;
    }
    set(display, DISPI_ENABLE, 0);
    set(display, DISPI_WIDTH, DISPLAY_WIDTH);
    set(display, DISPI_HEIGHT, DISPLAY_HEIGHT);
    set(display, DISPI_BITS, PIXEL_BITS);
    set(display, DISPI_ENABLE, DISPI_LINEAR);
    set(display, DISPI_VIRTUAL_WIDTH, DISPLAY_WIDTH);
    set(display, DISPI_X, 0);
    set(display, DISPI_Y, 0);
    return get(display, DISPI_WIDTH) == DISPLAY_WIDTH &&
                   get(display, DISPI_HEIGHT) == DISPLAY_HEIGHT &&
                   get(display, DISPI_BITS) == PIXEL_BITS &&
                   get(display, DISPI_VIRTUAL_WIDTH) == DISPLAY_WIDTH
               ? HX_OK
               : HX_ENODEV;
}

static uint32_t lines_of(uint64_t size)
{
    uint64_t lines = (size < PIXELS_AT_MOST ? size : PIXELS_AT_MOST) / PITCH;

    return (uint32_t)(lines < LINES_MAX ? lines : LINES_MAX);
}

static const struct boot_framebuffer bochs_format = {
    .width = DISPLAY_WIDTH,
    .height = DISPLAY_HEIGHT,
    .pitch = PITCH,
    .bits = PIXEL_BITS,
    .red = {.shift = 16, .size = 8},
    .green = {.shift = 8, .size = 8},
    .blue = {.shift = 0, .size = 8},
};

static hx_err map_bochs(const struct pci_range *pixels, const struct pci_range *registers,
                        struct display *display)
{
    uint32_t lines = lines_of(pixels->size);
    volatile void *first_register;
    volatile void *first_pixel;
    hx_err error = area_map_device(registers->base, REGISTERS_END, &first_register);

    if (error == HX_OK) {
        error = area_map_device(pixels->base, (size_t)lines * PITCH, &first_pixel);
    }
    if (error != HX_OK) {
        return error;
    }
    unblank(first_register);
    *display = (struct display){
        .format = bochs_format,
        .pixels = first_pixel,
        .lines = lines,
        .registers = (volatile uint16_t *)((volatile char *)first_register + DISPI),
        .name = "standard VGA",
    };
    display->format.physical = pixels->base;
    return HX_OK;
}

static hx_err set_up_bochs(const struct boot_configuration *config, uint16_t address,
                           struct display *display)
{
    struct pci_range pixels;
    struct pci_range registers;
    hx_err error;

    if (pci_bar(address, BAR_PIXELS, &pixels) != HX_OK ||
        pci_bar(address, BAR_REGISTERS, &registers) != HX_OK ||
        !are_usable(config, &pixels, &registers)) {
        return HX_ENODEV;
    }
    pci_enable(address, false);
    error = map_bochs(&pixels, &registers, display);
    return error == HX_OK ? set_mode(display) : error;
}

struct search {
    uint16_t address;
    bool is_found;
};

static void look_at(const struct pci_function *function, void *argument)
{
    struct search *search = argument;

    if (!search->is_found && function->vendor == BOCHS_VENDOR && function->device == BOCHS_DEVICE) {
        *search = (struct search){.address = function->address, .is_found = true};
    }
}

/* --- the loader's ----------------------------------------------------------------------------- */

static hx_err set_up_loaders(const struct boot_framebuffer *format, struct display *display)
{
    volatile void *pixels;
    hx_err error =
        area_map_device(format->physical, (size_t)boot_framebuffer_size(format), &pixels);

    if (error == HX_OK) {
        *display = (struct display){.format = *format,
                                    .pixels = pixels,
                                    .lines = format->height,
                                    .name = "the loader's framebuffer"};
    }
    return error;
}

hx_err display_find(const struct boot_configuration *config, struct display *display)
{
    struct search search = {0};

    if (config->framebuffer.physical != 0) {
        return set_up_loaders(&config->framebuffer, display);
    }
    pci_for_each(look_at, &search);
    return search.is_found ? set_up_bochs(config, search.address, display) : HX_ENOENT;
}

/* --- use -------------------------------------------------------------------------------------- */

void display_pan(const struct display *display, uint32_t line)
{
    set(display, DISPI_Y, line);
}

bool display_is_plain(const struct boot_framebuffer *format)
{
    return format->bits == 32 && format->red.shift == 16 && format->red.size == 8 &&
           format->green.shift == 8 && format->green.size == 8 && format->blue.shift == 0 &&
           format->blue.size == 8 && format->pitch % 8 == 0 && format->physical % 8 == 0;
}

static uint32_t part(uint32_t colour, struct boot_colour field)
{
    return (colour & 0xff) >> (8 - field.size) << field.shift;
}

static uint32_t converted(const struct boot_framebuffer *format, uint32_t colour)
{
    return part(colour >> 16, format->red) | part(colour >> 8, format->green) |
           part(colour, format->blue);
}

static void store_pixel(volatile char *to, uint32_t bytes, uint32_t value)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (char)(value >> i * 8);
    }
}

static void copy_converted(const struct boot_framebuffer *format, volatile char *to,
                           const uint32_t *pixels, uint32_t width)
{
    uint32_t bytes = format->bits / 8U;
    uint32_t last = *pixels;
    uint32_t value = converted(format, last);

    for (uint32_t x = 0; x < width; x++) {
        if (pixels[x] != last) {
            last = pixels[x];
            value = converted(format, last);
        }
        store_pixel(to + x * bytes, bytes, value);
    }
}

void display_copy(const struct display *display, uint32_t x, uint32_t line, uint32_t width,
                  uint32_t height, const uint32_t *pixels, uint32_t from_pitch)
{
    const struct boot_framebuffer *format = &display->format;
    bool is_plain = display_is_plain(format);

    for (uint32_t y = 0; y < height; y++) {
        volatile char *to =
            display->pixels + (size_t)(line + y) * format->pitch + (size_t)x * (format->bits / 8U);
        const uint32_t *from =
            (const uint32_t *)(const void *)((const char *)pixels + (size_t)y * from_pitch);

        if (is_plain) {
            memcpy((void *)(uintptr_t)to, from, (size_t)width * sizeof(*from));
        } else {
            copy_converted(format, to, from, width);
        }
    }
}
