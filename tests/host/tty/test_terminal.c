/* The line discipline, its ioctls and job control. */
#include "terminal_machine.h"

#include "../random.h"

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_terminal, destroy_terminal)

/* --- lines ------------------------------------------------------------------------------------ */

static void a_line_is_echoed_and_read_once_it_is_whole(void **state)
{
    (void)state;
    type("hel");
    assert_shown("hel");
    assert_int_equal(file.ops->poll(&file, NULL), POLL_OUT);
    type("lo\r");
    assert_shown("lo\r\n");
    assert_int_equal(file.ops->poll(&file, NULL), POLL_IN | POLL_OUT);
    assert_read(100, "hello\n");
}

static void a_read_gets_one_line_and_a_short_one_part_of_it(void **state)
{
    (void)state;
    type("one\ntwo\n");
    assert_read(2, "on");
    assert_read(100, "e\n");
    assert_read(100, "two\n");
}

static void a_reader_waits_for_the_line_to_end(void **state)
{
    (void)state;
    after_ms(5, type, "some");
    after_ms(5, type, "thing\n");
    assert_read(100, "something\n");
}

static void control_d_ends_a_read_and_at_the_beginning_of_a_line_the_file(void **state)
{
    (void)state;
    type("part\x04");
    type("\x04");
    type("more\n");
    assert_shown("partmore\r\n");
    assert_read(4, "part"); /* exactly: no end of file follows it */
    assert_read(100, "");
    assert_read(100, "more\n");
}

static void other_bytes_can_end_lines(void **state)
{
    (void)state;
    set_special(VEOL, ';');
    set_special(VEOL2, ':');
    type("a;b:");
    assert_read(100, "a;");
    assert_read(100, "b:");
    change_flags(LOCAL_FLAGS, 0, IEXTEN);
    type("c:;");
    assert_read(100, "c:;");
}

static void carriage_returns_and_newlines_are_translated_on_the_way_in(void **state)
{
    (void)state;
    change_flags(INPUT_FLAGS, IGNCR, ICRNL);
    type("a\rb\n");
    assert_read(100, "ab\n");
    change_flags(INPUT_FLAGS, INLCR, IGNCR);
    set_special(VEOL, ';');
    type("a\nb;");
    assert_read(100, "a\rb;");
    change_flags(INPUT_FLAGS, ISTRIP, INLCR | IUTF8);
    type("\xc1\x8a");
    assert_read(100, "A\n");
}

/* --- output ----------------------------------------------------------------------------------- */

static void output_is_processed_by_its_flags(void **state)
{
    (void)state;
    assert_int_equal(write_text("a\nb"), HX_OK);
    assert_shown("a\r\nb");
    change_flags(OUTPUT_FLAGS, OCRNL, ONLCR);
    assert_int_equal(write_text("a\rb\n"), HX_OK);
    assert_shown("a\nb\n");
    change_flags(OUTPUT_FLAGS, ONOCR | ONLRET, OCRNL);
    assert_int_equal(write_text("\n\rab\r\r"), HX_OK);
    assert_shown("\nab\r");
    change_flags(OUTPUT_FLAGS, XTABS, 0);
    assert_int_equal(write_text("ab\tc"), HX_OK);
    assert_shown("ab      c");
    change_flags(OUTPUT_FLAGS, 0, OPOST);
    assert_int_equal(write_text("\n\r\t"), HX_OK);
    assert_shown("\n\r\t");
}

static void long_output_comes_out_whole(void **state)
{
    static char text[3 * TERMINAL_OUTPUT_SIZE + 5];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(write_text(text), HX_OK);
    assert_shown(text);
}

static void control_s_holds_output_and_control_q_lets_it_go(void **state)
{
    (void)state;
    type("\x13");
    assert_int_equal(file.ops->poll(&file, NULL), 0);
    type("a");
    assert_shown("");
    after_ms(5, type, "\x11");
    assert_int_equal(write_text("text"), HX_OK);
    assert_shown("atext");
    type("\x13");
    atomic_store(&file.flags, FILE_READ_WRITE | FILE_NON_BLOCKING);
    assert_int_equal(write_text("text"), HX_EAGAIN);
    type("\x03");
    assert_int_equal(write_text("text"), HX_OK);
    assert_shown("^Ctext");
    change_flags(INPUT_FLAGS, IXANY, 0);
    type("\x13z");
    assert_shown("z");
    type("\x13");
    change_flags(INPUT_FLAGS, 0, IXON);
    assert_int_equal(write_text("free"), HX_OK);
    assert_shown("free");
}

/* --- echo and erasing ------------------------------------------------------------------------- */

static void echo_can_be_off_but_for_newlines(void **state)
{
    (void)state;
    change_flags(LOCAL_FLAGS, 0, ECHO);
    type("secret\n");
    assert_shown("");
    change_flags(LOCAL_FLAGS, ECHONL, 0);
    type("secret\n");
    assert_shown("\r\n");
}

static void control_bytes_are_echoed_with_a_caret(void **state)
{
    (void)state;
    type("\x01\x1b");
    assert_shown("^A^[");
    type("\x7f\x7f");
    assert_shown("\b \b\b \b\b \b\b \b");
    change_flags(LOCAL_FLAGS, 0, ECHOCTL);
    type("\x01\x7f");
    assert_shown("\x01");
}

static void erasing_takes_whole_characters(void **state)
{
    (void)state;
    type("a\xc3\xa9\xe2\x82\xac");
    forget_shown();
    type("\x7f");
    assert_shown("\b \b");
    type("\x7f");
    assert_shown("\b \b");
    type("\n");
    assert_read(100, "a\n");
    change_flags(INPUT_FLAGS, 0, IUTF8);
    type("\xc3\xa9\x7f\n");
    assert_read(100, "\xc3\n");
}

static void erasing_a_tab_goes_back_to_where_it_began(void **state)
{
    (void)state;
    assert_int_equal(write_text("$ "), HX_OK);
    type("ab\t");
    forget_shown();
    type("\x7f");
    assert_shown("\b\b\b\b");
    type("\t\tx");
    forget_shown();
    type("\x7f\x7f");
    assert_shown("\b \b\b\b\b\b\b\b\b\b");
}

static void erasing_stops_at_the_beginning_of_the_line(void **state)
{
    (void)state;
    type("a\nb\x7f\x7f\x7f");
    assert_shown("a\r\nb\b \b");
    type("\n");
    assert_read(100, "a\n");
    assert_read(100, "\n");
}

static void a_terminal_that_cannot_erase_shows_the_erased_key(void **state)
{
    (void)state;
    change_flags(LOCAL_FLAGS, 0, ECHOE);
    type("ab\x7f");
    assert_shown("ab^?");
    type("\x17");
    assert_shown("\b \b");
    type("c\x15");
    assert_shown("c^U\r\n");
    type("z\n");
    assert_read(100, "z\n");
}

static void control_w_erases_a_word_and_control_u_the_line(void **state)
{
    (void)state;
    type("one two_2, ");
    forget_shown();
    type("\x17");
    assert_shown("\b \b\b \b\b \b\b \b\b \b\b \b\b \b");
    type("\x15");
    assert_shown("\b \b\b \b\b \b\b \b");
    type("left\n");
    assert_read(100, "left\n");
    change_flags(LOCAL_FLAGS, 0, ECHOKE);
    type("x\x15");
    assert_string_equal(shown, "left\r\nx^U\r\n");
}

static void control_v_takes_the_next_byte_as_it_is(void **state)
{
    (void)state;
    type("\x16\x03\x16\n");
    assert_shown("^\b^C^\b^J");
    assert_signals("");
    type("\x7f");
    assert_shown("\b \b\b \b");
    type("\n");
    assert_read(100, "\x03\n");
    change_flags(LOCAL_FLAGS, 0, IEXTEN);
    type("\x16\n");
    assert_read(100, "\x16\n");
}

static void control_r_shows_the_line_again(void **state)
{
    (void)state;
    type("ab\x12");
    assert_shown("ab^R\r\nab");
}

static void a_full_line_takes_only_its_end(void **state)
{
    static char line[TERMINAL_LINE_MAX + 1];

    (void)state;
    memset(line, 'x', TERMINAL_LINE_MAX - 1);
    type(line);
    forget_shown();
    type("y");
    assert_shown("\a");
    change_flags(INPUT_FLAGS, 0, IMAXBEL);
    type("y");
    assert_shown("");
    type("\n");
    line[TERMINAL_LINE_MAX - 1] = '\n';
    type("more\n\x04");
    assert_read(TERMINAL_LINE_MAX, line);
    type("again\n");
    assert_read(100, "again\n");
}

/* --- raw mode --------------------------------------------------------------------------------- */

static void raw_reads_get_bytes_as_they_come(void **state)
{
    (void)state;
    raw(1, 0);
    type("a\x7f\x04\x15");
    assert_shown("");
    assert_read(100, "a\x7f\x04\x15");
    after_ms(3, type, "b");
    assert_read(100, "b");
    change_flags(LOCAL_FLAGS, ECHO, 0);
    type("\n\r");
    assert_shown("^J\r\n");
}

static void minimum_without_time_waits_for_so_many_bytes(void **state)
{
    (void)state;
    raw(3, 0);
    after_ms(1, type, "a");
    after_ms(9000, type, "b");
    after_ms(9001, type, "cd");
    assert_read(100, "abcd");
    type("ab");
    assert_int_equal(file.ops->poll(&file, NULL), POLL_OUT);
    assert_read(2, "ab");
    type("abc");
    assert_int_equal(file.ops->poll(&file, NULL), POLL_IN | POLL_OUT);
}

static void minimum_with_time_ends_when_no_byte_follows(void **state)
{
    uint64_t begin = now_ns;

    (void)state;
    raw(5, 2);
    after_ms(5000, type, "a");
    after_ms(5100, type, "b");
    assert_read(100, "ab");
    assert_int_equal(now_ns - begin, 5300 * HAL_NS_PER_MS);
}

static void time_alone_limits_the_whole_wait(void **state)
{
    uint64_t begin = now_ns;

    (void)state;
    raw(0, 3);
    assert_read(100, "");
    assert_int_equal(now_ns - begin, 300 * HAL_NS_PER_MS);
    after_ms(100, type, "a");
    assert_read(100, "a");
    assert_int_equal(now_ns - begin, 400 * HAL_NS_PER_MS);
}

static void neither_minimum_nor_time_never_waits(void **state)
{
    (void)state;
    raw(0, 0);
    assert_read(100, "");
    type("ab");
    assert_read(1, "a");
    assert_read(100, "b");
}

static void non_blocking_reads_say_so_when_there_is_nothing(void **state)
{
    (void)state;
    atomic_store(&file.flags, FILE_READ_WRITE | FILE_NON_BLOCKING);
    type("half");
    assert_read_error(HX_EAGAIN);
    raw(1, 0);
    assert_read(100, "half");
    assert_read_error(HX_EAGAIN);
    raw(0, 0);
    assert_read(100, "");
}

static void changing_modes_keeps_what_was_typed(void **state)
{
    (void)state;
    type("line\n\x04half");
    raw(1, 0);
    assert_read(100, "line\nhalf");
    type("rest");
    change_flags(LOCAL_FLAGS, ICANON, 0);
    type("next\n");
    assert_read(100, "rest");
    assert_read(100, "next\n");
}

static void a_full_raw_buffer_takes_nothing_until_there_is_room(void **state)
{
    static char bytes[TERMINAL_LINE_MAX + 10];

    (void)state;
    raw(1, 0);
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(terminal_input(terminal, bytes, sizeof bytes), TERMINAL_LINE_MAX);
    assert_int_equal(terminal_input(terminal, bytes, 1), 0);
    assert_read(3, "xxx");
    terminal_await_room(terminal);
    assert_int_equal(terminal_input(terminal, bytes, 10), 3);
}

static void a_signal_ends_a_wait(const char *unused)
{
    (void)unused;
    atomic_store(&caller.user_work, THREAD_WORK_SIGNAL);
    thread_unpark(&caller);
}

static void waits_end_early_for_signals(void **state)
{
    (void)state;
    after_ms(1, a_signal_ends_a_wait, NULL);
    assert_read_error(HX_EINTR);
    type("\x13");
    assert_int_equal(write_text("text"), HX_EINTR);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void keys_send_signals_to_the_foreground_group(void **state)
{
    (void)state;
    type("\x03\x1c\x1a");
    assert_signals("10:2 10:3 10:20 ");
    assert_shown("^C^\\^Z");
    change_flags(LOCAL_FLAGS, 0, ISIG);
    type("\x03\n");
    assert_signals("");
    assert_read(100, "\x03\n");
}

static void a_signal_key_flushes_input_unless_told_not_to(void **state)
{
    (void)state;
    type("line\nlost\x03kept\n");
    assert_read(100, "kept\n");
    change_flags(LOCAL_FLAGS, NOFLSH, 0);
    type("one\x03two\n");
    assert_read(100, "onetwo\n");
}

static void a_break_is_a_signal_a_byte_or_nothing(void **state)
{
    size_t done;
    char byte;

    (void)state;
    raw(0, 0);
    terminal_input_break(terminal);
    assert_int_equal(read_some(&byte, 1, &done), HX_OK);
    assert_true(done == 1 && byte == '\0');
    change_flags(INPUT_FLAGS, BRKINT, 0);
    terminal_input_break(terminal);
    assert_signals("10:2 ");
    change_flags(INPUT_FLAGS, IGNBRK, 0);
    terminal_input_break(terminal);
    assert_signals("");
    assert_read(100, "");
}

/* --- job control ------------------------------------------------------------------------------ */

static void background_readers_are_stopped(void **state)
{
    (void)state;
    type("line\n");
    run_as(MEMBER);
    assert_read_error(HX_EINTR);
    assert_signals("11:21 ");
    threads[MEMBER].blocked = 1ULL << (SIGNAL_TERMINAL_IN - 1);
    assert_read_error(HX_EIO);
    threads[MEMBER].blocked = 0;
    processes[MEMBER].signals.has_actions = true;
    processes[MEMBER].signals.actions[SIGNAL_TERMINAL_IN - 1].handler = SIGNAL_IGNORE;
    assert_read_error(HX_EIO);
    processes[MEMBER].signals.actions[SIGNAL_TERMINAL_IN - 1].handler = SIGNAL_DEFAULT;
    is_orphaned = true;
    assert_read_error(HX_EIO);
    assert_signals("");
    run_as(STRANGER); /* not its controlling terminal */
    assert_read(100, "line\n");
}

static void background_writers_are_stopped_if_the_terminal_says_so(void **state)
{
    (void)state;
    run_as(MEMBER);
    assert_int_equal(write_text("a"), HX_OK);
    run_as(LEADER);
    change_flags(LOCAL_FLAGS, TOSTOP, 0);
    assert_int_equal(write_text("b"), HX_OK);
    run_as(MEMBER);
    assert_int_equal(write_text("c"), HX_EINTR);
    assert_signals("11:22 ");
    threads[MEMBER].blocked = 1ULL << (SIGNAL_TERMINAL_OUT - 1);
    assert_int_equal(write_text("d"), HX_OK);
    threads[MEMBER].blocked = 0;
    is_orphaned = true;
    assert_int_equal(write_text("e"), HX_EIO);
    assert_shown("abd");
}

static void background_processes_are_stopped_before_they_change_settings(void **state)
{
    static const uint32_t changes[] = {0x5402, 0x5403, 0x5404, 0x5409, 0x540a, 0x540b, 0x5410};
    struct terminal_settings settings = get_settings();

    (void)state;
    run_as(MEMBER);
    for (size_t i = 0; i < HX_ARRAY_SIZE(changes); i++) {
        assert_int_equal(control(changes[i], (uintptr_t)&settings), HX_EINTR);
        assert_signals("11:22 ");
    }
    assert_int_equal(control(0x5401, (uintptr_t)&settings), HX_OK);
}

static void a_group_sent_to_the_background_cannot_read(void **state)
{
    uint32_t group = 11;

    (void)state;
    assert_int_equal(control(0x5410, (uintptr_t)&group), HX_OK);
    assert_int_equal(control(0x540f, (uintptr_t)&group), HX_OK);
    assert_int_equal(group, 11);
    assert_int_equal(terminal_foreground_group(terminal), 11);
    type("\x03line\n");
    assert_signals("11:2 ");
    assert_read_error(HX_EINTR);
    assert_signals("10:21 ");
    run_as(MEMBER);
    assert_read(100, "line\n");
}

static void another_group_comes_to_the_foreground(const char *text)
{
    atomic_store(&terminal->foreground, 11);
    type(text);
}

static void a_reader_that_waits_is_asked_again_when_it_wakes(void **state)
{
    (void)state;
    after_ms(1, another_group_comes_to_the_foreground, "line\n");
    assert_read_error(HX_EINTR);
    assert_signals("10:21 ");
}

static void foreground_groups_are_the_sessions_own(void **state)
{
    uint32_t group = 20;
    uint32_t session = 0;

    (void)state;
    assert_int_equal(control(0x5410, (uintptr_t)&group), HX_EPERM);
    group = 99;
    assert_int_equal(control(0x5410, (uintptr_t)&group), HX_ESRCH);
    group = (uint32_t)-5;
    assert_int_equal(control(0x5410, (uintptr_t)&group), HX_EINVAL);
    assert_int_equal(control(0x5410, 0), HX_EFAULT);
    assert_int_equal(control(0x5429, (uintptr_t)&session), HX_OK);
    assert_int_equal(session, 10);
    run_as(STRANGER);
    group = 20;
    assert_int_equal(control(0x5410, (uintptr_t)&group), HX_ENOTTY);
    assert_int_equal(control(0x540f, (uintptr_t)&group), HX_ENOTTY);
    assert_int_equal(control(0x5429, (uintptr_t)&session), HX_ENOTTY);
}

/* --- controlling terminals -------------------------------------------------------------------- */

static void opening_gives_a_session_leader_its_terminal(void **state)
{
    struct file other;

    (void)state;
    assert_ptr_equal(sessions[0].terminal, terminal);
    run_as(STRANGER);
    open_file(&other, FILE_READ_WRITE, TERMINAL_ORDINARY);
    assert_null(sessions[1].terminal); /* it is another session's already */
    other.ops->release(&other);
    assert_int_equal(terminal_open_controlling(&other), HX_ENXIO);
    run_as(MEMBER);
    assert_int_equal(terminal_open_controlling(&other), HX_OK);
    assert_ptr_equal(terminal_opening_of(&other)->terminal, terminal);
    other.ops->release(&other);
}

static void some_ways_of_opening_give_none(void **state)
{
    static const struct {
        unsigned who;
        uint32_t flags;
        enum terminal_opening_kind kind;
    } ways[] = {{MEMBER, FILE_READ_WRITE, TERMINAL_ORDINARY},
                {KERNEL, FILE_READ_WRITE, TERMINAL_ORDINARY},
                {LEADER, FILE_READ_WRITE | FILE_NO_TERMINAL, TERMINAL_ORDINARY},
                {LEADER, FILE_WRITE_ONLY, TERMINAL_ORDINARY},
                {LEADER, FILE_READ_WRITE, TERMINAL_CONSOLE}};
    struct file other;

    (void)state;
    assert_int_equal(control(0x5422, 0), HX_OK);
    for (size_t i = 0; i < HX_ARRAY_SIZE(ways); i++) {
        run_as(ways[i].who);
        open_file(&other, ways[i].flags, ways[i].kind);
        assert_null(sessions[0].terminal);
        other.ops->release(&other);
    }
}

static void a_controlling_terminal_can_be_asked_for_and_taken(void **state)
{
    (void)state;
    assert_int_equal(control(0x540e, 0), HX_OK); /* it has it already */
    run_as(MEMBER);
    assert_int_equal(control(0x540e, 0), HX_EPERM);
    run_as(STRANGER);
    assert_int_equal(control(0x540e, 0), HX_EPERM);
    processes[STRANGER].credentials.effective_user = 1000;
    assert_int_equal(control(0x540e, 1), HX_EPERM);
    processes[STRANGER].credentials.effective_user = 0;
    assert_int_equal(control(0x540e, 1), HX_OK);
    assert_null(sessions[0].terminal);
    assert_ptr_equal(sessions[1].terminal, terminal);
    assert_int_equal(terminal_foreground_group(terminal), 20);
    run_as(KERNEL);
    assert_int_equal(control(0x540e, 1), HX_EPERM);
}

static void a_leader_that_leaves_hangs_its_session_up(void **state)
{
    struct file console;

    (void)state;
    open_file(&console, FILE_READ_WRITE, TERMINAL_CONSOLE);
    type("line\n");
    forget_shown();
    terminal_process_link.leader_ends(&sessions[0]);
    assert_signals("10:1 10:18 ");
    assert_null(sessions[0].terminal);
    assert_int_equal(terminal_foreground_group(terminal), 0);
    assert_read(100, "");
    assert_int_equal(write_text("text"), HX_EIO);
    assert_int_equal(control(0x5401, 1), HX_EIO);
    assert_int_equal(file.ops->poll(&file, NULL), POLL_IN | POLL_OUT | POLL_ERROR | POLL_HANGUP);
    assert_int_equal(console.ops->poll(&console, NULL), POLL_OUT);
    terminal_process_link.leader_ends(&sessions[0]);
    assert_signals("");
    console.ops->release(&console);
}

static void hang_up(const char *unused)
{
    (void)unused;
    terminal_disassociate(&sessions[0]);
}

static void a_hang_up_ends_waits(void **state)
{
    (void)state;
    after_ms(1, hang_up, NULL);
    assert_read(100, "");
    file.ops->release(&file);
    open_file(&file, FILE_READ_WRITE, TERMINAL_ORDINARY);
    assert_ptr_equal(sessions[0].terminal, terminal);
    type("\x13");
    after_ms(1, hang_up, NULL);
    assert_int_equal(write_text("text"), HX_EIO);
}

static void only_the_leader_gives_a_terminal_up(void **state)
{
    (void)state;
    run_as(STRANGER);
    assert_int_equal(control(0x5422, 0), HX_ENOTTY);
    run_as(MEMBER);
    assert_int_equal(control(0x5422, 0), HX_EPERM);
    run_as(LEADER);
    assert_int_equal(control(0x5422, 0), HX_OK);
    assert_signals("10:1 10:18 ");
}

/* --- other requests --------------------------------------------------------------------------- */

static void settings_are_linux_s(void **state)
{
    static const unsigned char expected[TERMINAL_SETTINGS_SHORT + 1] = {
        0x00, 0x65, 0,   0,                           /* c_iflag */
        0x05, 0,    0,   0,                           /* c_oflag */
        0xbf, 0x0c, 0,   0,                           /* c_cflag */
        0x3b, 0x8a, 0,   0,                           /* c_lflag */
        0,                                            /* c_line */
        3,    28,   127, 21, 4,  0,  1, 0, 17, 19,    /* c_cc */
        26,   0,    18,  15, 23, 22, 0, 0, 0,  0x5a}; /* not touched */
    unsigned char text[TERMINAL_SETTINGS_SHORT + 1];

    (void)state;
    text[TERMINAL_SETTINGS_SHORT] = 0x5a;
    assert_int_equal(control(0x5401, (uintptr_t)text), HX_OK);
    assert_memory_equal(text, expected, sizeof expected);
    assert_int_equal(control(0x5401, 0), HX_EFAULT);
    assert_int_equal(control(0x5402, 0), HX_EFAULT);
    assert_int_equal(control(0x1234, 0), HX_ENOTTY);
}

static void setting_with_a_flush_drops_input(void **state)
{
    struct terminal_settings settings = get_settings();

    (void)state;
    type("gone\n");
    assert_int_equal(control(0x5403, (uintptr_t)&settings), HX_OK);
    assert_int_equal(file.ops->poll(&file, NULL), POLL_IN | POLL_OUT);
    assert_int_equal(control(0x5404, (uintptr_t)&settings), HX_OK);
    assert_int_equal(file.ops->poll(&file, NULL), POLL_OUT);
}

static void buffers_are_counted_and_flushed(void **state)
{
    uint32_t count;

    (void)state;
    type("\x13\x04two\nhalf");
    assert_int_equal(control(0x541b, (uintptr_t)&count), HX_OK);
    assert_int_equal(count, 4);
    assert_int_equal(control(0x5411, (uintptr_t)&count), HX_OK);
    assert_int_equal(count, strlen("two\r\nhalf"));
    assert_int_equal(control(0x540b, 1), HX_OK);
    assert_int_equal(control(0x5411, (uintptr_t)&count), HX_OK);
    assert_int_equal(count, 0);
    assert_int_equal(control(0x540b, 0), HX_OK);
    assert_int_equal(control(0x541b, (uintptr_t)&count), HX_OK);
    assert_int_equal(count, 0);
    assert_int_equal(control(0x540b, 3), HX_EINVAL);
}

static void flow_can_be_controlled_by_request(void **state)
{
    (void)state;
    assert_int_equal(control(0x540a, 0), HX_OK);
    type("a");
    assert_shown("");
    assert_int_equal(control(0x540a, 1), HX_OK);
    assert_shown("a");
    assert_int_equal(control(0x540a, 2), HX_OK);
    assert_int_equal(control(0x540a, 3), HX_OK);
    assert_shown("\x13\x11");
    assert_int_equal(control(0x540a, 4), HX_EINVAL);
    assert_int_equal(control(0x5409, 1), HX_OK);
}

static void a_new_window_size_is_told_to_the_foreground(void **state)
{
    const struct terminal_window wanted = {.rows = 25, .columns = 80};
    struct terminal_window window;
    uint32_t discipline = 7;

    (void)state;
    assert_int_equal(control(0x5414, (uintptr_t)&wanted), HX_OK);
    assert_signals("10:28 ");
    assert_int_equal(control(0x5414, (uintptr_t)&wanted), HX_OK);
    terminal_set_window(terminal, 25, 80);
    assert_signals("");
    assert_int_equal(control(0x5413, (uintptr_t)&window), HX_OK);
    assert_memory_equal(&window, &wanted, sizeof window);
    terminal_set_window(terminal, 50, 132);
    assert_signals("10:28 ");
    assert_int_equal(control(0x5424, (uintptr_t)&discipline), HX_OK);
    assert_int_equal(discipline, 0);
}

static void bytes_for_nobody_are_dropped(void **state)
{
    (void)state;
    assert_int_equal(device_users, 1);
    type("old\n");
    file.ops->release(&file);
    assert_int_equal(device_users, 0);
    forget_shown();
    type("nobody\n");
    assert_shown("");
    open_file(&file, FILE_READ_WRITE, TERMINAL_ORDINARY);
    type("new\n");
    assert_read(100, "new\n");
}

static void without_memory_nothing_opens(void **state)
{
    struct terminal *other;
    struct file failed = {0};

    (void)state;
    memory_is_out = true;
    assert_int_equal(terminal_create(&device, 1, TERMINAL_RAW, &other), HX_ENOMEM);
    assert_int_equal(terminal_open(terminal, TERMINAL_CONSOLE, &failed), HX_ENOMEM);
    memory_is_out = false;
}

static void a_raw_terminal_passes_everything(void **state)
{
    struct terminal *cooked = terminal;

    (void)state;
    file.ops->release(&file);
    assert_int_equal(terminal_create(&device, 1, TERMINAL_RAW, &terminal), HX_OK);
    assert_int_equal(terminal_device_number(terminal), 1);
    open_file(&file, FILE_READ_WRITE | FILE_NO_TERMINAL, TERMINAL_ORDINARY);
    type("\x03\x13\r\n");
    assert_read(100, "\x03\x13\r\n");
    assert_int_equal(write_text("\n"), HX_OK);
    assert_shown("\n");
    heap_free(cooked);
}

/* --- random typing against a model ------------------------------------------------------------ */

#define ROW_MAX 512U

/* One row of a screen: what was shown since the last newline. */
static struct {
    char cells[ROW_MAX];
    size_t cursor;
    size_t seen; /* of `shown` */
} row;

static void move_to(size_t cursor)
{
    assert_true(cursor < ROW_MAX);
    row.cursor = cursor;
}

static void show_byte(char byte)
{
    if (byte == '\r') {
        memset(row.cells, ' ', sizeof row.cells);
        move_to(0);
    } else if (byte == '\b') {
        assert_true(row.cursor > 0);
        move_to(row.cursor - 1);
    } else if (byte == '\t') {
        move_to(row.cursor + 8 - row.cursor % 8);
    } else if (byte != '\n' && ((unsigned char)byte & 0xc0) != 0x80) {
        row.cells[row.cursor] = byte;
        move_to(row.cursor + 1);
    }
}

static void look(void)
{
    for (size_t i = 0; i < shown_length; i++) {
        show_byte(shown[i]);
    }
    forget_shown();
}

/* The line as the typist sees it: characters, each with its bytes. */
static struct {
    char characters[ROW_MAX][4];
    size_t count;
} model;

static void model_row(char *cells, size_t *cursor)
{
    memset(cells, ' ', ROW_MAX);
    *cursor = 2;
    memcpy(cells, "$ ", 2);
    for (size_t i = 0; i < model.count; i++) {
        char first = model.characters[i][0];

        if (first == '\t') {
            *cursor += 8 - *cursor % 8;
        } else if ((unsigned char)first < ' ') {
            cells[(*cursor)++] = '^';
            cells[(*cursor)++] = (char)(first ^ 0x40);
        } else {
            cells[(*cursor)++] = first;
        }
    }
}

static bool model_ends_in_word(void)
{
    char first = model.characters[model.count - 1][0];

    return first == '_' || (first >= 'a' && first <= 'z') || (unsigned char)first >= 0x80;
}

static void model_erase_word(void)
{
    while (model.count > 0 && !model_ends_in_word()) {
        model.count--;
    }
    while (model.count > 0 && model_ends_in_word()) {
        model.count--;
    }
}

static void type_into_model(const char *key)
{
    if (strcmp(key, "\x7f") == 0) {
        model.count -= model.count > 0 ? 1U : 0U;
    } else if (strcmp(key, "\x15") == 0) {
        model.count = 0;
    } else if (strcmp(key, "\x17") == 0) {
        model_erase_word();
    } else {
        strcpy(model.characters[model.count++], key);
    }
}

static void check_row(void)
{
    char cells[ROW_MAX];
    size_t cursor;

    look();
    model_row(cells, &cursor);
    assert_int_equal(row.cursor, cursor);
    assert_memory_equal(row.cells, cells, ROW_MAX);
}

static void check_line(void)
{
    char expected[ROW_MAX * 4] = "";

    for (size_t i = 0; i < model.count; i++) {
        strcat(expected, model.characters[i]);
    }
    strcat(expected, "\n");
    type("\r");
    look();
    assert_read(TERMINAL_LINE_MAX, expected);
    model.count = 0;
}

static void whatever_is_typed_the_screen_shows_the_line(void **state)
{
    static const char *const keys[] = {"a",    "b",    "_",    " ",    "-",        "\t",
                                       "\x01", "\x7f", "\x7f", "\x17", "\xc3\xa9", "\xe2\x82\xac",
                                       "\x15", "\x1b"};
    uint64_t seed = random_start();

    (void)state;
    print_message("HELIX_SEED=%llu\n", (unsigned long long)seed);
    for (unsigned line = 0; line < 300; line++) {
        show_byte('\r');
        assert_int_equal(write_text("\r$ "), HX_OK);
        for (uint64_t left = random_below(60); left > 0; left--) {
            const char *key = keys[random_below(HX_ARRAY_SIZE(keys))];

            type(key);
            type_into_model(key);
            check_row();
        }
        check_line();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_echoed_and_read_once_it_is_whole),
        TEST(a_read_gets_one_line_and_a_short_one_part_of_it),
        TEST(a_reader_waits_for_the_line_to_end),
        TEST(control_d_ends_a_read_and_at_the_beginning_of_a_line_the_file),
        TEST(other_bytes_can_end_lines),
        TEST(carriage_returns_and_newlines_are_translated_on_the_way_in),
        TEST(output_is_processed_by_its_flags),
        TEST(long_output_comes_out_whole),
        TEST(control_s_holds_output_and_control_q_lets_it_go),
        TEST(echo_can_be_off_but_for_newlines),
        TEST(control_bytes_are_echoed_with_a_caret),
        TEST(erasing_takes_whole_characters),
        TEST(erasing_a_tab_goes_back_to_where_it_began),
        TEST(erasing_stops_at_the_beginning_of_the_line),
        TEST(a_terminal_that_cannot_erase_shows_the_erased_key),
        TEST(control_w_erases_a_word_and_control_u_the_line),
        TEST(control_v_takes_the_next_byte_as_it_is),
        TEST(control_r_shows_the_line_again),
        TEST(a_full_line_takes_only_its_end),
        TEST(raw_reads_get_bytes_as_they_come),
        TEST(minimum_without_time_waits_for_so_many_bytes),
        TEST(minimum_with_time_ends_when_no_byte_follows),
        TEST(time_alone_limits_the_whole_wait),
        TEST(neither_minimum_nor_time_never_waits),
        TEST(non_blocking_reads_say_so_when_there_is_nothing),
        TEST(changing_modes_keeps_what_was_typed),
        TEST(a_full_raw_buffer_takes_nothing_until_there_is_room),
        TEST(waits_end_early_for_signals),
        TEST(keys_send_signals_to_the_foreground_group),
        TEST(a_signal_key_flushes_input_unless_told_not_to),
        TEST(a_break_is_a_signal_a_byte_or_nothing),
        TEST(background_readers_are_stopped),
        TEST(background_writers_are_stopped_if_the_terminal_says_so),
        TEST(background_processes_are_stopped_before_they_change_settings),
        TEST(a_group_sent_to_the_background_cannot_read),
        TEST(a_reader_that_waits_is_asked_again_when_it_wakes),
        TEST(foreground_groups_are_the_sessions_own),
        TEST(opening_gives_a_session_leader_its_terminal),
        TEST(some_ways_of_opening_give_none),
        TEST(a_controlling_terminal_can_be_asked_for_and_taken),
        TEST(a_leader_that_leaves_hangs_its_session_up),
        TEST(a_hang_up_ends_waits),
        TEST(only_the_leader_gives_a_terminal_up),
        TEST(settings_are_linux_s),
        TEST(setting_with_a_flush_drops_input),
        TEST(buffers_are_counted_and_flushed),
        TEST(flow_can_be_controlled_by_request),
        TEST(a_new_window_size_is_told_to_the_foreground),
        TEST(bytes_for_nobody_are_dropped),
        TEST(without_memory_nothing_opens),
        TEST(a_raw_terminal_passes_everything),
        TEST(whatever_is_typed_the_screen_shows_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
