#include <base/format.h>
#include <base/memory.h>
#include <base/text.h>

struct text text_into(char *buffer, size_t size)
{
    if (size > 0) {
        buffer[0] = '\0';
    }
    return (struct text){.buffer = buffer, .size = size};
}

void text_add(struct text *text, const char *format, ...)
{
    size_t used = text->length < text->size ? text->length : text->size;
    va_list args;

    va_start(args, format);
    text->length += format_text_va(text->buffer + used, text->size - used, format, args);
    va_end(args);
}

void text_add_bytes(struct text *text, const void *bytes, size_t size)
{
    size_t room = text->length < text->size ? text->size - text->length - 1 : 0;
    size_t fits = size < room ? size : room;

    if (fits > 0) {
        memcpy(text->buffer + text->length, bytes, fits);
        text->buffer[text->length + fits] = '\0';
    }
    text->length += size;
}
