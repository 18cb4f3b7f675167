#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/serial.h>

/* TI PC16550D data sheet, table II: offsets from the base port. */
#define COM1              0x3F8
#define UART_DATA         (COM1 + 0)
#define UART_IER          (COM1 + 1)
#define UART_DIVISOR_LOW  (COM1 + 0) /* while LCR_DLAB is set */
#define UART_DIVISOR_HIGH (COM1 + 1)
#define UART_FCR          (COM1 + 2) /* written */
#define UART_IIR          (COM1 + 2) /* read */
#define UART_LCR          (COM1 + 3)
#define UART_MCR          (COM1 + 4)
#define UART_LSR          (COM1 + 5)

#define IER_RECEIVED   0x01
#define IIR_FIFOS      0xC0 /* both bits: a 16550A with working FIFOs */
#define FCR_ENABLE     0x07 /* FIFOs on and cleared, an interrupt from the first byte received */
#define LCR_8N1        0x03
#define LCR_DLAB       0x80
#define MCR_DTR        0x01
#define MCR_RTS        0x02
#define MCR_OUT2       0x08 /* gates the interrupt line on a PC */
#define LSR_RECEIVED   0x01
#define LSR_THR_EMPTY  0x20 /* with FIFOs: all of the transmit FIFO is empty */
#define LSR_IDLE       0x40 /* the shift register too */
#define LSR_ABSENT     0xFF /* what an empty bus answers */
#define DIVISOR_115200 1
#define FIFO_DEPTH     16
#define COM1_ISA_LINE  4

/*
 * Patience with a device that does not get ready. A byte takes 87 us; but an emulator's device
 * waits for whoever reads there, and with him for a busy host.
 */
#define WAIT_SECONDS 1

/* The callers serialise; all of this is the device's. */
static bool serial_present;
static size_t serial_burst;  /* bytes it takes once it has said that it is ready */
static bool serial_is_stuck; /* it was waited for in vain, and is only asked from then on */

void serial_init(void)
{
    if (x86_in8(UART_LSR) == LSR_ABSENT) {
        return;
    }
    x86_out8(UART_IER, 0);
    x86_out8(UART_LCR, LCR_DLAB);
    x86_out8(UART_DIVISOR_LOW, DIVISOR_115200);
    x86_out8(UART_DIVISOR_HIGH, 0);
    x86_out8(UART_LCR, LCR_8N1);
    x86_out8(UART_FCR, FCR_ENABLE);
    x86_out8(UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    serial_burst = (x86_in8(UART_IIR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_DEPTH : 1;
    serial_present = true;
}

/* Wait for bits of the line status, WAIT_SECONDS at most. */
static bool serial_wait(uint8_t status)
{
    uint64_t start;
    uint64_t patience;

    if ((x86_in8(UART_LSR) & status) != 0) {
        return true;
    }
    start = hal_clock_cycles();
    patience = hal_clock_cycles_per_second() * WAIT_SECONDS;
    while (hal_clock_cycles() - start < patience) {
        hal_cpu_relax();
        if ((x86_in8(UART_LSR) & status) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether the device takes bytes; a stuck one is only asked, so that output to it costs little. */
static bool serial_is_ready(void)
{
    bool ready =
        serial_is_stuck ? (x86_in8(UART_LSR) & LSR_THR_EMPTY) != 0 : serial_wait(LSR_THR_EMPTY);

    serial_is_stuck = !ready;
    return ready;
}

void hal_console_write(const char *bytes, size_t size)
{
    size_t done = 0;

    while (serial_present && done < size) {
        size_t burst = size - done < serial_burst ? size - done : serial_burst;

        if (!serial_is_ready()) {
            done++;
            continue;
        }
        for (size_t i = 0; i < burst; i++) {
            x86_out8(UART_DATA, (uint8_t)bytes[done + i]);
        }
        done += burst;
    }
}

void hal_console_flush(void)
{
    if (serial_present && !serial_is_stuck) {
        (void)serial_wait(LSR_IDLE);
    }
}

int hal_console_read(void)
{
    if (!serial_present || (x86_in8(UART_LSR) & LSR_RECEIVED) == 0) {
        return -1;
    }
    return x86_in8(UART_DATA);
}

int hal_console_line(void)
{
    struct hal_line_mode mode;
    uint32_t line;

    if (!serial_present || hal_line_of_isa(COM1_ISA_LINE, &line, &mode) != HX_OK) {
        return -1;
    }
    return (int)line;
}

void hal_console_enable_input(void)
{
    if (serial_present) {
        x86_out8(UART_IER, IER_RECEIVED);
    }
}
