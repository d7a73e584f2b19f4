// SPDX-License-Identifier: MIT
// Text to the words that the full-text index holds.
//
// FTS5 would neither find 密码 inside a run of characters nor /etc/adduser.conf as one thing.
// So text is cut here: a CJK character is a word, and so is each pair of neighbours; a run such
// as
// --no-install-recommends gives its parts and then itself, its joints mapped to private use
// code points (U+E000 + the character), which FTS5's unicode61 takes for letters.
#include "store/store.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

#define JOINTS "./_-:@+=~$#%"
#define RUN_MAX 128 // bytes of a run that is kept whole

static bool is_part(uint32_t cp)
{
    return (utf8_is_letter(cp) || utf8_is_number(cp) || utf8_is_mark(cp)) && !utf8_is_cjk(cp);
}

static bool is_joint(uint32_t cp)
{
    return cp < 0x80 && cp && strchr(JOINTS, (int)cp);
}

// The parts of s[0..n), of which there is one at least, as words of their own, then the whole
// if it has joints.
static int add_run(struct buf *out, const char *s, size_t n)
{
    while (strchr(".:=", s[n - 1]))
        n--;
    bool joint = false, part = false;
    size_t step;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (is_joint(cp)) {
            joint = true;
            rc = part ? buf_addc(out, ' ') : 0;
            part = false;
        } else {
            rc = buf_add(out, s + i, step);
            part = true;
        }
    }
    if (!rc && part)
        rc = buf_addc(out, ' ');
    if (!joint || n > RUN_MAX)
        return rc;
    for (size_t i = 0; i < n && !rc; i++) {
        char enc[4];
        rc = is_joint((unsigned char)s[i])
                 ? buf_add(out, enc, utf8_encode(0xE000u + (unsigned char)s[i], enc))
                 : buf_addc(out, s[i]);
    }
    return rc ? rc : buf_addc(out, ' ');
}

int text_words(struct buf *out, const char *text, size_t n)
{
    struct buf clean = BUF_INIT, f = BUF_INIT;
    int rc = utf8_add_clean(&clean, text, n);
    if (!rc)
        rc = utf8_add_folded(&f, clean.data, clean.len);
    size_t step, last = 0, last_n = 0;
    for (size_t i = 0; i < f.len && !rc;) {
        uint32_t cp = utf8_decode(f.data + i, f.len - i, &step);
        if (utf8_is_cjk(cp)) {
            rc = buf_add(out, f.data + i, step);
            if (!rc)
                rc = buf_addc(out, ' ');
            if (!rc && last_n)
                rc = buf_addf(out, "%.*s%.*s ", (int)last_n, f.data + last, (int)step,
                              f.data + i);
            last = i;
            last_n = step;
            i += step;
            continue;
        }
        last_n = 0;
        size_t start = i;
        bool any = false;
        while (i < f.len) {
            cp = utf8_decode(f.data + i, f.len - i, &step);
            if (!is_part(cp) && !is_joint(cp))
                break;
            any |= is_part(cp);
            i += step;
        }
        if (i == start)
            i += step;
        else if (any)
            rc = add_run(out, f.data + start, i - start);
    }
    buf_free(&clean);
    buf_free(&f);
    return rc == -EINVAL ? -ENOMEM : rc;
}
