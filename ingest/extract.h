// SPDX-License-Identifier: MIT
// A file's bytes -> doc. All extractors take hostile input; any thread.
#pragma once

#include "ingest/doc.h"

enum format { FORMAT_TEXT, FORMAT_MARKDOWN, FORMAT_HTML, FORMAT_PDF };

// By the path's extension, and where that says nothing by the first bytes.
enum format extract_format(const char *path, const char *s, size_t n);

// Turn the file's bytes into UTF-8 in place of what `bytes` holds: by BOM, as it is if valid,
// by what an HTML page declares, else by detection. *charset names what it was (static).
// -EILSEQ for binary files and for text of no known charset.
int extract_charset(struct buf *bytes, enum format f, const char **charset, struct err *e);

// Each fills `d` (initialised here, freed by the caller with doc_free also after an error)
// from UTF-8 text. -EFBIG, -ENOMEM.
int extract_text(const char *s, size_t n, struct doc *d, struct err *e);
int extract_markdown(const char *s, size_t n, struct doc *d, struct err *e);
// -EOVERFLOW when the page takes more memory or time to parse than any real page does.
int extract_html(const char *s, size_t n, struct doc *d, struct err *e);
// From pdftotext's output, in which pages end with form feeds; lines that come again at the
// edges of pages are blanked in `s`.
int extract_pdf(char *s, size_t n, struct doc *d, struct err *e);
// Add text whose pages end with form feeds to `d` (initialised).
int extract_pages(const char *s, size_t n, struct doc *d, struct err *e);

// A file's bytes, or pdftotext's output, by the extractor of their format, charset and all; the
// bytes are used up. What each of them returns. This is what runs in a process of its own
// (extractor.h).
int extract_bytes(enum format f, struct buf *bytes, struct doc *d, struct err *e);
// "text", "markdown", "html", "pdf".
const char *extract_type(enum format f);

// pdf.c: append what `pdftotext` makes of the file. -ENOENT without that program, -EILSEQ for a
// broken or encrypted file, -ETIME and -EFBIG beyond the limits.
int pdf_text(const char *path, struct buf *out, struct err *e);

// Lines of a source text: the line (1-based) of each byte, asked in any order.
struct lines {
    size_t *starts, n;
};
int lines_index(struct lines *l, const char *s, size_t n); // 0 or -ENOMEM
int lines_at(const struct lines *l, size_t off);
void lines_free(struct lines *l);
