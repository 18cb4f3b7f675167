/* Where -fstack-protector reports a broken canary. The canary is per CPU, drawn at boot (start.c).
 */
#include <base/assert.h>
#include <ports/x86_64/stack_protector.h>

void __stack_chk_fail(void)
{
    assert_failed("a function's stack canary is intact", "gs:40", "stack", 0);
}
