// SPDX-License-Identifier: MIT
#include "ingest/chunk.h"

#include "base/utf8.h"

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t chunk_tokens(const char *s, size_t n)
{
    size_t quarters = 0;
    for (size_t i = 0, step; i < n; i += step) {
        unsigned char c = (unsigned char)s[i];
        size_t run = i;
        step = 1;
        if (lower(s[i]) || (c >= 'A' && c <= 'Z')) {
            run++;
            while (run < n && lower(s[run]))
                run++;
            step = run - i;
            quarters += step <= 4 ? 4 : step;
        } else if (digit(s[i])) {
            while (run < n && digit(s[run]))
                run++;
            step = run - i;
            quarters += 2 + 2 * step;
        } else if (c < 0x80) {
            quarters += c > ' ' ? 4 : 0;
        } else {
            uint32_t cp = utf8_decode(s + i, n - i, &step);
            if (utf8_is_cjk(cp))
                quarters += 3;
            else if (utf8_is_letter(cp) || utf8_is_mark(cp))
                quarters += 2;
            else if (!utf8_is_space(cp))
                quarters += 4;
        }
    }
    return (quarters + 3) / 4;
}
