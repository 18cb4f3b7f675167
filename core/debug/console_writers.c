/* The writers that need nothing but hal/console.h, or nothing at all. */
#include <core/debug/console.h>
#include <hal/console.h>

static void serial_write_string(const char *text, size_t length)
{
    size_t start = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            hal_console_write(text + start, i - start);
            hal_console_write("\r\n", 2);
            start = i + 1;
        }
    }
    hal_console_write(text + start, length - start);
}

static void serial_write_byte(char byte)
{
    serial_write_string(&byte, 1);
}

static void ignore_level(enum log_level level)
{
    (void)level;
}

const struct console_writer console_serial = {
    .name = "serial",
    .write_byte = serial_write_byte,
    .write_string = serial_write_string,
    .write_bytes = hal_console_write,
    .flush = hal_console_flush,
    .set_level = ignore_level,
    .has_outlet = true,
    .works_in_panic = true,
};

static void null_write_byte(char byte)
{
    (void)byte;
}

static void null_write_string(const char *text, size_t length)
{
    (void)text;
    (void)length;
}

static void null_flush(void)
{
}

const struct console_writer console_null = {
    .name = "null",
    .write_byte = null_write_byte,
    .write_string = null_write_string,
    .flush = null_flush,
    .set_level = ignore_level,
    .works_in_panic = true,
};
