/* The kernel command line. */
#include <core/config/command_line.h>

#include <base/memory.h>
#include <base/string.h>
#include <core/config/option_list.h>

static const struct command_line_help help_rows[] = {
#define OPTION_ROW(option_key, option_form, option_default, option_text)                           \
    {.key = (option_key),                                                                          \
     .form = (option_form),                                                                        \
     .fallback = (option_default),                                                                 \
     .text = (option_text)},
    OPTION_LIST(OPTION_ROW)
#undef OPTION_ROW
};

bool command_line_help(size_t n, struct command_line_help *help)
{
    if (n >= HX_ARRAY_SIZE(help_rows)) {
        return false;
    }
    *help = help_rows[n];
    return true;
}

static bool key_is_known(const char *key)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(help_rows); i++) {
        if (string_matches(key, help_rows[i].key)) {
            return true;
        }
    }
    return false;
}

/* --- parsing ---------------------------------------------------------------------------------- */

/* The text being read, and the storage being filled. */
struct parser {
    struct command_line *line;
    const char *at; /* next byte of the input */
    size_t used;    /* bytes of line->text in use */
};

/* One word in storage: key, NUL, value, NUL, or just the key when it is a flag. */
struct word {
    size_t start;
    size_t value; /* where the value begins; of a flag, its terminating NUL */
    bool split;   /* an equals sign was seen */
    bool fits;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void skip_blanks(struct parser *parser)
{
    while (is_blank(*parser->at)) {
        parser->at++;
    }
}

static bool store(struct parser *parser, char byte)
{
    if (parser->used == sizeof(parser->line->text)) {
        return false;
    }
    parser->line->text[parser->used++] = byte;
    return true;
}

/* Take one byte of a word: the first equals sign ends the key, the others are text. */
static void word_take(struct parser *parser, struct word *word, char byte)
{
    bool splits = byte == '=' && !word->split;

    if (splits) {
        word->split = true;
        byte = '\0';
    }
    word->fits = word->fits && store(parser, byte);
    if (splits) {
        word->value = parser->used;
    }
}

/* Read up to a blank outside quotes. A quote that is never closed reaches to the end. */
static struct word read_word(struct parser *parser)
{
    struct word word = {.start = parser->used, .fits = true};
    char quote = '\0';

    for (; *parser->at != '\0' && (quote != '\0' || !is_blank(*parser->at)); parser->at++) {
        char byte = *parser->at;

        if (quote == '\0' && (byte == '"' || byte == '\'')) {
            quote = byte;
        } else if (byte == quote) {
            quote = '\0';
        } else {
            word_take(parser, &word, byte);
        }
    }
    if (!word.split) {
        word.value = parser->used;
    }
    word.fits = word.fits && store(parser, '\0');
    return word;
}

static struct command_line_option *option_find(struct command_line *line, const char *key)
{
    for (size_t i = 0; i < line->count; i++) {
        if (string_equal(line->options[i].key, key)) {
            return &line->options[i];
        }
    }
    return NULL;
}

/* Keep a word as an option; false when it has no key or there is no room. */
static bool option_keep(struct command_line *line, const struct word *word)
{
    const char *key = line->text + word->start;
    struct command_line_option *option;

    if (!word->fits || *key == '\0') {
        return false;
    }
    option = option_find(line, key);
    if (option == NULL) {
        if (line->count == COMMAND_LINE_OPTION_MAX) {
            return false;
        }
        option = &line->options[line->count++];
        option->key = key;
        option->known = key_is_known(key);
    }
    option->value = line->text + word->value;
    return true;
}

/* A bare --: two dashes, unquoted, and nothing more in the word. */
static bool at_end_of_options(const struct parser *parser)
{
    return string_has_prefix(parser->at, "--") &&
           (parser->at[2] == '\0' || is_blank(parser->at[2]));
}

static void read_init_arguments(struct parser *parser)
{
    size_t room = sizeof(parser->line->text) - parser->used;
    char *to = parser->line->text + parser->used;

    parser->at += 2;
    skip_blanks(parser);
    if (string_length(parser->at) < room) {
        string_copy(to, room, parser->at);
        parser->line->init_arguments = to;
    } else {
        parser->line->dropped++;
    }
}

void command_line_parse(struct command_line *line, const char *text)
{
    struct parser parser = {.line = line, .at = text};

    memset(line, 0, sizeof(*line));
    line->init_arguments = "";
    for (skip_blanks(&parser); *parser.at != '\0'; skip_blanks(&parser)) {
        struct word word;

        if (at_end_of_options(&parser)) {
            read_init_arguments(&parser);
            return;
        }
        word = read_word(&parser);
        if (!option_keep(line, &word)) {
            parser.used = word.start;
            line->dropped++;
        }
    }
}

bool command_line_names(const char *text, const char *flag)
{
    struct parser parser = {.at = text};
    size_t length = string_length(flag);

    for (skip_blanks(&parser); *parser.at != '\0' && !at_end_of_options(&parser);
         skip_blanks(&parser)) {
        if (string_has_prefix(parser.at, flag) &&
            (parser.at[length] == '\0' || is_blank(parser.at[length]))) {
            return true;
        }
        while (*parser.at != '\0' && !is_blank(*parser.at)) {
            parser.at++;
        }
    }
    return false;
}

/* --- getters ---------------------------------------------------------------------------------- */

static const char *value_of(const struct command_line *line, const char *key)
{
    for (size_t i = 0; i < line->count; i++) {
        if (string_equal(line->options[i].key, key)) {
            return line->options[i].value;
        }
    }
    return NULL;
}

bool command_line_has(const struct command_line *line, const char *key)
{
    return value_of(line, key) != NULL;
}

const char *command_line_text(const struct command_line *line, const char *key,
                              const char *fallback)
{
    const char *value = value_of(line, key);

    return value != NULL ? value : fallback;
}

hx_err command_line_u64(const struct command_line *line, const char *key, uint64_t *value)
{
    const char *text = value_of(line, key);

    return text != NULL ? string_to_u64(text, string_length(text), value) : HX_ENOENT;
}

hx_err command_line_bool(const struct command_line *line, const char *key, bool *value)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"", true},   {"1", true},   {"yes", true},  {"on", true},    {"true", true},
                 {"0", false}, {"no", false}, {"off", false}, {"false", false}};
    const char *text = value_of(line, key);

    if (text == NULL) {
        return HX_ENOENT;
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(words); i++) {
        if (string_equal(text, words[i].text)) {
            *value = words[i].value;
            return HX_OK;
        }
    }
    return HX_EINVAL;
}

bool command_line_lists(const struct command_line *line, const char *key, const char *item)
{
    const char *at = value_of(line, key);
    size_t length = string_length(item);

    if (length == 0) {
        return false;
    }
    while (at != NULL) {
        if (string_has_prefix(at, item) && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
        at = string_find(at, ',');
        if (at != NULL) {
            at++;
        }
    }
    return false;
}

const struct command_line_option *command_line_unknown(const struct command_line *line, size_t n)
{
    for (size_t i = 0; i < line->count; i++) {
        if (!line->options[i].known && n-- == 0) {
            return &line->options[i];
        }
    }
    return NULL;
}
