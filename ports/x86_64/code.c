/*
 * Instructions as bytes, for hal/code.h. Source: Intel SDM volume 2, chapter 2 (formats) and
 * appendix A (opcode maps), 64-bit mode.
 */
#include <base/memory.h>
#include <hal/code.h>
#include <hal/frame.h>

#define TRAP          0xcc /* int3 */
#define NOP           0x90
#define REX_W         0x8U
#define REX_R         0x4U
#define REX_B         0x1U
#define OPCODE_ESCAPE 0x0f
#define NOWHERE       0xffU /* instead of a position in an instruction */

/* What an opcode does with the operands of its ModRM byte: E, a register or memory, G, a register.
 */
enum form {
    UNKNOWN, /* no such opcode, or none that modules have */
    PLAIN,   /* no ModRM byte */
    EG,      /* E is written, G is read */
    GE,      /* G is written, E is read */
    E,       /* E is written */
    READ_EG, /* both are read */
    READ_E,  /* E is read */
    GA,      /* G is written with the address of E: lea */
    NONE,    /* nothing is done with them */
    O,       /* no ModRM byte; the opcode's low bits are a register that is written */
};

/* What follows behind the operands. */
enum rest {
    NOTHING,
    BYTE,   /* a byte */
    WORD,   /* two or four bytes, by the operand's size */
    LONG,   /* or eight */
    NEAR,   /* the distance of a target, a byte */
    FAR,    /* four bytes */
    TESTED, /* groups F6 and F7: for their first two members only, a byte or WORD */
};

struct opcodes {
    uint8_t first;
    uint8_t last;
    uint8_t form; /* enum form */
    uint8_t rest; /* enum rest */
};

/* The arithmetic of 00 to 3F is by rule, see arithmetic(). */
static const struct opcodes one_byte[] = {
    {0x50, 0x57, PLAIN, NOTHING},   /* push */
    {0x58, 0x5f, PLAIN, NOTHING},   /* pop */
    {0x63, 0x63, GE, NOTHING},      /* movsxd */
    {0x68, 0x68, PLAIN, WORD},      /* push */
    {0x69, 0x69, GE, WORD},         /* imul */
    {0x6a, 0x6a, PLAIN, BYTE},      /* push */
    {0x6b, 0x6b, GE, BYTE},         /* imul */
    {0x70, 0x7f, PLAIN, NEAR},      /* jcc */
    {0x80, 0x80, E, BYTE},          /* add … cmp */
    {0x81, 0x81, E, WORD},          /* the same */
    {0x83, 0x83, E, BYTE},          /* the same */
    {0x84, 0x85, READ_EG, NOTHING}, /* test */
    {0x86, 0x87, EG, NOTHING},      /* xchg */
    {0x88, 0x89, EG, NOTHING},      /* mov */
    {0x8a, 0x8b, GE, NOTHING},      /* mov */
    {0x8d, 0x8d, GA, NOTHING},      /* lea */
    {0x8f, 0x8f, E, NOTHING},       /* pop */
    {0x90, 0x99, PLAIN, NOTHING},   /* nop, xchg, cdqe, cqo */
    {0xa4, 0xa7, PLAIN, NOTHING},   /* movs, cmps */
    {0xa8, 0xa8, PLAIN, BYTE},      /* test */
    {0xa9, 0xa9, PLAIN, WORD},      /* test */
    {0xaa, 0xaf, PLAIN, NOTHING},   /* stos, lods, scas */
    {0xb0, 0xb7, O, BYTE},          /* mov */
    {0xb8, 0xbf, O, LONG},          /* mov */
    {0xc0, 0xc1, E, BYTE},          /* shifts */
    {0xc3, 0xc3, PLAIN, NOTHING},   /* ret */
    {0xc6, 0xc6, E, BYTE},          /* mov */
    {0xc7, 0xc7, E, WORD},          /* mov */
    {0xc9, 0xc9, PLAIN, NOTHING},   /* leave */
    {0xcc, 0xcc, PLAIN, NOTHING},   /* int3 */
    {0xd0, 0xd3, E, NOTHING},       /* shifts */
    {0xe8, 0xe9, PLAIN, FAR},       /* call, jmp */
    {0xeb, 0xeb, PLAIN, NEAR},      /* jmp */
    {0xf6, 0xf7, E, TESTED},        /* test, not, neg, mul, div */
    {0xfa, 0xfb, PLAIN, NOTHING},   /* cli, sti */
    {0xfe, 0xff, E, NOTHING},       /* inc, dec, call, jmp, push */
};

static const struct opcodes two_bytes[] = {
    {0x0b, 0x0b, PLAIN, NOTHING},   /* ud2 */
    {0x1f, 0x1f, NONE, NOTHING},    /* nop */
    {0x31, 0x31, PLAIN, NOTHING},   /* rdtsc */
    {0x40, 0x4f, GE, NOTHING},      /* cmovcc */
    {0x80, 0x8f, PLAIN, FAR},       /* jcc */
    {0x90, 0x9f, E, NOTHING},       /* setcc */
    {0xa2, 0xa2, PLAIN, NOTHING},   /* cpuid */
    {0xa3, 0xa3, READ_EG, NOTHING}, /* bt */
    {0xa4, 0xa4, EG, BYTE},         /* shld */
    {0xa5, 0xa5, EG, NOTHING},      /* shld */
    {0xab, 0xab, EG, NOTHING},      /* bts */
    {0xac, 0xac, EG, BYTE},         /* shrd */
    {0xad, 0xad, EG, NOTHING},      /* shrd */
    {0xae, 0xae, NONE, NOTHING},    /* fences */
    {0xaf, 0xaf, GE, NOTHING},      /* imul */
    {0xb0, 0xb1, EG, NOTHING},      /* cmpxchg */
    {0xb3, 0xb3, EG, NOTHING},      /* btr */
    {0xb6, 0xb7, GE, NOTHING},      /* movzx */
    {0xb8, 0xb8, GE, NOTHING},      /* popcnt */
    {0xba, 0xba, E, BYTE},          /* bt, bts … */
    {0xbb, 0xbb, EG, NOTHING},      /* btc */
    {0xbc, 0xbd, GE, NOTHING},      /* bsf, bsr */
    {0xbe, 0xbf, GE, NOTHING},      /* movsx */
    {0xc0, 0xc1, EG, NOTHING},      /* xadd */
    {0xc7, 0xc7, E, NOTHING},       /* cmpxchg16b, rdrand */
    {0xc8, 0xcf, O, NOTHING},       /* bswap */
};

/* An instruction taken apart; positions are in its bytes. */
struct parts {
    uint8_t opcode_at; /* of its last byte */
    uint8_t modrm_at;  /* or NOWHERE */
    uint8_t sib_at;    /* or NOWHERE */
    uint8_t opcode;
    uint8_t rex;
    uint8_t modrm;
    uint8_t length;
    bool is_two_bytes;
    bool is_short; /* operands of 16 bits */
    struct opcodes kind;
    int32_t distance; /* of a NEAR or FAR target */
};

/* --- taking apart ----------------------------------------------------------------------------- */

struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    bool has_failed;
};

static uint8_t next(struct reader *reader)
{
    if (reader->at >= reader->size || reader->at >= HAL_CODE_MAX) {
        reader->has_failed = true;
        return 0;
    }
    return reader->bytes[reader->at++];
}

static void skip(struct reader *reader, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)next(reader);
    }
}

/* Eight operations with the same six encodings each; what is left are prefixes and nothing. */
static struct opcodes arithmetic(uint8_t opcode)
{
    static const struct opcodes encodings[] = {
        {0, 0, EG, NOTHING}, {1, 1, EG, NOTHING}, {2, 2, GE, NOTHING},
        {3, 3, GE, NOTHING}, {4, 4, PLAIN, BYTE}, {5, 5, PLAIN, WORD},
    };
    uint8_t encoding = opcode & 7;
    struct opcodes kind = {0};

    if (encoding < HX_ARRAY_SIZE(encodings)) {
        kind = encodings[encoding];
    }
    if ((opcode & 0x38) == 0x38 && encoding < 4) { /* cmp */
        kind.form = READ_EG;
    }
    return kind;
}

static struct opcodes find(const struct opcodes *table, size_t count, uint8_t opcode)
{
    for (size_t i = 0; i < count; i++) {
        if (opcode >= table[i].first && opcode <= table[i].last) {
            return table[i];
        }
    }
    return (struct opcodes){0};
}

static struct opcodes find_kind(uint8_t opcode, bool is_two_bytes)
{
    if (is_two_bytes) {
        return find(two_bytes, HX_ARRAY_SIZE(two_bytes), opcode);
    }
    return opcode < 0x40 ? arithmetic(opcode) : find(one_byte, HX_ARRAY_SIZE(one_byte), opcode);
}

static bool is_prefix(uint8_t byte)
{
    return byte == 0x66 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x2e ||
           byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 || byte == 0x65;
}

static void read_opcode(struct reader *reader, struct parts *parts)
{
    uint8_t byte = next(reader);

    while (is_prefix(byte)) {
        parts->is_short |= byte == 0x66;
        byte = next(reader);
    }
    if ((byte & 0xf0) == 0x40) {
        parts->rex = byte & 0xf;
        byte = next(reader);
    }
    if (byte == OPCODE_ESCAPE) {
        parts->is_two_bytes = true;
        byte = next(reader);
    }
    parts->opcode = byte;
    parts->opcode_at = (uint8_t)(reader->at - 1);
    parts->kind = find_kind(byte, parts->is_two_bytes);
}

static bool has_modrm(const struct parts *parts)
{
    return parts->kind.form != PLAIN && parts->kind.form != O;
}

/* The ModRM byte, the SIB byte and the displacement. */
static void read_operands(struct reader *reader, struct parts *parts)
{
    uint8_t mode;
    uint8_t base;

    parts->modrm = next(reader);
    parts->modrm_at = (uint8_t)(reader->at - 1);
    mode = parts->modrm >> 6;
    base = parts->modrm & 7;
    if (mode == 3) {
        return;
    }
    if (base == 4) {
        base = next(reader) & 7;
        parts->sib_at = (uint8_t)(reader->at - 1);
    }
    if (mode == 1) {
        skip(reader, 1);
    } else if (mode == 2 || base == 5) {
        skip(reader, 4);
    }
}

static int32_t read_distance(struct reader *reader, bool is_near)
{
    uint32_t value = next(reader);

    if (is_near) {
        return (int8_t)value;
    }
    for (unsigned shift = 8; shift < 32; shift += 8) {
        value |= (uint32_t)next(reader) << shift;
    }
    return (int32_t)value;
}

static void read_rest(struct reader *reader, struct parts *parts)
{
    enum rest rest = parts->kind.rest;

    if (rest == TESTED) {
        bool is_test = (parts->modrm >> 3 & 7) < 2;
        enum rest of_test = parts->opcode == 0xf6 ? BYTE : WORD;

        rest = is_test ? of_test : NOTHING;
    }
    if (rest == NEAR || rest == FAR) {
        parts->distance = read_distance(reader, rest == NEAR);
    } else if (rest == BYTE) {
        skip(reader, 1);
    } else if (rest == LONG && (parts->rex & REX_W) != 0) {
        skip(reader, 8);
    } else if (rest == WORD || rest == LONG) {
        skip(reader, parts->is_short ? 2 : 4);
    }
}

static bool take_apart(const uint8_t *bytes, size_t size, struct parts *parts)
{
    struct reader reader = {.bytes = bytes, .size = size};

    *parts = (struct parts){.modrm_at = NOWHERE, .sib_at = NOWHERE};
    read_opcode(&reader, parts);
    if (reader.has_failed || parts->kind.form == UNKNOWN) {
        return false;
    }
    if (has_modrm(parts)) {
        read_operands(&reader, parts);
    }
    read_rest(&reader, parts);
    parts->length = (uint8_t)reader.at;
    return !reader.has_failed;
}

/* --- what there is about one ------------------------------------------------------------------ */

/* The processor's number of a register as hal_frame_register's. */
static uint8_t frame_number(unsigned number)
{
    static const uint8_t numbers[] = {0, 2, 3, 1, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};

    return numbers[number & 15];
}

static bool is_memory(const struct parts *parts)
{
    return parts->modrm_at != NOWHERE && parts->modrm >> 6 != 3;
}

/* The register that is the base of an address in memory. */
static uint8_t base_register(const struct parts *parts, const uint8_t *bytes)
{
    uint8_t base = parts->modrm & 7;

    if (parts->sib_at != NOWHERE) {
        base = bytes[parts->sib_at] & 7;
    }
    if (base == 5 && parts->modrm >> 6 == 0) {
        return HAL_CODE_NO_REGISTER;
    }
    return frame_number(base | ((parts->rex & REX_B) != 0 ? 8U : 0U));
}

static bool is_condition(const struct parts *parts)
{
    return (parts->opcode & 0xf0) == (parts->is_two_bytes ? 0x80 : 0x70);
}

static bool is_comparison_with_constant(const struct parts *parts)
{
    bool is_group = parts->opcode == 0x80 || parts->opcode == 0x81 || parts->opcode == 0x83;

    return !parts->is_two_bytes && is_group && (parts->modrm >> 3 & 7) == 7;
}

/* Members of group FF: an indirect call, jump or push; they read. */
static bool is_indirect(const struct parts *parts)
{
    return !parts->is_two_bytes && parts->opcode == 0xff && (parts->modrm >> 3 & 7) >= 2;
}

static bool writes_rm(const struct parts *parts)
{
    return (parts->kind.form == EG || parts->kind.form == E) && !is_memory(parts) &&
           !is_comparison_with_constant(parts) && !is_indirect(parts);
}

static bool writes_reg(const struct parts *parts)
{
    return parts->kind.form == GE || parts->kind.form == GA;
}

static uint16_t control_traits(const struct parts *parts)
{
    if (is_condition(parts)) {
        return HAL_CODE_CONDITION | HAL_CODE_BRANCH;
    }
    if (parts->is_two_bytes) {
        return 0;
    }
    switch (parts->opcode) {
    case 0xe8:
        return HAL_CODE_CALL | HAL_CODE_BRANCH;
    case 0xe9:
    case 0xeb:
        return HAL_CODE_BRANCH;
    case 0xc3:
        return HAL_CODE_RETURN | HAL_CODE_BRANCH;
    default:
        return is_indirect(parts) ? HAL_CODE_BRANCH : 0;
    }
}

static uint16_t operand_traits(const struct parts *parts)
{
    enum form form = parts->kind.form;
    uint16_t traits = 0;

    if (form == EG || form == READ_EG || ((form == GE || form == READ_E) && !is_memory(parts))) {
        traits |= HAL_CODE_SOURCE;
    }
    if (writes_reg(parts) || writes_rm(parts) || form == O) {
        traits |= HAL_CODE_DESTINATION;
    }
    return traits;
}

/* Its only effect is a new value in one register: moves, lea, and a register cleared. */
static bool is_move(const struct parts *parts)
{
    bool is_cleared = (parts->opcode == 0x31 || parts->opcode == 0x33) &&
                      (parts->modrm >> 3 & 7) == (parts->modrm & 7) && !is_memory(parts);

    if (parts->is_two_bytes) {
        return (parts->opcode & 0xf6) == 0xb6;
    }
    return is_cleared || (parts->opcode >= 0xb8 && parts->opcode <= 0xbf) ||
           parts->opcode == 0x8b || parts->opcode == 0x8d || parts->opcode == 0x63 ||
           ((parts->opcode == 0x89 || parts->opcode == 0xc7) && !is_memory(parts));
}

static uint8_t written_register(const struct parts *parts)
{
    unsigned high_reg = (parts->rex & REX_R) != 0 ? 8U : 0U;
    unsigned high_rm = (parts->rex & REX_B) != 0 ? 8U : 0U;

    if (parts->kind.form == O) {
        return frame_number((parts->opcode & 7U) | high_rm);
    }
    return writes_reg(parts) ? frame_number((parts->modrm >> 3 & 7U) | high_reg)
                             : frame_number((parts->modrm & 7U) | high_rm);
}

/* The first four of the ABI: System V AMD64, 3.2.3. */
static bool is_argument_register(uint8_t number)
{
    return number >= 2 && number <= 5; /* RCX, RDX, RSI, RDI */
}

bool hal_code_read(const uint8_t *bytes, size_t size, struct hal_code *code)
{
    struct parts parts;

    if (!take_apart(bytes, size, &parts)) {
        return false;
    }
    *code = (struct hal_code){.length = parts.length,
                              .pointer = HAL_CODE_NO_REGISTER,
                              .target = parts.distance,
                              .traits = control_traits(&parts) | operand_traits(&parts)};
    if (is_memory(&parts) && parts.kind.form != GA && parts.kind.form != NONE) {
        code->pointer = base_register(&parts, bytes);
    }
    if (code->pointer != HAL_CODE_NO_REGISTER) {
        code->traits |= HAL_CODE_POINTER;
    }
    if ((code->traits & HAL_CODE_DESTINATION) != 0 && is_move(&parts) &&
        is_argument_register(written_register(&parts))) {
        code->traits |= HAL_CODE_ARGUMENT;
    }
    return true;
}

/* --- making it a wrong one -------------------------------------------------------------------- */

/* Another value for the three bits at shift of a byte. */
static void change_field(uint8_t *byte, unsigned shift, uint64_t random)
{
    unsigned old = *byte >> shift & 7U;
    unsigned now = (old + 1U + (unsigned)(random % 7U)) & 7U;

    *byte = (uint8_t)((*byte & ~(7U << shift)) | (now << shift));
}

/* The base of an address: what would change the instruction's length is left out. */
static void change_base(uint8_t *byte, bool is_sib, bool is_bare, uint64_t random)
{
    uint8_t before = *byte;
    unsigned base;

    do {
        *byte = before;
        change_field(byte, 0, random++);
        base = *byte & 7U;
    } while ((base == 4 && !is_sib) || (base == 5 && is_bare));
}

static void change_register(enum hal_code_change change, const struct parts *parts, uint8_t *bytes,
                            uint64_t random)
{
    bool reads_reg = parts->kind.form == EG || parts->kind.form == READ_EG;

    if (change == HAL_CODE_CHANGE_POINTER) {
        bool is_sib = parts->sib_at != NOWHERE;

        change_base(&bytes[is_sib ? parts->sib_at : parts->modrm_at], is_sib,
                    parts->modrm >> 6 == 0, random);
    } else if (parts->kind.form == O) {
        change_field(&bytes[parts->opcode_at], 0, random);
    } else if (change == HAL_CODE_CHANGE_SOURCE ? reads_reg : writes_reg(parts)) {
        change_field(&bytes[parts->modrm_at], 3, random);
    } else {
        change_field(&bytes[parts->modrm_at], 0, random);
    }
}

static size_t loop(enum hal_code_change change, uint8_t changed[HAL_CODE_MAX])
{
    static const uint8_t deaf[] = {0xfa, 0xeb, 0xfe}; /* cli; jmp to itself */
    size_t size = change == HAL_CODE_LOOP_DEAF ? 3 : 2;

    memcpy(changed, deaf + 3 - size, size);
    return size;
}

/* Which of its traits an instruction must have. */
static uint16_t needed_trait(enum hal_code_change change)
{
    switch (change) {
    case HAL_CODE_INVERT:
        return HAL_CODE_CONDITION;
    case HAL_CODE_CHANGE_SOURCE:
        return HAL_CODE_SOURCE;
    case HAL_CODE_CHANGE_DESTINATION:
        return HAL_CODE_DESTINATION;
    case HAL_CODE_CHANGE_POINTER:
        return HAL_CODE_POINTER;
    default:
        return 0;
    }
}

size_t hal_code_change(enum hal_code_change change, const uint8_t *bytes,
                       const struct hal_code *code, uint64_t random, uint8_t changed[HAL_CODE_MAX])
{
    uint16_t needed = needed_trait(change);
    struct parts parts;

    if ((code->traits & needed) != needed || !take_apart(bytes, code->length, &parts)) {
        return 0;
    }
    if (change == HAL_CODE_LOOP || change == HAL_CODE_LOOP_DEAF) {
        return loop(change, changed);
    }
    memcpy(changed, bytes, code->length);
    if (change == HAL_CODE_REMOVE) {
        memset(changed, NOP, code->length);
    } else if (change == HAL_CODE_INVERT) {
        changed[parts.opcode_at] ^= 1U;
    } else if (change == HAL_CODE_CHANGE_BYTE) {
        changed[random % code->length] ^= (uint8_t)(1U + (random >> 8) % 255U);
    } else {
        change_register(change, &parts, changed, random);
    }
    return code->length;
}

/* --- traps ------------------------------------------------------------------------------------ */

uint8_t hal_code_trap(void)
{
    return TRAP;
}

uintptr_t hal_code_trap_address(const struct hal_frame *frame)
{
    return hal_frame_pc(frame) - 1;
}

unsigned hal_code_result_register(void)
{
    return 0; /* RAX */
}
