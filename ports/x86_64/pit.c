/*
 * Channel 2 of the interval timer, the speaker's, which raises no interrupt.
 * Source: Intel 8254 data sheet; the gate in port 0x61 is the PC's.
 */
#include <hal/clock.h>
#include <ports/x86_64/clock_reference.h>
#include <ports/x86_64/instructions.h>

#define PIT_CHANNEL_2 0x42
#define PIT_COMMAND   0x43
#define PIT_GATE      0x61
#define GATE_COUNT    0x01
#define GATE_SPEAKER  0x02
#define COMMAND_RATE  0xB4 /* channel 2, both bytes, mode 2: counts down and starts over */
#define COMMAND_LATCH 0x80 /* channel 2 */
#define PIT_HZ        1193182

static uint32_t pit_read(void)
{
    uint32_t low;
    uint32_t high;

    x86_out8(PIT_COMMAND, COMMAND_LATCH);
    low = x86_in8(PIT_CHANNEL_2);
    high = x86_in8(PIT_CHANNEL_2);
    return (uint16_t) - (high << 8 | low);
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
