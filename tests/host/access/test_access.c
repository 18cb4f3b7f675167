/* Asking for rights, what was refused, and resources as people write them. */
#include <tests/host/core/machine.h>

#include <core/capability/capability.h>
#include <core/syscall/syscall.h>
#include <subsys/access/access.h>

static subject_id subject;

/* The calling thread acts as a process's of the subject. */
static void become(subject_id whom)
{
    atomic_store_explicit(&thread_current()->subject, whom, memory_order_relaxed);
    thread_current()->process_number = whom != SUBJECT_KERNEL ? 1 : 0;
}

static void start(void)
{
    CHECK(capability_init() == HX_OK);
    CHECK(access_init() == HX_OK);
    CHECK(access_init() == HX_OK); /* a subsystem that is started again */
    CHECK(capability_subject_create("user:7", &subject) == HX_OK);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void grant(uint64_t rights)
{
    CHECK(capability_grant(subject, privilege_resource(PRIVILEGE_MOUNT), rights, NULL) == HX_OK);
}

static void ask_for_privileges(void)
{
    start();
    CHECK(access_require_privilege(PRIVILEGE_MOUNT) == HX_OK); /* the kernel's own thread */
    become(subject);
    CHECK(access_require_privilege(PRIVILEGE_MOUNT) == HX_EPERM);
    CHECK(access_require_privilege(PRIVILEGE_INSPECT) == HX_EACCES);
    grant(PERMISSION_READ | PERMISSION_WRITE | PERMISSION_CONTROL | PERMISSION_DELEGATE);
    CHECK(access_require_privilege(PRIVILEGE_MOUNT) == HX_EPERM);
    CHECK(access_require(privilege_resource(PRIVILEGE_MOUNT), PERMISSION_READ, HX_EPERM) == HX_OK);
    grant(PERMISSION_EXECUTE);
    CHECK(access_require_privilege(PRIVILEGE_MOUNT) == HX_OK);
    CHECK(access_has_privilege(PRIVILEGE_MOUNT) && !access_has_privilege(PRIVILEGE_POWER));
    CHECK(capability_revoke(subject, privilege_resource(PRIVILEGE_MOUNT)) == HX_OK);
    CHECK(!access_has_privilege(PRIVILEGE_MOUNT));
}

static void run_asking(void)
{
    machine_run(1, ask_for_privileges);
}

/* SPEC: A5 */
static void a_privilege_is_execute_and_nothing_else(void **state)
{
    (void)state;
    in_child(run_asking);
    assert_int_equal(child.status, 0);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void remember_refusals(void)
{
    struct access_refusal refusal;
    subject_id other;

    start();
    CHECK(!access_last_refusal(&refusal) && access_refusal_count() == 0);
    become(subject);
    CHECK(!access_has_privilege(PRIVILEGE_CLOCK)); /* to have not is no refusal */
    CHECK(access_refusal_count() == 0);
    for (unsigned i = 0; i < ACCESS_REFUSALS + 3; i++) {
        enum privilege what = i % 2 == 0 ? PRIVILEGE_CLOCK : PRIVILEGE_NAME;

        CHECK(access_require_privilege(what) == HX_EPERM);
        CHECK(access_last_refusal(&refusal));
        CHECK(refusal.resource == privilege_resource(what) && refusal.subject == subject);
        CHECK(refusal.rights == PERMISSION_EXECUTE && refusal.error == HX_EPERM);
        CHECK(strcmp(refusal.subject_name, "user:7") == 0);
    }
    CHECK(access_refusal_count() == ACCESS_REFUSALS + 3);
    CHECK(access_refusal_at(ACCESS_REFUSALS - 1, &refusal));
    CHECK(!access_refusal_at(ACCESS_REFUSALS, &refusal));
    CHECK(capability_subject_create("user:8", &other) == HX_OK);
    become(other);
    CHECK(access_require_privilege(PRIVILEGE_LOG) == HX_EPERM);
    CHECK(access_last_refusal(&refusal) && refusal.resource == privilege_resource(PRIVILEGE_LOG));
}

static void run_refusals(void)
{
    machine_run(1, remember_refusals);
}

/* SPEC: A5 */
static void what_was_refused_last_can_be_asked(void **state)
{
    (void)state;
    in_child(run_refusals);
    assert_int_equal(child.status, 0);
}

/* --- names ------------------------------------------------------------------------------------ */

static hx_err parse(const char *text, resource_id *resource)
{
    return resource_parse(text, strlen(text), resource);
}

static void name_resources(void)
{
    static const char *const bad[] = {"", ":", "mount", ":mount", "privilege:", "privilege"};
    static const char *const unknown[] = {"nothing:mount", "privilege:nothing", "slot:demo",
                                          "privilege:a-name-that-is-longer-than-any-name-can-be"};
    char text[RESOURCE_TEXT_SIZE];
    resource_id resource = 5;

    start();
    for (size_t i = 0; i < HX_ARRAY_SIZE(bad); i++) {
        CHECK(parse(bad[i], &resource) == HX_EINVAL && resource == 5);
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(unknown); i++) {
        CHECK(parse(unknown[i], &resource) == HX_ENOENT && resource == 5);
    }
    for (unsigned i = 1; i < PRIVILEGE_END; i++) {
        resource_text(privilege_resource((enum privilege)i), text);
        CHECK(parse(text, &resource) == HX_OK);
        CHECK(resource == privilege_resource((enum privilege)i));
        CHECK(privilege_meaning((enum privilege)i)[0] != '\0');
    }
    CHECK(parse("slot:0x10", &resource) == HX_OK);
    CHECK(resource == resource_make(RESOURCE_TYPE_SLOT, 16));
    resource_text(resource, text);
    CHECK(strcmp(text, "slot:16") == 0);
    CHECK(parse("slot:72057594037927936", &resource) == HX_EINVAL); /* 57 bits */
}

static void run_naming(void)
{
    machine_run(1, name_resources);
}

static void resources_are_read_as_they_are_written(void **state)
{
    (void)state;
    in_child(run_naming);
    assert_int_equal(child.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_privilege_is_execute_and_nothing_else),
        cmocka_unit_test(what_was_refused_last_can_be_asked),
        cmocka_unit_test(resources_are_read_as_they_are_written),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
