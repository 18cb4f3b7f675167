/* Sockets with several threads: nothing is lost, nobody waits for ever, nothing is left. */
#include <hal/clock.h>
#include <tests/host/socket/socket_machine.h>

static uint32_t rounds(uint32_t few)
{
    return getenv("HELIX_SOAK") != NULL ? 50 * few : few;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* The byte at a place of a stream. */
static char byte_at(uint64_t place)
{
    return (char)(place * 7 + place / 251);
}

/* Stacks are small. */
static char buffers[WORKERS_MAX][9000];

static void write_pattern(struct file *to, char *bytes, uint64_t size, size_t piece)
{
    uint64_t at = 0;

    while (at < size) {
        struct transfer transfer;
        size_t wanted = size - at < piece ? (size_t)(size - at) : piece;
        size_t done;

        for (size_t i = 0; i < wanted; i++) {
            bytes[i] = byte_at(at + i);
        }
        transfer_init_kernel(&transfer, bytes, wanted);
        CHECK(file_write(to, &transfer, &done) == HX_OK && done == wanted);
        at += done;
    }
}

/* Up to the end. */
static void read_pattern(struct file *from, char *bytes, uint64_t size, size_t piece)
{
    uint64_t at = 0;
    size_t done;

    do {
        CHECK(read_bytes(from, bytes, piece, &done) == HX_OK);
        for (size_t i = 0; i < done; i++) {
            CHECK(bytes[i] == byte_at(at + i));
        }
        at += done;
    } while (done > 0);
    CHECK(at == size);
}

#define STREAM_SIZE (rounds(2000) * 1000ULL)

/* Both ways at once; who has written all shuts its direction down. */
static void move_both_ways(uint32_t number)
{
    struct file *end = number < 2 ? a : b;
    size_t piece = number < 2 ? 8999 : 333;

    if (number % 2 == 0) {
        write_pattern(end, buffers[number], STREAM_SIZE, piece);
        CHECK(socket_shut_down(socket_of(end), SOCKET_SHUT_WRITE) == HX_OK);
    } else {
        read_pattern(end, buffers[number], STREAM_SIZE, piece);
    }
}

SOCKET_TEST(a_stream_keeps_every_byte_in_order)
{
    make_pair(SOCKET_STREAM);
    on_threads(4, move_both_ways);
    close_pair();
    check_ledger();
}

/* --- ends ------------------------------------------------------------------------------------- */

#define PATIENCE_SECONDS 60

/* Who is not woken finds that out after a minute. */
static void make_patient_pair(unsigned type)
{
    const int64_t time[2] = {PATIENCE_SECONDS, 0};

    make_pair(type);
    CHECK(socket_set_option(socket_of(a), 1, 20, time, sizeof(time)) == HX_OK);
    CHECK(socket_set_option(socket_of(a), 1, 21, time, sizeof(time)) == HX_OK);
}

static void read_or_close(uint32_t number)
{
    char byte;
    size_t done;

    if (number == 0) {
        CHECK(read_bytes(a, &byte, 1, &done) == HX_OK && done == 0);
    } else {
        file_put(b);
    }
}

static void fill_or_close(uint32_t number)
{
    static char bytes[300000];
    struct transfer transfer;
    size_t done;
    hx_err error;

    if (number == 0) {
        transfer_init_kernel(&transfer, bytes, sizeof(bytes));
        do {
            error = file_write(a, &transfer, &done);
        } while (error == HX_OK && transfer.left > 0);
        CHECK(error == HX_ECLOSED);
    } else {
        file_put(b);
    }
}

static void await_or_close(uint32_t number)
{
    struct poll_entry entry = {.file = a, .events = POLL_READ_HANGUP};
    size_t count;

    if (number == 0) {
        CHECK(poll_wait(&entry, 1, hal_clock_now() + PATIENCE_SECONDS * HAL_NS_PER_S, &count) ==
                  HX_OK &&
              count == 1);
    } else {
        file_put(b);
    }
}

/* SPEC: P10 */
SOCKET_TEST(closing_wakes_the_peer)
{
    static const unsigned types[] = {SOCKET_STREAM, SOCKET_SEQPACKET};

    for (uint32_t i = 0; i < rounds(100); i++) {
        make_patient_pair(types[i % 2]);
        on_threads(2, read_or_close);
        file_put(a);
        make_patient_pair(SOCKET_STREAM);
        on_threads(2, fill_or_close);
        file_put(a);
        make_pair(types[i % 2]);
        on_threads(2, await_or_close);
        file_put(a);
    }
    check_ledger();
}

static struct file *file;

/* Who peeks before anything is there finds the file that comes, and whoever receives it gets it. */
static void peek_or_send(uint32_t number)
{
    struct passed_files *files;
    char byte;
    size_t done;

    if (number == 0) {
        CHECK(receive_into(a, &byte, 1, SOCKET_PEEK, &files, &done) == HX_OK && done == 1);
        CHECK(files != NULL && files->files[0] == file);
        passed_files_free(files);
        CHECK(receive_into(a, &byte, 1, 0, &files, &done) == HX_OK && files != NULL);
        passed_files_free(files);
    } else {
        CHECK(send_with(b, "x", passing(file)) == HX_OK);
    }
}

SOCKET_TEST(who_peeks_waits_for_files_too)
{
    file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    for (uint32_t i = 0; i < rounds(100); i++) {
        make_pair(SOCKET_STREAM);
        on_threads(2, peek_or_send);
        close_pair();
    }
    CHECK(atomic_load(&file->references) == 1);
    file_put(file);
}

/* --- messages --------------------------------------------------------------------------------- */

static _Atomic uint64_t sum_sent, sum_received;
static _Atomic uint32_t senders_left;

static void send_numbers(struct file *to, uint32_t number)
{
    for (uint32_t i = 1; i <= rounds(3000); i++) {
        uint64_t value = (uint64_t)i * (number + 3);
        struct transfer transfer;
        size_t done;

        transfer_init_kernel(&transfer, &value, sizeof(value));
        CHECK(file_write(to, &transfer, &done) == HX_OK && done == sizeof(value));
        atomic_fetch_add(&sum_sent, value);
    }
}

static void receive_numbers(struct file *from)
{
    uint64_t value;
    size_t done;

    do {
        CHECK(read_bytes(from, &value, sizeof(value), &done) == HX_OK);
        CHECK(done == 0 || done == sizeof(value));
        atomic_fetch_add(&sum_received, done > 0 ? value : 0);
    } while (done > 0);
}

static void move_numbers(uint32_t number)
{
    if (number >= 2) {
        receive_numbers(b);
        return;
    }
    send_numbers(a, number);
    if (atomic_fetch_sub(&senders_left, 1) == 1) {
        CHECK(socket_shut_down(socket_of(a), SOCKET_SHUT_WRITE) == HX_OK);
    }
}

SOCKET_TEST(every_message_comes_once)
{
    atomic_store(&senders_left, 2);
    make_pair(SOCKET_SEQPACKET);
    on_threads(4, move_numbers);
    CHECK(atomic_load(&sum_sent) == atomic_load(&sum_received));
    close_pair();
    check_ledger();
}

/* --- connections ------------------------------------------------------------------------------ */

static struct file *server;
static struct socket_address server_address;
static _Atomic uint32_t connections;

static void connect_often(uint32_t number)
{
    for (uint32_t i = 0; i < rounds(300); i++) {
        struct file *client = new_socket(server_address.family, SOCKET_STREAM, 0);
        char byte;
        size_t done;

        CHECK(connect_to(client, server_address) == HX_OK);
        put_text(client, number == 0 ? "x" : "y");
        CHECK(read_bytes(client, &byte, 1, &done) == HX_OK && done == 1);
        CHECK(byte == (number == 0 ? 'x' : 'y'));
        file_put(client);
    }
}

static void accept_often(void)
{
    while (atomic_fetch_add(&connections, 1) < 2 * rounds(300)) {
        struct file *taken;
        char byte[2] = "";
        size_t done;

        CHECK(accept_from(server, &taken) == HX_OK);
        CHECK(read_bytes(taken, byte, 1, &done) == HX_OK && done == 1);
        put_text(taken, byte);
        file_put(taken);
    }
}

static void connect_or_accept(uint32_t number)
{
    if (number < 2) {
        connect_often(number);
    } else {
        accept_often();
    }
}

static void connect_all(struct socket_address address)
{
    server = listening_at(address, 1);
    CHECK(socket_name(socket_of(server), false, &server_address) == HX_OK);
    atomic_store(&connections, 0);
    on_threads(4, connect_or_accept);
    file_put(server);
    check_ledger();
}

SOCKET_TEST(every_connection_is_answered)
{
    connect_all(named("/server"));
    connect_all(at_port(0));
}

/* Who connects while the listening socket ends hears of it, and nothing is left. */
static void connect_while_it_ends(uint32_t number)
{
    struct file *client;
    hx_err error;
    size_t done;
    char byte;

    if (number == 0) {
        file_put(server);
        return;
    }
    client = new_socket(server_address.family, SOCKET_STREAM, 0);
    error = connect_to(client, server_address);
    CHECK(error == HX_OK || error == HX_ECONNREFUSED);
    if (error == HX_OK) {
        CHECK(read_bytes(client, &byte, 1, &done) == HX_ECONNRESET);
    }
    file_put(client);
}

SOCKET_TEST(a_listening_sockets_end_refuses_all)
{
    for (uint32_t i = 0; i < rounds(200); i++) {
        server = listening_at(at_port(0), i % 3);
        CHECK(socket_name(socket_of(server), false, &server_address) == HX_OK);
        on_threads(4, connect_while_it_ends);
    }
    check_ledger();
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* Cycles come and go while others pass a file from one to the other. */
static void pass_or_leave(uint32_t number)
{
    for (uint32_t i = 0; i < rounds(300); i++) {
        struct file *files[2];
        struct passed_files *taken;
        char buffer[8];
        size_t done;

        CHECK(socket_create_pair(SOCKET_UNIX, SOCKET_STREAM, 0, 0, &caller, files) == HX_OK);
        CHECK(send_with(files[0], "x", passing(file)) == HX_OK);
        CHECK(send_with(files[0], "x", passing(files[number % 2])) == HX_OK);
        CHECK(send_with(files[1], "x", passing(files[1])) == HX_OK);
        if (number >= 2) {
            CHECK(receive_into(files[1], buffer, 8, 0, &taken, &done) == HX_OK && done == 1);
            CHECK(taken != NULL && taken->files[0] == file);
            passed_files_free(taken);
        }
        file_put(files[0]);
        file_put(files[1]);
    }
}

/* SPEC: Q3 */
SOCKET_TEST(cycles_are_found_among_others)
{
    file = opened("/f", FILE_CREATE | FILE_READ_WRITE);
    on_threads(4, pass_or_leave);
    make_pair(SOCKET_STREAM);
    close_pair();
    CHECK(atomic_load(&file->references) == 1);
    CHECK(used_of(RESOURCE_FILE_HANDLES) == 0);
    file_put(file);
    check_ledger();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_keeps_every_byte_in_order),
        cmocka_unit_test(closing_wakes_the_peer),
        cmocka_unit_test(who_peeks_waits_for_files_too),
        cmocka_unit_test(every_message_comes_once),
        cmocka_unit_test(every_connection_is_answered),
        cmocka_unit_test(a_listening_sockets_end_refuses_all),
        cmocka_unit_test(cycles_are_found_among_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
