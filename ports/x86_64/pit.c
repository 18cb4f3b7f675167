/*
 * The interval timer: channel 2, the speaker's, which raises no interrupt, as a reference; channel
 * 0 as a source of interrupts. Source: Intel 8254 data sheet; the gate in port 0x61 is the PC's.
 */
#include <hal/clock.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/watchdog.h>

#define PIT_CHANNEL_0 0x40
#define PIT_CHANNEL_2 0x42
#define PIT_COMMAND   0x43
#define PIT_GATE      0x61
#define GATE_COUNT    0x01
#define GATE_SPEAKER  0x02
#define COMMAND_RATE  0xB4 /* channel 2, both bytes, mode 2: counts down and starts over */
#define COMMAND_LATCH 0x80 /* channel 2 */
#define PIT_HZ        1193182

#define COMMAND_SIGNAL 0x34 /* channel 0, both bytes, mode 2 */
#define COMMAND_STOP   0x32 /* channel 0, mode 1: waits for a trigger, which it never gets */
#define SIGNAL_LATCH   0x00 /* channel 0 */
#define POLLS_MAX      1000

/* What the channel behind a port has counted. */
static uint32_t channel_read(uint8_t latch, uint16_t port)
{
    uint32_t low;
    uint32_t high;

    x86_out8(PIT_COMMAND, latch);
    low = x86_in8(port);
    high = x86_in8(port);
    return (uint16_t) - (high << 8 | low);
}

static uint32_t pit_read(void)
{
    return channel_read(COMMAND_LATCH, PIT_CHANNEL_2);
}

bool pit_init(struct clock_reference *reference)
{
    x86_out8(PIT_GATE, (x86_in8(PIT_GATE) & (uint8_t)~GATE_SPEAKER) | GATE_COUNT);
    x86_out8(PIT_COMMAND, COMMAND_RATE);
    x86_out8(PIT_CHANNEL_2, 0); /* 0 stands for 65536 */
    x86_out8(PIT_CHANNEL_2, 0);
    *reference = (struct clock_reference){
        .name = "PIT",
        .read = pit_read,
        .bits = 16,
        .nanoseconds_per_lap = HAL_NS_PER_S,
        .ticks_per_lap = PIT_HZ,
    };
    return true;
}

/* Where there is no PIT, the ports always read the same. */
static bool signal_counts(void)
{
    uint32_t before = channel_read(SIGNAL_LATCH, PIT_CHANNEL_0);

    for (unsigned polls = 0; polls < POLLS_MAX; polls++) {
        if (channel_read(SIGNAL_LATCH, PIT_CHANNEL_0) != before) {
            return true;
        }
    }
    return false;
}

bool pit_signal(void)
{
    x86_out8(PIT_COMMAND, COMMAND_SIGNAL);
    x86_out8(PIT_CHANNEL_0, 0); /* 65536 again, the longest there is */
    x86_out8(PIT_CHANNEL_0, 0);
    return signal_counts();
}

void pit_signal_stop(void)
{
    x86_out8(PIT_COMMAND, COMMAND_STOP);
}
