/* Any bytes as a security policy: read, or refused with the line; what it is written as reads back.
 */
#include <base/memory.h>
#include <base/string.h>
#include <stdbool.h>
#include <stdlib.h>
#include <subsys/hooks/policy.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define WRITTEN_MAX 65536U

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void require_error(const char *error)
{
    require(string_length_max(error, POLICY_ERROR_MAX) < POLICY_ERROR_MAX);
    require(string_has_prefix(error, "line "));
    for (const char *at = error; *at != '\0'; at++) {
        require((unsigned char)*at >= ' '); /* nothing of the text that a terminal would act on */
    }
}

static void require_round_trip(const struct hx_hook_policy *policy)
{
    static char written[WRITTEN_MAX];
    static struct hx_hook_policy again;
    char error[POLICY_ERROR_MAX];
    struct text text = text_into(written, sizeof(written));

    policy_write(policy, &text);
    require(text.length < sizeof(written));
    require(policy_read(&again, written, text.length, error, sizeof(error)) == HX_OK);
    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        struct hx_hook_rule rule = policy_rule_of(policy, number);
        struct hx_hook_rule other = policy_rule_of(&again, number);

        require(rule.who == other.who);
        require(rule.who == HX_HOOK_EVERYONE || rule.error == other.error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct hx_hook_policy policy;
    char error[POLICY_ERROR_MAX];
    char *text = malloc(size > 0 ? size : 1); /* ends where the text does, for the sanitizer */

    memcpy(text, bytes, size);
    if (policy_read(&policy, text, size, error, sizeof(error)) == HX_OK) {
        require_round_trip(&policy);
    } else {
        require_error(error);
    }
    free(text);
    return 0;
}
