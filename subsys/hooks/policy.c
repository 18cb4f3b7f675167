#include <base/memory.h>
#include <base/string.h>
#include <subsys/hooks/policy.h>

#define WORDS_MAX 4U

struct word {
    const char *text;
    size_t length;
};

/* Where in the text, and what there is in the line. */
struct line {
    unsigned number; /* 1.. */
    unsigned count;
    struct word words[WORDS_MAX + 1]; /* one more than any rule has */
    char *error;
    size_t error_size;
};

static const char *const who_names[] = {
    [HX_HOOK_EVERYONE] = "everyone", [HX_HOOK_HOLDERS] = "holders", [HX_HOOK_NOBODY] = "nobody"};

#define ERROR_COUNT 2U
static const struct {
    const char *name;
    hx_err error;
} errors[ERROR_COUNT] = {{"EPERM", HX_EPERM}, {"EACCES", HX_EACCES}};

static bool word_is(const struct word *word, const char *text)
{
    return word->length == string_length(text) && memcmp(word->text, text, word->length) == 0;
}

/* --- what is wrong ---------------------------------------------------------------------------- */

#define QUOTED_MAX 32

/* A word of the text as people can read it. */
static void add_quoted(struct text *text, const struct word *word)
{
    text_add(text, "`");
    for (size_t i = 0; i < word->length && i < QUOTED_MAX; i++) {
        bool is_printable = word->text[i] > ' ' && word->text[i] <= '~';

        text_add(text, "%c", is_printable ? word->text[i] : '?');
    }
    text_add(text, "`%s", word->length > QUOTED_MAX ? " …" : "");
}

static hx_err wrong(const struct line *line, const char *what, const struct word *word)
{
    struct text text = text_into(line->error, line->error_size);

    text_add(&text, "line %u: %s", line->number, what);
    if (word != NULL) {
        text_add(&text, " ");
        add_quoted(&text, word);
    }
    return HX_EFORMAT;
}

/* --- words ------------------------------------------------------------------------------------ */

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

/* Part the line that begins at text, up to its end or a remark. */
static void part(struct line *line, const char *text, size_t length)
{
    size_t at = 0;

    line->count = 0;
    while (at < length && text[at] != '#' && line->count <= WORDS_MAX) {
        size_t start = at;

        while (at < length && text[at] != '#' && !is_blank(text[at])) {
            at++;
        }
        if (at > start) {
            line->words[line->count++] = (struct word){text + start, at - start};
        }
        while (at < length && is_blank(text[at])) {
            at++;
        }
    }
}

/* --- one rule --------------------------------------------------------------------------------- */

static struct hx_hook_rule *find_class(struct hx_hook_policy *policy, const struct word *name)
{
    for (unsigned class = 0; class < SYSCALL_CLASS_COUNT; class ++) {
        if (word_is(name, syscall_class_name((enum syscall_class) class))) {
            return &policy->classes[class];
        }
    }
    return NULL;
}

static struct hx_hook_rule *find_call(struct hx_hook_policy *policy, const struct word *name)
{
    uint64_t wanted = SYSCALL_MAX;

    if (string_to_u64(name->text, name->length, &wanted) == HX_OK) {
        return wanted < SYSCALL_MAX ? &policy->calls[wanted] : NULL;
    }
    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        const struct syscall_entry *entry = syscall_lookup(number);

        if (entry != NULL && word_is(name, entry->name)) {
            return &policy->calls[number];
        }
    }
    return NULL;
}

/* Words from the third on: who, and the error of the others. */
static hx_err read_who(const struct line *line, struct hx_hook_rule *rule)
{
    unsigned who = 0;
    unsigned error = 0;

    while (who < HX_HOOK_WHO_COUNT && !word_is(&line->words[2], who_names[who])) {
        who++;
    }
    if (who == HX_HOOK_WHO_COUNT) {
        return wrong(line, "not everyone, holders or nobody:", &line->words[2]);
    }
    if (line->count == WORDS_MAX && who == HX_HOOK_EVERYONE) {
        return wrong(line, "nobody is refused, so there is no error", NULL);
    }
    while (line->count == WORDS_MAX && error < ERROR_COUNT &&
           !word_is(&line->words[3], errors[error].name)) {
        error++;
    }
    if (error == ERROR_COUNT) {
        return wrong(line, "not EPERM or EACCES:", &line->words[3]);
    }
    *rule = (struct hx_hook_rule){
        .who = (uint8_t)who, .error = (uint8_t)errors[error].error, .is_given = true};
    return HX_OK;
}

static hx_err read_rule(struct hx_hook_policy *policy, const struct line *line)
{
    bool is_class = line->count > 0 && word_is(&line->words[0], "class");
    struct hx_hook_rule *rule;

    if (!is_class && !word_is(&line->words[0], "call")) {
        return wrong(line, "a rule begins with class or call, not", &line->words[0]);
    }
    if (line->count < 3) {
        return wrong(line, "what, its name and who may make it", NULL);
    }
    if (line->count > WORDS_MAX) {
        return wrong(line, "too much:", &line->words[WORDS_MAX]);
    }
    rule = is_class ? find_class(policy, &line->words[1]) : find_call(policy, &line->words[1]);
    if (rule == NULL) {
        return wrong(line, is_class ? "no such class:" : "no such call:", &line->words[1]);
    }
    if (rule->is_given) {
        return wrong(line, "said twice:", &line->words[1]);
    }
    return read_who(line, rule);
}

/* --- the text --------------------------------------------------------------------------------- */

hx_err policy_read(struct hx_hook_policy *policy, const char *text, size_t length, char *error,
                   size_t error_size)
{
    struct line line = {.error = error, .error_size = error_size};
    hx_err result = HX_OK;
    size_t start = 0;

    memset(policy, 0, sizeof(*policy));
    while (start < length && result == HX_OK) {
        size_t end = start;

        while (end < length && text[end] != '\n') {
            end++;
        }
        line.number++;
        part(&line, text + start, end - start);
        if (line.count > 0) {
            result = read_rule(policy, &line);
        }
        start = end + 1;
    }
    return result;
}

struct hx_hook_rule policy_rule_of(const struct hx_hook_policy *policy, uint32_t number)
{
    return number < SYSCALL_MAX && policy->calls[number].is_given
               ? policy->calls[number]
               : policy->classes[syscall_class_of(number)];
}

static void write_rule(const struct hx_hook_rule *rule, struct text *text)
{
    text_add(text, " %s", who_names[rule->who]);
    for (unsigned i = 0; i < ERROR_COUNT && rule->who != HX_HOOK_EVERYONE; i++) {
        if (errors[i].error == (hx_err)rule->error) {
            text_add(text, " %s", errors[i].name);
        }
    }
    text_add(text, "\n");
}

void policy_write(const struct hx_hook_policy *policy, struct text *text)
{
    for (unsigned class = 0; class < SYSCALL_CLASS_COUNT; class ++) {
        text_add(text, "class %s", syscall_class_name((enum syscall_class) class));
        write_rule(&policy->classes[class], text);
    }
    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        const struct syscall_entry *entry = syscall_lookup(number);

        if (!policy->calls[number].is_given) {
            continue;
        }
        if (entry != NULL) {
            text_add(text, "call %s", entry->name);
        } else {
            text_add(text, "call %u", (unsigned)number);
        }
        write_rule(&policy->calls[number], text);
    }
}
