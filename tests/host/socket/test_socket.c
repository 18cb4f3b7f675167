/* Sockets with one thread: bytes, messages, names, charges, and allocations that fail. */
#include <tests/host/socket/socket_machine.h>

#include <subsys/access/access.h>
#include <sys/resource.h>

static unsigned ready(struct file *file)
{
    return file_poll(file, NULL);
}

/* --- bytes and messages ----------------------------------------------------------------------- */

SOCKET_TEST(a_pair_moves_bytes_both_ways_and_leaves_nothing)
{
    struct vfs_balance before = vfs_balance();

    make_pair(SOCKET_STREAM);
    put_text(a, "one ");
    put_text(a, "two");
    put_text(b, "back");
    CHECK(reads(b, "one two") && reads(a, "back"));
    put_text(a, "never read");
    CHECK(used_of(RESOURCE_MEMORY) > 0);
    close_pair();
    check_ledger();
    vfs_check_balance(before);
}

SOCKET_TEST(a_stream_takes_no_more_than_its_limit)
{
    static char bytes[500000];
    const int32_t size = 10000;
    struct transfer transfer;
    size_t done;

    make_pair(SOCKET_STREAM);
    atomic_fetch_or(&a->flags, FILE_NON_BLOCKING);
    transfer_init_kernel(&transfer, bytes, sizeof(bytes));
    CHECK(file_write(a, &transfer, &done) == HX_OK && done == 212992);
    CHECK(file_write(a, &transfer, &done) == HX_EAGAIN);
    CHECK((ready(a) & POLL_OUT) == 0);
    CHECK(read_bytes(b, bytes, sizeof(bytes), &done) == HX_OK && done == 212992);
    CHECK((ready(a) & POLL_OUT) != 0);
    CHECK(socket_set_option(socket_of(a), 1, 7, &size, sizeof(size)) == HX_OK);
    transfer_init_kernel(&transfer, bytes, sizeof(bytes));
    CHECK(file_write(a, &transfer, &done) == HX_OK && done == 20000);
    close_pair();
}

SOCKET_TEST(little_traffic_needs_one_page)
{
    uint64_t used;
    size_t done;
    char byte;

    make_pair(SOCKET_STREAM);
    put_text(a, "x");
    CHECK(read_bytes(b, &byte, 1, &done) == HX_OK);
    used = used_of(RESOURCE_MEMORY);
    for (unsigned i = 0; i < 20000; i++) {
        put_text(a, "x");
        CHECK(read_bytes(b, &byte, 1, &done) == HX_OK && done == 1);
    }
    CHECK(used_of(RESOURCE_MEMORY) == used);
    close_pair();
    check_ledger();
}

/* Telling who sent each byte takes no more room for many bytes than for one, of one sender. */
SOCKET_TEST(bytes_of_one_sender_have_one_mark)
{
    const int32_t on = 1;
    struct vfs_balance one;

    make_pair(SOCKET_STREAM);
    CHECK(socket_set_option(socket_of(b), 1, 16, &on, sizeof(on)) == HX_OK);
    put_text(a, "x");
    one = vfs_balance();
    for (unsigned i = 0; i < 20; i++) {
        put_text(a, "x");
    }
    vfs_check_balance(one);
    CHECK(reads(b, "xxxxxxxxxxxxxxxxxxxxx"));
    close_pair();
    check_ledger();
}

SOCKET_TEST(the_other_sides_end_is_told)
{
    size_t done;
    char byte;

    make_pair(SOCKET_STREAM);
    put_text(a, "last");
    file_put(a);
    CHECK(reads(b, "last") && reads(b, ""));
    CHECK(write_text(b, "x", &done) == HX_ECLOSED);
    CHECK((ready(b) & POLL_HANGUP) != 0);
    file_put(b);
    make_pair(SOCKET_STREAM);
    put_text(b, "never read");
    file_put(a);
    CHECK((ready(b) & POLL_ERROR) != 0);
    CHECK(read_bytes(b, &byte, 1, &done) == HX_ECONNRESET);
    CHECK(read_bytes(b, &byte, 1, &done) == HX_OK && done == 0);
    file_put(b);
}

SOCKET_TEST(messages_keep_their_bounds_and_are_charged)
{
    char buffer[64];
    size_t done;

    make_pair(SOCKET_SEQPACKET);
    put_text(a, "first");
    put_text(a, "second");
    CHECK(used_of(RESOURCE_MEMORY) > 0);
    CHECK(read_bytes(b, buffer, 3, &done) == HX_OK && done == 3);
    CHECK(reads(b, "second"));
    CHECK(used_of(RESOURCE_MEMORY) == 0);
    put_text(a, "never read");
    close_pair();
    check_ledger();
}

/* --- charges ---------------------------------------------------------------------------------- */

/* SPEC: Q1 */
SOCKET_TEST(buffers_obey_the_owners_limit)
{
    static char bytes[100000];
    struct transfer transfer;
    size_t done;

    make_pair(SOCKET_STREAM);
    limit_to(RESOURCE_MEMORY, 4 * PAGE);
    transfer_init_kernel(&transfer, bytes, sizeof(bytes));
    CHECK(file_write(a, &transfer, &done) == HX_OK && done == 4 * PAGE);
    CHECK(file_write(a, &transfer, &done) == HX_ENOMEM);
    close_pair();
    make_pair(SOCKET_DATAGRAM);
    transfer_init_kernel(&transfer, bytes, 5 * PAGE);
    CHECK(file_write(a, &transfer, &done) == HX_ENOBUFS);
    close_pair();
    check_ledger();
}

/* SPEC: Q1 */
SOCKET_TEST(a_port_is_charged_as_long_as_it_is_bound)
{
    struct file *one = new_socket(SOCKET_INET, SOCKET_STREAM, 0);
    struct file *two = new_socket(SOCKET_INET, SOCKET_DATAGRAM, 0);
    struct file *client = new_socket(SOCKET_INET, SOCKET_STREAM, 0);
    struct file *taken;
    uint64_t measured;

    limit_to(RESOURCE_NETWORK_PORTS, 2);
    CHECK(bind_to(one, at_port(0)) == HX_OK && bind_to(two, at_port(0)) == HX_OK);
    CHECK(used_of(RESOURCE_NETWORK_PORTS) == 2);
    CHECK(resource_measure(vfs_owner, RESOURCE_NETWORK_PORTS, &measured) == HX_OK && measured == 2);
    CHECK(bind_to(client, at_port(0)) == HX_ENOBUFS);
    CHECK(socket_listen(socket_of(one), 1, &caller) == HX_OK);
    CHECK(connect_to(client, at_port(port_of(one))) == HX_ENOBUFS);
    file_put(two);
    CHECK(used_of(RESOURCE_NETWORK_PORTS) == 1);
    CHECK(connect_to(client, at_port(port_of(one))) == HX_OK);
    CHECK(accept_from(one, &taken) == HX_OK);
    CHECK(used_of(RESOURCE_NETWORK_PORTS) == 2); /* the accepted one shares its listener's */
    file_put(taken);
    file_put(client);
    file_put(one);
    check_ledger();
}

SOCKET_TEST(small_ports_need_a_privilege)
{
    struct file *one = new_socket(SOCKET_INET, SOCKET_STREAM, 0);
    subject_id subject;

    CHECK(capability_init() == HX_OK);
    CHECK(capability_subject_create("user:1000", &subject) == HX_OK);
    atomic_store_explicit(&thread_current()->subject, subject, memory_order_relaxed);
    thread_current()->process_number = 1;
    CHECK(bind_to(one, at_port(80)) == HX_EACCES);
    CHECK(capability_grant(subject, privilege_resource(PRIVILEGE_PORT), PERMISSION_EXECUTE, NULL) ==
          HX_OK);
    CHECK(bind_to(one, at_port(80)) == HX_OK);
    file_put(one);
}

/* --- names ------------------------------------------------------------------------------------ */

SOCKET_TEST(a_name_in_the_file_system_outlives_its_socket)
{
    struct file *server = listening_at(named("/s"), 1);
    struct file *client = new_socket(SOCKET_UNIX, SOCKET_STREAM, 0);
    struct file *other = new_socket(SOCKET_UNIX, SOCKET_STREAM, 0);
    struct file *letters = new_socket(SOCKET_UNIX, SOCKET_DATAGRAM, 0);

    CHECK(bind_to(other, named("/s")) == HX_EADDRINUSE);
    CHECK(connect_to(letters, named("/s")) == HX_EPROTOTYPE);
    CHECK(connect_to(client, named("/s")) == HX_OK);
    file_put(server);
    CHECK(connect_to(other, named("/s")) == HX_ECONNREFUSED);
    CHECK(try_open("/s", FILE_READ_WRITE) == HX_ENXIO);
    CHECK(path_unlink(&walk, "/s") == HX_OK);
    CHECK(connect_to(other, named("/s")) == HX_ENOENT);
    file_put(client);
    file_put(other);
    file_put(letters);
}

SOCKET_TEST(a_name_is_for_who_may_write_it)
{
    struct file *server;
    struct file *client = new_socket(SOCKET_UNIX, SOCKET_STREAM, 0);

    atomic_store(&context->umask, 022);
    server = listening_at(named("/s"), 1);
    who.effective_user = 1000;
    CHECK(connect_to(client, named("/s")) == HX_EACCES);
    who.effective_user = 0;
    CHECK(connect_to(client, named("/s")) == HX_OK);
    file_put(server);
    file_put(client);
}

/* Of TCP, connections that find the list full come through one by one. */
SOCKET_TEST(a_full_backlog_loses_nobody)
{
    struct vfs_balance before = vfs_balance();
    struct file *server = listening_at(at_port(0), 1);
    struct file *clients[6];
    struct file *taken;

    for (unsigned i = 0; i < 6; i++) {
        clients[i] = new_socket(SOCKET_INET, SOCKET_STREAM, FILE_NON_BLOCKING);
        CHECK(connect_to(clients[i], at_port(port_of(server))) == HX_EINPROGRESS);
        CHECK(((ready(clients[i]) & POLL_OUT) != 0) == (i < 2));
    }
    CHECK(connect_to(clients[1], at_port(port_of(server))) == HX_OK);
    CHECK(connect_to(clients[5], at_port(port_of(server))) == HX_EALREADY);
    file_put(clients[3]); /* has gone when its turn comes */
    for (unsigned i = 0; i < 4; i++) {
        CHECK(accept_from(server, &taken) == HX_OK);
        if (i == 3) {
            CHECK(reads(taken, ""));
        } else {
            put_text(taken, "x");
            CHECK(reads(clients[i], "x"));
            file_put(clients[i]);
        }
        file_put(taken);
    }
    CHECK((ready(clients[5]) & POLL_OUT) != 0);
    file_put(server); /* two are connected, and not accepted */
    CHECK((ready(clients[4]) & POLL_ERROR) != 0 && (ready(clients[5]) & POLL_ERROR) != 0);
    file_put(clients[4]);
    file_put(clients[5]);
    check_ledger();
    vfs_check_balance(before);
}

/* --- descriptors under way -------------------------------------------------------------------- */

/* SPEC: Q3 */
SOCKET_TEST(a_passed_file_arrives_and_is_charged_on_its_way)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    uint64_t handles = used_of(RESOURCE_FILE_HANDLES);
    struct passed_files *files;
    char buffer[8];
    size_t done;

    make_pair(SOCKET_STREAM);
    CHECK(send_with(a, "f", passing(file)) == HX_OK);
    CHECK(used_of(RESOURCE_FILE_HANDLES) == handles + 1);
    CHECK(atomic_load(&file->references) == 2);
    CHECK(receive_into(b, buffer, 8, 0, &files, &done) == HX_OK && done == 1);
    CHECK(files != NULL && files->count == 1 && files->files[0] == file);
    CHECK(used_of(RESOURCE_FILE_HANDLES) == handles);
    passed_files_free(files);
    CHECK(atomic_load(&file->references) == 1);
    limit_to(RESOURCE_FILE_HANDLES, handles);
    CHECK(send_with(a, "f", passing(file)) == HX_ETOOMANYREFS);
    CHECK(atomic_load(&file->references) == 1);
    file_put(file);
    close_pair();
}

/* A reference to each of the pair lies in the other's inbox, and nobody has either. */
static void leave_a_cycle(unsigned type, struct file *with)
{
    make_pair(type);
    CHECK(send_with(a, "x", passing(a)) == HX_OK);
    CHECK(send_with(b, "x", passing(b)) == HX_OK);
    CHECK(send_with(a, "x", passing(with)) == HX_OK);
    close_pair();
}

/* SPEC: Q3 */
SOCKET_TEST(cycles_under_way_are_given_back)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    struct vfs_balance before = vfs_balance();

    leave_a_cycle(SOCKET_STREAM, file);
    leave_a_cycle(SOCKET_DATAGRAM, file);
    leave_a_cycle(SOCKET_SEQPACKET, file);
    make_pair(SOCKET_STREAM);
    close_pair();
    CHECK(atomic_load(&file->references) == 1);
    check_ledger();
    vfs_check_balance(before);
    file_put(file);
}

/* What can still be received is left alone, however deep it lies. */
SOCKET_TEST(what_somebody_can_receive_is_kept)
{
    struct file *file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    struct file *outer[2];
    struct passed_files *files;
    char buffer[8];
    size_t done;

    make_pair(SOCKET_STREAM);
    outer[0] = a;
    outer[1] = b;
    make_pair(SOCKET_STREAM);
    CHECK(send_with(a, "x", passing(file)) == HX_OK);
    CHECK(send_with(a, "x", passing(b)) == HX_OK);
    CHECK(send_with(outer[0], "x", passing(b)) == HX_OK);
    close_pair();
    make_pair(SOCKET_STREAM);
    close_pair();
    CHECK(atomic_load(&file->references) == 2);
    CHECK(receive_into(outer[1], buffer, 8, 0, &files, &done) == HX_OK && files != NULL);
    CHECK(receive_into(files->files[0], buffer, 8, 0, NULL, &done) == HX_OK && done == 1);
    CHECK(atomic_load(&file->references) == 1);
    passed_files_free(files);
    file_put(outer[0]);
    file_put(outer[1]);
    file_put(file);
}

/* Each socket lies in the inbox of the one before: all end, on a stack that calls for each one
 * inside the other would overflow. */
#define CHAIN       2000U
#define CHAIN_STACK (256U << 10)

static void use_long_chain(void)
{
    struct file *last = new_socket(SOCKET_UNIX, SOCKET_STREAM, 0);

    for (unsigned i = 0; i < CHAIN; i++) {
        make_pair(SOCKET_DATAGRAM);
        CHECK(send_with(a, "x", passing(last)) == HX_OK);
        file_put(last);
        file_put(a);
        last = b;
    }
    file_put(last);
}

SOCKET_TEST(a_long_chain_ends)
{
    const struct rlimit limit = {CHAIN_STACK,
                                 CHAIN_STACK}; /* of this process: each test has its own */
    struct vfs_balance before;

    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    use_long_chain(); /* tables have grown */
    before = vfs_balance();
    use_long_chain();
    check_ledger();
    vfs_check_balance(before);
}

/* --- allocations that fail -------------------------------------------------------------------- */

static void connect_and_accept(struct file *server, struct file *client)
{
    struct file *taken;
    size_t done;

    if (connect_to(client, named("/server")) != HX_OK) {
        return;
    }
    (void)!write_text(client, "x", &done);
    if (accept_from(server, &taken) == HX_OK) {
        file_put(taken);
    }
}

static void use_names(void)
{
    struct file *server;
    struct file *client;

    if (socket_create(SOCKET_UNIX, SOCKET_STREAM, 0, 0, vfs_owner, &server) != HX_OK) {
        return;
    }
    if (bind_to(server, named("/server")) == HX_OK &&
        socket_listen(socket_of(server), 5, &caller) == HX_OK &&
        socket_create(SOCKET_UNIX, SOCKET_STREAM, 0, 0, vfs_owner, &client) == HX_OK) {
        connect_and_accept(server, client);
        file_put(client);
    }
    file_put(server);
    (void)!path_unlink(&walk, "/server");
}

static void use_pair(unsigned type)
{
    struct passed_files *files;
    char buffer[8];
    size_t done;

    if (try_pair(type) != HX_OK) {
        return;
    }
    files = passing(a);
    if (files != NULL && send_with(a, "x", files) == HX_OK) {
        (void)!receive_into(b, buffer, 8, SOCKET_PEEK | SOCKET_DONT_WAIT, NULL, &done);
        (void)!receive_into(b, buffer, 8, SOCKET_DONT_WAIT, NULL, &done);
    }
    close_pair();
}

static void use_datagrams(void)
{
    struct file *one;
    struct file *two;
    size_t done;

    if (socket_create(SOCKET_INET, SOCKET_DATAGRAM, 0, 0, vfs_owner, &one) != HX_OK) {
        return;
    }
    if (socket_create(SOCKET_INET, SOCKET_DATAGRAM, 0, 0, vfs_owner, &two) == HX_OK) {
        if (bind_to(one, at_port(0)) == HX_OK && connect_to(two, at_port(port_of(one))) == HX_OK) {
            (void)!write_text(two, "x", &done);
        }
        file_put(two);
    }
    file_put(one);
}

static void use_sockets(void)
{
    use_names();
    use_pair(SOCKET_STREAM);
    use_pair(SOCKET_DATAGRAM);
    use_datagrams();
}

static uint64_t failed_frames(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.failures;
}

static uint64_t failed_objects(void)
{
    struct heap_statistics statistics;

    heap_statistics(&statistics);
    return statistics.failures;
}

static void fail_each(void (*fail_nth)(uint64_t n), uint64_t (*failures)(void))
{
    struct vfs_balance before = vfs_balance();
    uint64_t failed = failures();

    for (uint64_t n = 1;; n++) {
        fail_nth(n);
        use_sockets();
        fail_nth(0);
        (void)!path_unlink(&walk, "/server");
        check_ledger();
        vfs_check_balance(before);
        if (failures() == failed) {
            CHECK(n > 1);
            return;
        }
        failed = failures();
    }
}

/* SPEC: Q3 */
SOCKET_TEST(nothing_leaks_whichever_allocation_fails)
{
    use_sockets(); /* what is made once is made */
    fail_each(frames_fail_nth, failed_frames);
    fail_each(heap_fail_nth, failed_objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_moves_bytes_both_ways_and_leaves_nothing),
        cmocka_unit_test(a_stream_takes_no_more_than_its_limit),
        cmocka_unit_test(little_traffic_needs_one_page),
        cmocka_unit_test(bytes_of_one_sender_have_one_mark),
        cmocka_unit_test(the_other_sides_end_is_told),
        cmocka_unit_test(messages_keep_their_bounds_and_are_charged),
        cmocka_unit_test(buffers_obey_the_owners_limit),
        cmocka_unit_test(a_port_is_charged_as_long_as_it_is_bound),
        cmocka_unit_test(small_ports_need_a_privilege),
        cmocka_unit_test(a_name_in_the_file_system_outlives_its_socket),
        cmocka_unit_test(a_name_is_for_who_may_write_it),
        cmocka_unit_test(a_full_backlog_loses_nobody),
        cmocka_unit_test(a_passed_file_arrives_and_is_charged_on_its_way),
        cmocka_unit_test(cycles_under_way_are_given_back),
        cmocka_unit_test(what_somebody_can_receive_is_kept),
        cmocka_unit_test(a_long_chain_ends),
        cmocka_unit_test(nothing_leaks_whichever_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
