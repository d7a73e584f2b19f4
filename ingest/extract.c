// SPDX-License-Identifier: MIT
#include "ingest/extract.h"

const char *extract_type(enum format f)
{
    static const char *const names[] = {"text", "markdown", "html", "pdf"};
    return names[f];
}

int extract_bytes(enum format f, struct buf *bytes, struct doc *d, struct err *e)
{
    const char *charset;
    doc_init(d, extract_type(f));
    if (f == FORMAT_PDF)
        return extract_pdf(bytes->data, bytes->len, d, e);
    int rc = extract_charset(bytes, f, &charset, e);
    if (rc)
        return rc;
    if (f == FORMAT_HTML)
        return extract_html(bytes->data, bytes->len, d, e);
    return f == FORMAT_MARKDOWN ? extract_markdown(bytes->data, bytes->len, d, e)
                                : extract_text(bytes->data, bytes->len, d, e);
}
