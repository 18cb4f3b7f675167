/* ioctl(2) on terminals (ioctl_tty(2)): one small function a request, in a visible table. */
#include <base/memory.h>
#include <hal/user.h>
#include <subsys/process/signal.h>
#include <subsys/tty/terminal_private.h>

/* --- settings --------------------------------------------------------------------------------- */

static hx_err get_settings(struct terminal *terminal, uintptr_t argument, size_t size)
{
    struct terminal_settings settings;

    terminal_lock(terminal);
    settings = terminal->settings;
    terminal_unlock(terminal);
    return hal_user_copy_out(argument, &settings, size);
}

static void apply_locked(struct terminal *terminal, const struct terminal_settings *settings)
{
    bool was_canonical = terminal_has_locked(terminal, ICANON);
    bool had_flow_control = (terminal->settings.input & IXON) != 0;
    bool is_canonical = (settings->local & ICANON) != 0;

    terminal->settings = *settings;
    if (was_canonical != is_canonical) {
        terminal_change_mode_locked(terminal, is_canonical);
    }
    if (had_flow_control && (settings->input & IXON) == 0) {
        terminal_go_on_locked(terminal);
    }
    wait_queue_wake_all(&terminal->readable); /* readers look at MIN and TIME again */
    wait_queue_wake_all(&terminal->room);
}

/* Output has left with the call that wrote it, so TCSETSW has nothing more to wait for. */
static hx_err set_settings(struct terminal *terminal, uintptr_t argument, size_t size, bool flushes)
{
    struct terminal_settings settings;
    hx_err error;

    terminal_lock(terminal);
    settings = terminal->settings;
    terminal_unlock(terminal);
    error = hal_user_copy_in(&settings, argument, size);
    if (error != HX_OK) {
        return error;
    }
    settings.discipline = 0; /* there is no other */
    terminal_lock(terminal);
    if (flushes) {
        terminal_flush_input_locked(terminal);
    }
    apply_locked(terminal, &settings);
    terminal_unlock(terminal);
    return HX_OK;
}

#define SHORT TERMINAL_SETTINGS_SHORT
#define LONG  sizeof(struct terminal_settings)

static hx_err tcgets(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    return get_settings(terminal, argument, SHORT);
}

static hx_err tcsets(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    return set_settings(terminal, argument, SHORT, false);
}

static hx_err tcsetsf(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    return set_settings(terminal, argument, SHORT, true);
}

static hx_err tcgets2(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    return get_settings(terminal, argument, LONG);
}

static hx_err tcsets2(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    return set_settings(terminal, argument, LONG, false);
}

static hx_err tcsetsf2(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    return set_settings(terminal, argument, LONG, true);
}

/* --- flow and buffers ---------------------------------------------------------------------------
 */

enum { QUEUE_INPUT, QUEUE_OUTPUT, QUEUE_BOTH };

static hx_err tcflsh(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    if (argument > QUEUE_BOTH) {
        return HX_EINVAL;
    }
    terminal_lock(terminal);
    if (argument != QUEUE_OUTPUT) {
        terminal_flush_input_locked(terminal);
    }
    if (argument != QUEUE_INPUT) {
        terminal_flush_output_locked(terminal);
    }
    terminal_unlock(terminal);
    return HX_OK;
}

enum { OUTPUT_OFF, OUTPUT_ON, INPUT_OFF, INPUT_ON };

static void send_special_locked(struct terminal *terminal, enum terminal_special which)
{
    if (terminal->settings.special[which] != 0) {
        terminal_put_raw_locked(terminal, (char)terminal->settings.special[which]);
    }
}

static hx_err tcxonc(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    hx_err error = HX_OK;

    (void)file;
    terminal_lock(terminal);
    switch (argument) {
    case OUTPUT_OFF:
        terminal_stop_locked(terminal);
        break;
    case OUTPUT_ON:
        terminal_go_on_locked(terminal);
        break;
    case INPUT_OFF:
        send_special_locked(terminal, VSTOP);
        break;
    case INPUT_ON:
        send_special_locked(terminal, VSTART);
        break;
    default:
        error = HX_EINVAL;
    }
    terminal_unlock(terminal);
    return error;
}

/* tcdrain, tcsendbreak: all output has left already, and the devices cannot send a break. */
static hx_err tcsbrk(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)terminal;
    (void)file;
    (void)argument;
    return HX_OK;
}

static hx_err fionread(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    uint32_t count;

    (void)file;
    terminal_lock(terminal);
    count = terminal_readable_locked(terminal);
    terminal_unlock(terminal);
    return hal_user_copy_out(argument, &count, sizeof(count));
}

static hx_err tiocoutq(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    uint32_t count;

    (void)file;
    terminal_lock(terminal);
    count = terminal->output_used;
    terminal_unlock(terminal);
    return hal_user_copy_out(argument, &count, sizeof(count));
}

/* --- window, discipline ----------------------------------------------------------------------- */

static hx_err tiocgwinsz(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    struct terminal_window window;

    (void)file;
    terminal_lock(terminal);
    window = terminal->window;
    terminal_unlock(terminal);
    return hal_user_copy_out(argument, &window, sizeof(window));
}

static hx_err tiocswinsz(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    struct terminal_window window;
    hx_err error = hal_user_copy_in(&window, argument, sizeof(window));

    (void)file;
    if (error != HX_OK) {
        return error;
    }
    terminal_lock(terminal);
    if (memcmp(&window, &terminal->window, sizeof(window)) != 0) {
        terminal->window = window;
        terminal->signals |= 1ULL << SIGNAL_WINDOW;
    }
    terminal_unlock(terminal);
    return HX_OK;
}

static hx_err tiocgetd(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    const uint32_t discipline = 0; /* N_TTY */

    (void)terminal;
    (void)file;
    return hal_user_copy_out(argument, &discipline, sizeof(discipline));
}

/* --- sessions --------------------------------------------------------------------------------- */

static hx_err tiocsctty(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    return terminal_become_controlling(terminal, file, argument == 1);
}

static hx_err tiocnotty(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    (void)file;
    (void)argument;
    return terminal_give_up(terminal);
}

static hx_err tiocgpgrp(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    uint32_t group;
    hx_err error = terminal_get_foreground(terminal, &group);

    (void)file;
    return error == HX_OK ? hal_user_copy_out(argument, &group, sizeof(group)) : error;
}

static hx_err tiocspgrp(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    uint32_t group;
    hx_err error = hal_user_copy_in(&group, argument, sizeof(group));

    (void)file;
    return error == HX_OK ? terminal_set_foreground(terminal, group) : error;
}

static hx_err tiocgsid(struct terminal *terminal, const struct file *file, uintptr_t argument)
{
    uint32_t session;
    hx_err error = terminal_get_session(terminal, &session);

    (void)file;
    return error == HX_OK ? hal_user_copy_out(argument, &session, sizeof(session)) : error;
}

/* --- the table -------------------------------------------------------------------------------- */

struct control {
    uint32_t request;
    bool is_change; /* background processes are stopped for it: SIGTTOU */
    hx_err (*function)(struct terminal *terminal, const struct file *file, uintptr_t argument);
};

static const struct control controls[] = {
    {0x5401, false, tcgets},      /* TCGETS */
    {0x5402, true, tcsets},       /* TCSETS */
    {0x5403, true, tcsets},       /* TCSETSW */
    {0x5404, true, tcsetsf},      /* TCSETSF */
    {0x5409, true, tcsbrk},       /* TCSBRK */
    {0x540a, true, tcxonc},       /* TCXONC */
    {0x540b, true, tcflsh},       /* TCFLSH */
    {0x540e, false, tiocsctty},   /* TIOCSCTTY */
    {0x540f, false, tiocgpgrp},   /* TIOCGPGRP */
    {0x5410, true, tiocspgrp},    /* TIOCSPGRP */
    {0x5411, false, tiocoutq},    /* TIOCOUTQ */
    {0x5413, false, tiocgwinsz},  /* TIOCGWINSZ */
    {0x5414, false, tiocswinsz},  /* TIOCSWINSZ */
    {0x541b, false, fionread},    /* FIONREAD */
    {0x5422, false, tiocnotty},   /* TIOCNOTTY */
    {0x5424, false, tiocgetd},    /* TIOCGETD */
    {0x5425, true, tcsbrk},       /* TCSBRKP */
    {0x5429, false, tiocgsid},    /* TIOCGSID */
    {0x802c542a, false, tcgets2}, /* TCGETS2 */
    {0x402c542b, true, tcsets2},  /* TCSETS2 */
    {0x402c542c, true, tcsets2},  /* TCSETSW2 */
    {0x402c542d, true, tcsetsf2}, /* TCSETSF2 */
};

static hx_err run(const struct control *control, struct terminal *terminal, const struct file *file,
                  uintptr_t argument)
{
    hx_err error = control->is_change ? terminal_check_job(terminal, SIGNAL_TERMINAL_OUT) : HX_OK;

    return error == HX_OK ? control->function(terminal, file, argument) : error;
}

hx_err terminal_control(struct file *file, uint32_t request, uintptr_t argument, int64_t *result)
{
    const struct terminal_opening *opening = terminal_opening_of(file);

    *result = 0;
    if (terminal_opening_is_dead(opening)) {
        return HX_EIO;
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(controls); i++) {
        if (controls[i].request == request) {
            return run(&controls[i], opening->terminal, file, argument);
        }
    }
    return HX_ENOTTY;
}
