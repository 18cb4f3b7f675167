/*
 * The hosted kernel as a program: its arguments are the kernel command line, its environment the
 * machine (HELIX_CPUS, HELIX_MEMORY in MiB, HELIX_INITRD a file).
 */
#define _GNU_SOURCE
#include <core/config/boot_configuration.h>
#include <fcntl.h>
#include <hal/entry.h>
#include <hal/memory.h>
#include <ports/hosted/hosted.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_CPUS      2U
#define DEFAULT_MEMORY_MB 64U

/* As on a PC: a hole for the BIOS below 1 MiB, and a few tables at the top. */
#define HOLE_BASE   0x0a0000U
#define HOLE_END    0x100000U
#define TABLES_SIZE 0x10000U

static struct boot_configuration configuration;

static void die(const char *what)
{
    fprintf(stderr, "helix: %s\n", what);
    exit(EXIT_FAILURE);
}

static uint32_t number_from_environment(const char *name, uint32_t fallback)
{
    const char *text = getenv(name);
    char *end;
    unsigned long value;

    if (text == NULL || *text == '\0') {
        return fallback;
    }
    value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > UINT32_MAX) {
        fprintf(stderr, "helix: %s=%s is no positive number\n", name, text);
        exit(EXIT_FAILURE);
    }
    return (uint32_t)value;
}

/* The arguments with blanks between them. */
static void set_command_line(int argc, char **argv)
{
    static char text[BOOT_COMMAND_LINE_MAX];
    size_t used = 0;

    for (int i = 1; i < argc; i++) {
        int length = snprintf(text + used, sizeof text - used, "%s%s", i > 1 ? " " : "", argv[i]);

        used += (size_t)length;
        if (used >= sizeof text) {
            die("the command line is too long");
        }
    }
    if (boot_configuration_set_command_line(&configuration, text, sizeof text) != HX_OK) {
        die("the command line is too long");
    }
}

static void add_memory(uint64_t base, uint64_t end, enum memory_kind kind)
{
    if (boot_configuration_add_memory(&configuration, base, end - base, kind) != HX_OK) {
        die("the memory map is full");
    }
}

static void describe_memory(void)
{
    uint64_t end = hosted_memory_size();

    add_memory(HOSTED_MEMORY_FIRST, HOLE_BASE, MEMORY_USABLE);
    add_memory(HOLE_BASE, HOLE_END, MEMORY_RESERVED);
    if (end > HOLE_END) {
        add_memory(HOLE_END, end - TABLES_SIZE, MEMORY_USABLE);
        add_memory(end - TABLES_SIZE, end, MEMORY_ACPI_RECLAIMABLE);
    }
}

static void read_all(int file, char *to, size_t size)
{
    while (size > 0) {
        ssize_t got = read(file, to, size);

        if (got <= 0) {
            die("cannot read the initrd");
        }
        to += got;
        size -= (size_t)got;
    }
}

/* Put the file into physical memory, below the tables, where a boot loader might leave it. */
static void load_initrd(const char *path)
{
    struct stat status;
    uint64_t physical;
    uint64_t size;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &status) != 0) {
        die("cannot open the initrd");
    }
    size = (uint64_t)status.st_size;
    if (size == 0 || size > hosted_memory_size() / 2) {
        die("the initrd is empty or takes more than half of the memory");
    }
    physical = (hosted_memory_size() - TABLES_SIZE - size) & ~(HAL_PAGE_SIZE - 1);
    read_all(file, hal_direct_map(physical), size);
    close(file);
    if (boot_configuration_add_module(&configuration, physical, size, hal_direct_map(physical),
                                      NULL, 0) != HX_OK) {
        die("no room for the initrd");
    }
}

int main(int argc, char **argv)
{
    const char *initrd = getenv("HELIX_INITRD");

    if (!hosted_start(number_from_environment("HELIX_CPUS", DEFAULT_CPUS),
                      number_from_environment("HELIX_MEMORY", DEFAULT_MEMORY_MB))) {
        die("cannot build the machine: HELIX_CPUS is 1 to 32, HELIX_MEMORY 1 to 65536");
    }
    boot_configuration_init(&configuration, "hosted");
    set_command_line(argc, argv);
    describe_memory();
    if (initrd != NULL && *initrd != '\0') {
        load_initrd(initrd);
    }
    if (boot_configuration_finish(&configuration) != HX_OK) {
        die("no usable memory");
    }
    kernel_main(&configuration);
}
