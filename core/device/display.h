/*
 * The machine's display: where its pixels are, and how they are shown.
 *
 * Rules:
 * - It is the loader's framebuffer if there is one; else QEMU's standard VGA (1234:1111), which is
 *   found on PCI and set to DISPLAY_WIDTH by DISPLAY_HEIGHT pixels; else there is none.
 * - What a function on PCI says of its registers is not trusted: ranges that are too small, overlap
 *   each other, or lie where there is memory, are no display.
 * - Found once; kept for ever. Who draws serialises it.
 */
#ifndef CORE_DEVICE_DISPLAY_H
#define CORE_DEVICE_DISPLAY_H

#include <core/config/boot_configuration.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define DISPLAY_WIDTH  1024U
#define DISPLAY_HEIGHT 768U

struct display {
    struct boot_framebuffer format;
    volatile char *pixels;
    uint32_t lines;               /* rows of pixels there is memory for: at least format.height */
    volatile uint16_t *registers; /* of the Bochs interface; NULL: only the first rows are shown */
    const char *name;
};

/*
 * Find it and set its mode.
 * Context: boot or thread, once areas can be mapped.  Errors: HX_ENOENT there is none; HX_ENODEV it
 * cannot be used, HX_ENOMEM.
 */
HX_MUST_USE hx_err display_find(const struct boot_configuration *config, struct display *display);

/* Show the rows of pixels from `line` on, where display_can_pan; there have to be as many as are
 * shown.  Context: any. */
void display_pan(const struct display *display, uint32_t line);

static inline bool display_can_pan(const struct display *display)
{
    return display->registers != NULL && display->lines > display->format.height;
}

/* Whether a pixel is 0x00RRGGBB in 32 bits, as who draws makes them. */
bool display_is_plain(const struct boot_framebuffer *format);

/* Copy rows of such pixels, `from_pitch` bytes apart, to a place of the display, in its own format.
 * All of it lies within the display.  Context: any. */
void display_copy(const struct display *display, uint32_t x, uint32_t line, uint32_t width,
                  uint32_t height, const uint32_t *pixels, uint32_t from_pitch);

#endif
