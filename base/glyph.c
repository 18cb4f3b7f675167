#include <base/glyph.h>

uint32_t glyph_find(const struct glyph_table *table, uint32_t character)
{
    uint32_t low = 0;
    uint32_t high = table->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (table->names[middle].character < character) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < table->count && table->names[low].character == character ? table->names[low].glyph
                                                                          : table->missing;
}
