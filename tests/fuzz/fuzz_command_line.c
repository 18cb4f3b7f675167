/* Any text as a kernel command line: options stay in the storage, getters answer for each. */
#include <core/config/command_line.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void require_stored(const struct command_line *line, const char *text)
{
    require(text >= line->text && text < line->text + sizeof(line->text));
    require(text + strlen(text) < line->text + sizeof(line->text));
}

static void check_option(const struct command_line *line, const struct command_line_option *option)
{
    uint64_t number;
    bool truth;

    require_stored(line, option->key);
    require_stored(line, option->value);
    require(option->key[0] != '\0');
    require(command_line_text(line, option->key, NULL) == option->value);
    require(command_line_u64(line, option->key, &number) != HX_ENOENT);
    require(command_line_bool(line, option->key, &truth) != HX_ENOENT);
    (void)command_line_lists(line, option->key, "serial");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct command_line line;
    char *text = malloc(size + 1);
    size_t unknown = 0;

    memcpy(text, bytes, size);
    text[size] = '\0';
    command_line_parse(&line, text);
    require(line.count <= COMMAND_LINE_OPTION_MAX);
    for (size_t i = 0; i < line.count; i++) {
        check_option(&line, &line.options[i]);
        unknown += !line.options[i].known;
    }
    require(unknown == 0 || command_line_unknown(&line, unknown - 1) != NULL);
    require(command_line_unknown(&line, unknown) == NULL);
    if (line.init_arguments[0] != '\0') {
        require_stored(&line, line.init_arguments);
    }
    free(text);
    return 0;
}
