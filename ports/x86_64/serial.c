#include <hal/clock.h>
#include <hal/console.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/serial.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/serial.h>

/* TI PC16550D data sheet, table II: offsets from the base port. */
#define COM1              0x3F8
#define COM2              0x2F8
#define UART_DATA         0
#define UART_IER          1
#define UART_DIVISOR_LOW  0 /* while LCR_DLAB is set */
#define UART_DIVISOR_HIGH 1
#define UART_FCR          2 /* written */
#define UART_IIR          2 /* read */
#define UART_LCR          3
#define UART_MCR          4
#define UART_LSR          5

#define IER_RECEIVED   0x01
#define IIR_FIFOS      0xC0 /* both bits: a 16550A with working FIFOs */
#define FCR_ENABLE     0x07 /* FIFOs on and cleared, an interrupt from the first byte received */
#define FCR_BURSTS     0xC0 /* from the 14th, or when the line falls silent: fewer for much data */
#define LCR_8N1        0x03
#define LCR_DLAB       0x80
#define MCR_DTR        0x01
#define MCR_RTS        0x02
#define MCR_OUT2       0x08 /* gates the interrupt line on a PC */
#define LSR_RECEIVED   0x01
#define LSR_BREAK      0x10 /* of the byte that is read next, which is 0 */
#define LSR_THR_EMPTY  0x20 /* with FIFOs: all of the transmit FIFO is empty */
#define LSR_IDLE       0x40 /* the shift register too */
#define LSR_ABSENT     0xFF /* what an empty bus answers */
#define DIVISOR_115200 1
#define FIFO_DEPTH     16
#define COM1_ISA_LINE  4
#define COM2_ISA_LINE  3

/*
 * Patience with a device that does not get ready. A byte takes 87 us; but an emulator's device
 * waits for whoever reads there, and with him for a busy host.
 */
#define WAIT_SECONDS 1

/* The callers serialise; all of this is the device's. */
struct uart {
    uint16_t base;
    uint16_t isa_line;
    uint8_t fifo_mode;
    bool is_present;
    size_t burst;  /* bytes it takes once it has said that it is ready */
    bool is_stuck; /* it was waited for in vain, and is only asked from then on */
};

static struct uart com1 = {.base = COM1, .isa_line = COM1_ISA_LINE, .fifo_mode = FCR_ENABLE};
static struct uart com2 = {
    .base = COM2, .isa_line = COM2_ISA_LINE, .fifo_mode = FCR_ENABLE | FCR_BURSTS};

static uint8_t in(const struct uart *uart, uint16_t offset)
{
    return x86_in8((uint16_t)(uart->base + offset));
}

static void out(const struct uart *uart, uint16_t offset, uint8_t value)
{
    x86_out8((uint16_t)(uart->base + offset), value);
}

static void init(struct uart *uart)
{
    if (in(uart, UART_LSR) == LSR_ABSENT) {
        return;
    }
    out(uart, UART_IER, 0);
    out(uart, UART_LCR, LCR_DLAB);
    out(uart, UART_DIVISOR_LOW, DIVISOR_115200);
    out(uart, UART_DIVISOR_HIGH, 0);
    out(uart, UART_LCR, LCR_8N1);
    out(uart, UART_FCR, uart->fifo_mode);
    out(uart, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    uart->burst = (in(uart, UART_IIR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_DEPTH : 1;
    uart->is_present = true;
}

void serial_init(void)
{
    init(&com1);
    init(&com2);
}

/* Wait for bits of the line status, WAIT_SECONDS at most. */
static bool wait_for(const struct uart *uart, uint8_t status)
{
    uint64_t start;
    uint64_t patience;

    if ((in(uart, UART_LSR) & status) != 0) {
        return true;
    }
    start = hal_clock_cycles();
    patience = hal_clock_cycles_per_second() * WAIT_SECONDS;
    while (hal_clock_cycles() - start < patience) {
        hal_cpu_relax();
        if ((in(uart, UART_LSR) & status) != 0) {
            return true;
        }
    }
    return false;
}

/* Whether the device takes bytes; a stuck one is only asked, so that output to it costs little. */
static bool is_ready(struct uart *uart)
{
    bool ready =
        uart->is_stuck ? (in(uart, UART_LSR) & LSR_THR_EMPTY) != 0 : wait_for(uart, LSR_THR_EMPTY);

    uart->is_stuck = !ready;
    return ready;
}

static void write(struct uart *uart, const char *bytes, size_t size)
{
    size_t done = 0;

    while (uart->is_present && done < size) {
        size_t burst = size - done < uart->burst ? size - done : uart->burst;

        if (!is_ready(uart)) {
            done++;
            continue;
        }
        for (size_t i = 0; i < burst; i++) {
            out(uart, UART_DATA, (uint8_t)bytes[done + i]);
        }
        done += burst;
    }
}

static int line_of(const struct uart *uart)
{
    struct hal_line_mode mode;
    uint32_t line;

    if (!uart->is_present || hal_line_of_isa(uart->isa_line, &line, &mode) != HX_OK) {
        return -1;
    }
    return (int)line;
}

static void enable_input(const struct uart *uart)
{
    if (uart->is_present) {
        out(uart, UART_IER, IER_RECEIVED);
    }
}

/* --- hal/console.h -----------------------------------------------------------------------------
 */

void hal_console_write(const char *bytes, size_t size)
{
    write(&com1, bytes, size);
}

void hal_console_flush(void)
{
    if (com1.is_present && !com1.is_stuck) {
        (void)wait_for(&com1, LSR_IDLE);
    }
}

int hal_console_read(void)
{
    if (!com1.is_present || (in(&com1, UART_LSR) & LSR_RECEIVED) == 0) {
        return -1;
    }
    return in(&com1, UART_DATA);
}

bool hal_console_has_registers(void)
{
    return com1.is_present;
}

uint8_t hal_console_register(uint32_t index)
{
    return in(&com1, (uint16_t)index);
}

void hal_console_set_register(uint32_t index, uint8_t value)
{
    out(&com1, (uint16_t)index, value);
}

int hal_console_line(void)
{
    return line_of(&com1);
}

void hal_console_enable_input(void)
{
    enable_input(&com1);
}

/* --- hal/serial.h ------------------------------------------------------------------------------
 */

bool hal_serial_is_present(void)
{
    return com2.is_present;
}

void hal_serial_write(const char *bytes, size_t size)
{
    write(&com2, bytes, size);
}

int hal_serial_read(void)
{
    uint8_t status = com2.is_present ? in(&com2, UART_LSR) : 0;
    uint8_t byte;

    if ((status & LSR_RECEIVED) == 0) {
        return HAL_SERIAL_NOTHING;
    }
    byte = in(&com2, UART_DATA);
    return (status & LSR_BREAK) != 0 ? HAL_SERIAL_BREAK : byte;
}

int hal_serial_line(void)
{
    return line_of(&com2);
}

void hal_serial_enable_input(void)
{
    enable_input(&com2);
}
