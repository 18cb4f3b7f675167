/*
 * The package \_S5_: what to write to the PM1 control registers, or the sleep control register, to
 * power the machine off.
 * Source: ACPI 6.4, 7.4.2 (its meaning) and 20.2 (AML: names, packages, integers).
 *
 * The AML is not interpreted: the definition Name(\_S5_, Package(){…}) is looked for as bytes and
 * must decode without a remainder of doubt, or it is passed over.
 */
#include <ports/x86_64/acpi_private.h>

#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0a
#define AML_WORD    0x0b
#define AML_DWORD   0x0c
#define AML_QWORD   0x0e
#define AML_PACKAGE 0x12
#define AML_ROOT    0x5c
#define AML_ONES    0xff

#define SLEEP_TYPE_MAX 7U /* SLP_TYPx has three bits (4.8.3.2.1) */

/* The bytes not read yet. */
struct aml {
    const uint8_t *next;
    size_t left;
};

static bool take_byte(struct aml *aml, uint8_t *byte)
{
    if (aml->left == 0) {
        return false;
    }
    *byte = *aml->next++;
    aml->left--;
    return true;
}

/* Little-endian integer of size bytes. */
static bool take_number(struct aml *aml, size_t size, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte;

        if (!take_byte(aml, &byte)) {
            return false;
        }
        *value |= (uint64_t)byte << (8 * i);
    }
    return true;
}

/*
 * PkgLength (20.2.4) and the narrowing of aml to what it covers. The length counts its own bytes:
 * one with 6 bits of it, or one with 4 and up to three more.
 */
static bool enter_package(struct aml *aml)
{
    size_t before = aml->left;
    size_t length, used;
    uint64_t more;
    uint8_t lead;

    if (!take_byte(aml, &lead)) {
        return false;
    }
    length = lead & 0x3fU;
    if (lead >> 6 != 0) {
        if ((lead & 0x30U) != 0 || !take_number(aml, lead >> 6, &more)) {
            return false;
        }
        length = (lead & 0xfU) | (size_t)more << 4;
    }
    used = before - aml->left;
    if (length < used || length > before) {
        return false;
    }
    aml->left = length - used;
    return true;
}

/* An integer element; Ones stands for a field that is all ones. */
static bool take_integer(struct aml *aml, uint64_t *value)
{
    uint8_t kind;

    if (!take_byte(aml, &kind)) {
        return false;
    }
    switch (kind) {
    case AML_ZERO:
    case AML_ONE:
        *value = kind;
        return true;
    case AML_ONES:
        *value = SLEEP_TYPE_MAX;
        return true;
    case AML_BYTE:
        return take_number(aml, 1, value);
    case AML_WORD:
        return take_number(aml, 2, value);
    case AML_DWORD:
        return take_number(aml, 4, value);
    case AML_QWORD:
        return take_number(aml, 8, value);
    default:
        return false;
    }
}

/* From behind the name on. Firmware of old puts both values into the bytes of one element. */
static bool read_package(struct aml aml, struct acpi_summary *summary)
{
    uint64_t a, b;
    uint8_t byte, count;

    if (!take_byte(&aml, &byte) || byte != AML_PACKAGE || !enter_package(&aml) ||
        !take_byte(&aml, &count) || count == 0 || !take_integer(&aml, &a)) {
        return false;
    }
    if (count == 1) {
        b = a >> 8;
        a &= 0xffU;
    } else if (!take_integer(&aml, &b)) {
        return false;
    }
    if (a > SLEEP_TYPE_MAX || b > SLEEP_TYPE_MAX) {
        return false;
    }
    summary->has_sleep = true;
    summary->sleep_type_a = (uint8_t)a;
    summary->sleep_type_b = (uint8_t)b;
    return true;
}

/* Whether the name at offset of the table is being defined: NameOp before it, maybe with a root. */
static bool is_definition(const struct acpi_table *table, size_t offset)
{
    if (table->bytes[offset - 1] == AML_ROOT) {
        offset--;
    }
    return table->bytes[offset - 1] == AML_NAME;
}

/*
 * How far to go on when the last of four bytes is this one: to where it may belong to the name.
 * Source: Horspool, "Practical Fast Searching in Strings" (1980).
 */
static size_t step_after(uint8_t last)
{
    switch (last) {
    case 'S':
        return 2;
    case '5':
        return 1;
    case '_':
        return 3;
    default:
        return 4;
    }
}

void acpi_read_sleep(const struct acpi_table *table, struct acpi_summary *summary)
{
    static const char name[4] = {'_', 'S', '5', '_'};
    size_t end;

    /* The header of 36 bytes goes before, so there are always two bytes to look back at. */
    for (size_t i = sizeof(struct acpi_header) + 1; (end = i + sizeof(name)) < table->length;
         i += step_after(table->bytes[end - 1])) {
        if (table->bytes[end - 1] != name[3] || memcmp(table->bytes + i, name, sizeof(name)) != 0 ||
            !is_definition(table, i)) {
            continue;
        }
        if (read_package((struct aml){table->bytes + end, table->length - end}, summary)) {
            return;
        }
        acpi_note(summary, ACPI_ISSUE_SLEEP);
    }
}
